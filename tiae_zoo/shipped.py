"""Where the files that come with the zoo lie, and finding a config by its name."""

from __future__ import annotations

from pathlib import Path

from tiae_zoo.messages import UserError, did_you_mean

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def config_folder() -> Path:
    """Return the folder of shipped configs: the checkout's own, else the copy inside the installed package.

    An editable install leaves a copy in site-packages that grows old; this package then lies in the checkout, so the
    copy is never looked at.
    """
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _CHECKOUT / "configs"


def registry_file() -> Path:
    """Return the registry of pretrained weights, of the checkout or of the installed package; its files lie beside."""
    installed = _PACKAGE / "weights" / "registry.json"
    return installed if installed.is_file() else _CHECKOUT / "checkpoints" / "registry.json"


def shipped_configs() -> dict[str, Path]:
    """Return every shipped config by its name under the config folder, presets such as `presets/debug.yaml` last."""
    folder = config_folder()
    files = sorted(folder.rglob("*.yaml"), key=lambda path: (path.parent != folder, path))
    return {path.relative_to(folder).as_posix(): path for path in files}


def find_config(name: str) -> Path:
    """Return the file a user means by `name`: an existing file, else the shipped config of that name.

    Args:
        name: a path, or a shipped config with or without the leading `configs/` and the ending.

    Raises:
        UserError: if there is neither.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    shipped = shipped_configs()
    short = name.replace("\\", "/").removeprefix("./").removeprefix("configs/")
    for candidate in (short, f"{short}.yaml"):
        if candidate in shipped:
            return shipped[candidate]
    beside = (str(found) for found in path.parent.glob("*.y*ml")) if path.parent.is_dir() else ()
    hint = did_you_mean(name, [*(f"configs/{known}" for known in shipped), *beside])
    raise UserError(f"There is no config {name!r}.{hint} `tiae-zoo list` names the shipped ones.")
