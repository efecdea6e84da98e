"""The command line before it is parsed: configs found by name, and the run's own config beside a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tiae_zoo import runs
from tiae_zoo.checkpoints import find_pretrained, is_pretrained
from tiae_zoo.launch.processes import tell
from tiae_zoo.messages import UserError
from tiae_zoo.shipped import find_config

CONFIG_OPTIONS = ("--config", "-c")
KEYWORDS = ("best", "last", "hpc", "registry", "untrained", "null")  # checkpoints that are named by no path


def option_values(arguments: list[str], *names: str) -> Iterator[tuple[int, str]]:
    """Yield the place and value of each `--name value` or `--name=value` in `arguments`.

    >>> list(option_values(["fit", "-c", "a.yaml", "--config=b.yaml"], "--config", "-c"))
    [(1, 'a.yaml'), (3, 'b.yaml')]
    """
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names and equals:
            yield place, value
        elif name in names and place + 1 < len(arguments):
            yield place, arguments[place + 1]


def with_found_configs(arguments: list[str]) -> list[str]:
    """Return the arguments with each config's name replaced by its file's path.

    Raises:
        UserError: if a config does not exist.
    """
    found = list(arguments)
    for place, name in option_values(arguments, *CONFIG_OPTIONS):
        path = str(find_config(name))
        if "=" in arguments[place]:
            found[place] = f"--config={path}"
        else:
            found[place + 1] = path
    return found


def with_run_config(arguments: list[str]) -> list[str]:
    """Return the arguments with the configs that belong to `--ckpt_path`, where presets at most and no model are given.

    That of the run that wrote the file, or those of pretrained weights.

    Raises:
        UserError: there is no such checkpoint, nor anything else that tells the method.
    """
    given = {argument.partition("=")[0] for argument in arguments}
    own = any(Path(config).parent.name != "presets" for _, config in option_values(arguments, *CONFIG_OPTIONS))
    if own or given & {"--model", "--help", "-h"}:
        return arguments
    for _, checkpoint in option_values(arguments, "--ckpt_path"):
        if configs := configs_of(checkpoint):
            if configs == [runs.config_beside(Path(checkpoint))]:
                tell(f"Using the config of the checkpoint's own run: {configs[0]}")
            return [arguments[0], *(word for config in configs for word in ("--config", str(config))), *arguments[1:]]
        if checkpoint.endswith(".ckpt") and "://" not in checkpoint and not Path(checkpoint).exists():
            raise UserError(f"There is no checkpoint {checkpoint!r}. Give the path of one, or a --config as well.")
        if checkpoint not in KEYWORDS and not {"/", "."} & {*checkpoint} and not Path(checkpoint).exists():
            find_pretrained(checkpoint)  # tells what there is
    return arguments


def configs_of(checkpoint: str) -> list[Path]:
    """Return the config of the run that wrote a checkpoint, or those of pretrained weights; later ones override."""
    if is_pretrained(checkpoint) and not Path(checkpoint).exists():
        return [find_config(name) for name in find_pretrained(checkpoint)["configs"]]
    config = runs.config_beside(Path(checkpoint))
    return [config] if config is not None else []
