import json
from pathlib import Path

import pytest
import torch
import yaml

from tests.cli.conftest import Zoo

BEST = "runs/toy/fit_0/checkpoints/best.ckpt"


def test_values_that_differ_from_the_checkpoint_are_named_at_once(fitted: Zoo) -> None:
    outcome = fitted("test", "--config", "toy.yaml", "--ckpt_path", BEST, "--model.width", "6", "--model.rate", "0.5")
    assert outcome.status == 0
    assert (
        "The checkpoint and what was asked differ. In use are\n"
        "  model.width: 3 of the checkpoint, not 6\n"
        "  model.rate: 0.1 of the checkpoint, not 0.5\n"
    ) in outcome.err


def test_values_of_a_config_are_compared_too(fitted: Zoo) -> None:
    Path("wide.yaml").write_text("model: {init_args: {width: 6}}", encoding="utf-8")
    outcome = fitted("test", "--config", "toy.yaml", "--config", "wide.yaml", "--ckpt_path", "best")
    assert "model.width: 3 of the checkpoint, not 6" in outcome.err


def test_nothing_is_said_where_nothing_differs(fitted: Zoo) -> None:
    Path("plain.yaml").write_text(
        Path("toy.yaml").read_text(encoding="utf-8").replace(", init_args: {width: 3}", ""), encoding="utf-8"
    )
    for config in ("toy.yaml", "plain.yaml"):  # a default that differs was not asked for
        outcome = fitted("test", "--config", config, "--ckpt_path", BEST)
        assert outcome.status == 0
        assert "differ" not in outcome.err


def test_another_method_than_the_checkpoints_is_named(fitted: Zoo) -> None:
    outcome = fitted("test", "--config", "toy.yaml", "--model", "tests.cli.toys.GreedyMethod", "--ckpt_path", BEST)
    assert "model: ToyMethod of the checkpoint, not GreedyMethod" in outcome.err


def test_the_image_size_follows_the_data_and_is_named(fitted: Zoo) -> None:
    outcome = fitted("test", "--config", "toy.yaml", "--ckpt_path", BEST, "--data.image_size", "16")
    assert outcome.status == 0  # ToyMethod's weights fit every size
    assert "model.image_size: 16 of the data, not 8 of the checkpoint" in outcome.err


def test_a_checkpoint_alone_brings_its_runs_config(fitted: Zoo) -> None:
    outcome = fitted("test", "--ckpt_path", BEST, "--data.batch_size", "1")
    assert outcome.status == 0
    assert "Using the config of the checkpoint's own run: runs/toy/fit_0/config.yaml" in outcome.err
    assert Path("runs/toy/test_0/results.json").is_file()


def test_presets_change_the_runs_config_and_do_not_replace_it(fitted: Zoo) -> None:
    Path("presets").mkdir()
    Path("presets/small.yaml").write_text("data: {init_args: {batch_size: 1}}", encoding="utf-8")
    outcome = fitted("test", "--ckpt_path", BEST, "--config", "presets/small.yaml")
    assert outcome.status == 0
    assert "Using the config of the checkpoint's own run" in outcome.err
    saved = yaml.safe_load(Path("runs/toy/test_0/config.yaml").read_text(encoding="utf-8"))
    assert saved["data"]["init_args"]["batch_size"] == 1


def test_misspelt_pretrained_weights_are_corrected(zoo: Zoo) -> None:
    outcome = zoo("test", "--ckpt_path", "shift_ae_mnits")
    assert outcome.status == 1
    assert "There are no weights 'shift_ae_mnits'. Did you mean 'shift_ae_mnist'?" in outcome.err


def test_a_checkpoint_away_from_its_run_needs_a_config(fitted: Zoo) -> None:
    Path(BEST).rename("moved.ckpt")
    outcome = fitted("test", "--ckpt_path", "moved.ckpt")
    assert outcome.status == 1
    assert "No method was chosen. Give a --config" in outcome.err


def test_last_and_best_are_those_of_the_newest_fit(fitted: Zoo) -> None:
    assert fitted("fit", "--config", "toy.yaml", "--ckpt_path", "last", "--trainer.max_epochs", "3").status == 0
    Path("runs/toy/fit_2").mkdir()  # a fit that has nothing yet
    for which in ("last", "best"):
        assert fitted("test", "--config", "toy.yaml", "--ckpt_path", which).status == 0
    for run, which in (("test_0", "last"), ("test_1", "best")):
        results = Path("runs/toy", run, "results.json").read_text(encoding="utf-8")
        assert f'"checkpoint": "runs/toy/fit_1/checkpoints/{which}.ckpt"' in results


def test_a_fit_without_a_best_checkpoint_says_why_and_what_to_use(zoo: Zoo) -> None:
    options = ["--config", "toy.yaml"]
    assert zoo("fit", *options, "--trainer.limit_val_batches", "0").status == 0
    told = "The newest fit, runs/toy/fit_0, has no best checkpoint: it was not validated, or no figure was named to "
    assert f"{told}choose the best by. Give --ckpt_path last.\n" in zoo("test", *options, "--ckpt_path", "best").err
    assert zoo("test", *options, "--ckpt_path", "last").status == 0

    assert zoo("fit", *options).status == 0
    best = Path("runs/toy/fit_1/checkpoints/best.ckpt")
    best.rename(best.with_name("mine.ckpt"))
    told = f"fit_1, has no best checkpoint; {best} is gone. Give --ckpt_path last or {best.with_name('mine.ckpt')}.\n"
    assert told in zoo("test", *options, "--ckpt_path", "best").err


