"""`tiae-zoo fit | validate | test | predict | bench`: LightningCLI with run folders, results, readable errors."""

from __future__ import annotations

import inspect
import logging
import os
import shlex
import signal
import sys
import time
import warnings
from argparse import ArgumentError
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException

import tiae_zoo.callbacks
import tiae_zoo.data
import tiae_zoo.methods  # noqa: F401  (importing makes the short class names known to the parser)
from tiae_zoo import __version__, results, runs
from tiae_zoo.benchmark import table
from tiae_zoo.callbacks.interruption import Interruption
from tiae_zoo.callbacks.mask_average import AVERAGED
from tiae_zoo.callbacks.per_image_scores import PerImageScores
from tiae_zoo.callbacks.random_state import RandomState
from tiae_zoo.callbacks.step_count import StepCount
from tiae_zoo.launch.arguments import with_found_configs, with_run_config
from tiae_zoo.launch.checkpoint import (
    UNTRAINED,
    differences,
    find_checkpoint,
    follow_channels,
    follow_classes,
    misfit,
    refuse_mismatch,
    refuse_nameless,
    refuse_other_size,
    refuse_unmeasured,
    refuse_untrained,
    refuse_weights_alone,
    stored_hyperparameters,
)
from tiae_zoo.launch.devices import refuse_missing_gpu
from tiae_zoo.launch.diagnosis import explain, refuse_other_image_size, shortened
from tiae_zoo.launch.placing import place_run, run_home
from tiae_zoo.launch.processes import is_first_process, tell
from tiae_zoo.launch.restarts import restart_if_collapsed
from tiae_zoo.messages import UserError
from tiae_zoo.metrics.segmentation import PROTOCOLS
from tiae_zoo.networks.layers import weights_to_be_loaded
from tiae_zoo.trainer import ZooTrainer

SHARED = ("seed_everything", "trainer", "model", "data")  # options that every verb has


def run(arguments: Sequence[str]) -> int:
    """Run `fit`, `validate`, `test`, `predict` or `bench` and return the exit status.

    Errors that the user can mend are told in a few words; TIAE_ZOO_DEBUG=1 shows their traceback.
    """
    _quieten()
    environment = dict(os.environ)  # before Lightning adds to it
    if os.getcwd() not in sys.path:  # noqa: PTH109
        sys.path.append(os.getcwd())  # noqa: PTH109  (classes of one's own, beside one's config)
    try:
        cli = ZooCLI(list(arguments))
        return restart_if_collapsed(cli.trainer, arguments, environment)
    except SIGTERMException:  # a SystemExit without a status
        return 128 + signal.SIGTERM  # as shells have it
    except SystemExit as done:  # --help, --print_config, and Lightning after Ctrl-C
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except Exception as error:
        told = _in_a_few_words(error)
        if told is None or os.environ.get("TIAE_ZOO_DEBUG"):
            raise
        print(f"tiae-zoo {arguments[0]}: {told}", file=sys.stderr)  # noqa: T201
        return 1


def _in_a_few_words(error: Exception) -> str | None:
    """Return what to tell of an error that the user can mend; none for a fault of the program."""
    match error:
        case UserError():
            return str(error)
        case ArgumentError():
            return shortened(str(error))
        case MisconfigurationException():
            return f"{error} (TIAE_ZOO_DEBUG=1 shows where this comes from.)"
        case torch.OutOfMemoryError():
            return (
                "The GPU's memory is full. Lower --data.batch_size or --data.image_size, or choose narrower networks."
            )
    return None


def _quieten() -> None:
    """Silence what Lightning says on every run and no user can act on."""
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    # each verb has a folder of its own, so the folder always differs from the checkpoint's
    warnings.filterwarnings("ignore", message=r"The dirpath has changed from .*")
    # computed from what all processes have seen; figures of one's own keep the advice
    scores = rf"(?:{'|'.join(PROTOCOLS)})(?:{AVERAGED})?|smallest_region"
    warnings.filterwarnings("ignore", message=rf"It is recommended to use `self\.log\('(?:val|test)/(?:{scores})'")
    advice = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    advice.addFilter(lambda record: not record.getMessage().startswith("💡 Tip"))


class SaveConfig(SaveConfigCallback):
    """Saves the config as it was asked, without the run's number and the verb's own options: any verb can use it."""

    def __init__(self, parser: LightningArgumentParser, config: Namespace, asked: Namespace) -> None:
        super().__init__(parser, asked, config_filename=runs.CONFIG_FILE)


class ZooCLI(LightningCLI):
    """LightningCLI for any LightningModule with any LightningDataModule, those of the zoo by their short names.

    Args:
        arguments: the verb and its options.
    """

    trainer: ZooTrainer

    def __init__(self, arguments: list[str]) -> None:
        self.run_folder: Path | None = None
        self.verb = arguments[0]
        self.command = shlex.join(["tiae-zoo", *arguments])
        self.stored: dict[str, Any] = {}
        header = [f"tiae-zoo {__version__}: {self.command}"]
        settings = {"exit_on_error": False, "allow_abbrev": False, "dump_header": header}
        try:
            super().__init__(
                trainer_class=ZooTrainer,
                save_config_callback=SaveConfig,
                auto_configure_optimizers=False,  # the methods configure their own
                parser_kwargs={**settings, self.verb: dict(settings)},
                args=arguments,
            )
        except BaseException as error:
            self._leave_run_folder()
            if isinstance(error, RuntimeError) and (reason := misfit(error, self.stored)):
                raise UserError(reason) from error
            raise

    def _leave_run_folder(self) -> None:
        """Remove the folder of a run that failed before it wrote anything; say where the rest of another one lies."""
        if self.run_folder is not None:
            try:
                self.run_folder.rmdir()
            except OSError:  # not empty
                tell(f"The run broke off. What it wrote is in {self.run_folder}")
            with suppress(OSError):  # other runs are there
                self.run_folder.parent.rmdir()

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Return the verb at hand, with the arguments of it that are not options: a parser of each would take long."""
        verbs = LightningCLI.subcommands() | {"bench": {"model", "datamodule"}}
        return {self.verb: verbs[self.verb]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Write the image size once, with the data; models without that parameter are left alone."""
        parser.link_arguments("data.init_args.image_size", "model.init_args.image_size")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse with configs found by name, and with the run's own config where only its checkpoint is given."""
        arguments = with_run_config(with_found_configs(args))
        try:
            self.config = parser.parse_args(arguments)
            verb = self.config.subcommand
            self.asked = parser.parse_args(arguments, defaults=False)[verb]
        except ArgumentError as error:
            own = set(inspect.signature(getattr(ZooTrainer, args[0])).parameters) - self.subcommands()[args[0]]
            raise UserError(explain(arguments, str(error), own)) from error
        options = self.config[verb]
        seed = options.seed_everything
        if not isinstance(seed, bool) and not 0 <= seed < 2**32:
            raise UserError(f"seed_everything is {seed}, and seeds lie between 0 and {2**32 - 1}. Give another.")
        refuse_other_image_size(arguments, options)
        needs_weights = verb not in ("fit", "bench")
        if needs_weights and options.get("ckpt_path") == UNTRAINED:
            options.ckpt_path = None
        elif options.get("ckpt_path"):
            options.ckpt_path = find_checkpoint(str(options.ckpt_path), run_home(options))
            self.stored = stored_hyperparameters(options.ckpt_path)
            refuse_nameless(options.ckpt_path, self.stored)
            if verb == "fit":
                refuse_weights_alone(options.ckpt_path)
            follow_channels(self.stored, self.asked, options)
        elif needs_weights:
            refuse_untrained(verb)

    def before_instantiate_classes(self) -> None:
        """Set what is asked of a checkpoint, not stored in it, and reserve the run's folder before data is touched."""
        options = self.config[self.subcommand]
        if self.stored:  # in force by now
            follow_classes(self.asked, options)
        refuse_missing_gpu(options.trainer)
        self.save_config_kwargs = {"asked": Namespace({key: deepcopy(options.get(key)) for key in SHARED})}
        if not options.trainer.fast_dev_run and is_first_process():
            self.run_folder = place_run(options, str(self.subcommand))
        if self.subcommand == "fit":
            self.trainer_defaults = {"callbacks": [RandomState(), StepCount(), Interruption()]}
        if self.subcommand == "bench":
            options.trainer.limit_val_batches = 0
        if self.subcommand in ("validate", "test") and not options.trainer.fast_dev_run:
            self.trainer_defaults = {"callbacks": [PerImageScores()]}
        if self.subcommand == "predict":
            options.return_predictions = False  # written to files as they come, not kept in memory

    def instantiate_classes(self) -> None:
        """Build model, data and trainer; what a class refuses or lacks is the user's to mend."""
        try:
            with weights_to_be_loaded() if self.stored else nullcontext():
                super().instantiate_classes()
        except (ValueError, ModuleNotFoundError) as error:
            raise UserError(shortened(str(error))) from error

    def before_fit(self) -> None:
        """Refuse what would fail later, tell where the checkpoint differs from what was asked, and start the clock."""
        options = self.config[self.subcommand]
        refuse_other_size(self.model, options.get("ckpt_path"), self.stored)
        refuse_mismatch(self.model, self.datamodule, self.stored)
        if self.subcommand == "fit":
            refuse_unmeasured(self.trainer, self.model, self.datamodule)
        if lines := differences(self.stored, self.asked, options):
            tell("The checkpoint and what was asked differ. In use are\n  " + "\n  ".join(lines))
        self.started = time.perf_counter()

    before_validate = before_test = before_predict = before_bench = before_fit

    def after_fit(self) -> None:
        """Keep the state the fit ended in, write results.json and say where everything lies."""
        dry_run = self.config[self.subcommand].trainer.fast_dev_run
        if self.subcommand == "fit" and self.trainer.checkpoint_callbacks and not dry_run:
            # callbacks save at validations: what came after the last one, or without any, would be lost
            folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
            self.trainer.save_checkpoint(folder / "checkpoints" / "last.ckpt", weights_only=False)
        if self.run_folder is None or not self.trainer.is_global_zero:
            return
        seconds = time.perf_counter() - self.started
        benchmark = {"benchmark": self.trainer.benchmark_record} if self.subcommand == "bench" else {}
        options = self.config[self.subcommand]
        runs.write_json(
            self.run_folder / runs.RESULTS_FILE,
            {
                "verb": self.subcommand,
                "command": self.command,
                "checkpoint": options.get("ckpt_path"),
                **results.describe(self.trainer, self.run_folder, seconds),
                **benchmark,
                "config": yaml.safe_load(self.parser.dump(self.config, skip_none=False))[self.subcommand],
            },
        )
        if benchmark:
            print(table(**benchmark))  # noqa: T201
        if scores := results.score_table(self.run_folder):
            print(scores)  # noqa: T201
        if self.trainer.prediction_writer is not None:
            print(self.trainer.prediction_writer.summary())  # noqa: T201
        print(results.summary(self.run_folder))  # noqa: T201

    after_validate = after_test = after_predict = after_bench = after_fit