def test_a_moved_run_still_knows_its_best(fitted: Zoo) -> None:
    Path("runs").rename("elsewhere")
    options = ["--trainer.logger.save_dir", "elsewhere", "--ckpt_path", "best"]
    assert fitted("test", "--config", "toy.yaml", *options).status == 0


def test_weights_that_do_not_fit_are_told(zoo: Zoo) -> None:
    options = ["--config", "toy.yaml", "--model", "tests.cli.toys.SizedMethod"]
    assert zoo("fit", *options).status == 0
    content = torch.load("runs/toy/fit_0/checkpoints/last.ckpt", weights_only=True)
    content["state_dict"]["bias"] = torch.zeros(9)
    torch.save(content, "wide.ckpt")
    outcome = zoo("test", *options, "--ckpt_path", "wide.ckpt")
    assert outcome.status == 1
    assert "The checkpoint does not fit the model: size mismatch for bias" in outcome.err
    assert "Traceback" not in outcome.err


def test_weights_of_one_image_size_are_refused_before_anything_is_read(zoo: Zoo) -> None:
    options = ["--config", "toy.yaml", "--model", "tests.cli.toys.SizedMethod"]
    assert zoo("fit", *options).status == 0
    options += ["--ckpt_path", "last", "--data.image_size", "16", "--data.missing", "true"]
    for verb in ("fit", "validate", "test", "predict"):
        outcome = zoo(verb, *options)
        assert outcome.status == 1
        assert [line for line in outcome.err.splitlines() if "px" in line or "checkpoint" in line] == [
            f"tiae-zoo {verb}: The weights of the checkpoint fit images of 8 px alone, and the data gives 16 px. "
            "Set --data.image_size 8, or choose another checkpoint."
        ]
        assert [run.name for run in Path("runs/toy").iterdir()] == ["fit_0"]


def test_files_that_are_no_checkpoints_are_refused(fitted: Zoo) -> None:
    Path("cut.ckpt").write_bytes(Path(BEST).read_bytes()[:2000])
    for path in ("toy.yaml", "cut.ckpt"):
        outcome = fitted("test", "--config", "toy.yaml", "--ckpt_path", path)
        assert outcome.status == 1
        assert f"{path} is not a checkpoint that can be read without running code from it. Give a" in outcome.err


def test_a_checkpoint_of_no_known_method_is_refused(zoo: Zoo) -> None:
    torch.save({"state_dict": {}, "hyper_parameters": {"width": 3}, "pytorch-lightning_version": "2.6.4"}, "plain.ckpt")
    outcome = zoo("test", "--config", "toy.yaml", "--ckpt_path", "plain.ckpt")
    assert outcome.status == 1
    assert "plain.ckpt does not say which method it is of. Give a checkpoint of `tiae-zoo fit`." in outcome.err
    assert not Path("runs").exists()


def test_a_misspelt_checkpoint_is_corrected(fitted: Zoo) -> None:
    outcome = fitted("test", "--config", "toy.yaml", "--ckpt_path", "runs/toy/fit_0/checkpoints/lst.ckpt")
    assert "Did you mean 'runs/toy/fit_0/checkpoints/last.ckpt'?" in outcome.err


@pytest.mark.parametrize("verb", ["validate", "test", "predict"])
def test_untrained_weights_are_refused_unless_meant(zoo: Zoo, verb: str) -> None:
    outcome = zoo(verb, "--config", "toy.yaml")
    assert outcome.status == 1
    assert f"No --ckpt_path was given, so {verb} would run with untrained weights. Give" in outcome.err
    assert not Path("runs").exists()

    assert zoo(verb, "--config", "toy.yaml", "--ckpt_path", "untrained").status == 0
    record = json.loads(Path(f"runs/toy/{verb}_0/results.json").read_text(encoding="utf-8"))
    assert record["checkpoint"] is None


def test_weights_alone_are_scored_and_not_resumed(fitted: Zoo) -> None:
    content = torch.load(BEST, weights_only=True)
    del content["optimizer_states"]
    torch.save(content, "weights.ckpt")
    outcome = fitted("fit", "--config", "toy.yaml", "--ckpt_path", "weights.ckpt", "--data.missing", "true")
    assert outcome.status == 1
    assert (
        "tiae-zoo fit: weights.ckpt holds weights alone, without the state of optimisers that a fit would go on from. "
        "Score it with `tiae-zoo test`, or give --ckpt_path last or another checkpoint of `tiae-zoo fit`.\n"
    ) in outcome.err
    assert [run.name for run in Path("runs/toy").iterdir()] == ["fit_0"]
    assert fitted("test", "--config", "toy.yaml", "--ckpt_path", "weights.ckpt").status == 0
