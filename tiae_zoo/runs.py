"""Run folders: `<save_dir>/<name>/<verb>_<n>`, one for each run, never used twice."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tiae_zoo.messages import UserError

CONFIG_FILE = "config.yaml"
RESULTS_FILE = "results.json"
PER_IMAGE_FILE = "per_image.csv"


def reserve(home: Path, verb: str) -> Path:
    """Make and return the next free folder `<home>/<verb>_<n>`.

    Two processes never get the same folder: creating it is the reservation, and only one of them succeeds.

    Raises:
        UserError: if the folder cannot be made there.
    """
    number = 1 + max(numbered(home, verb), default=-1)
    while not make_new(folder := home / f"{verb}_{number}"):
        number += 1
    return folder


def make_new(folder: Path) -> bool:
    """Create `folder` and its parents; return False if it exists already.

    Raises:
        UserError: if it cannot be made there.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        if isinstance(error, FileExistsError) and folder.exists():
            return False
        raise UserError(
            f"The run folder {folder} cannot be made: {error.strerror}. "
            "Choose a place you may write to: --trainer.logger.save_dir, or --trainer.default_root_dir with no logger."
        ) from error
    return True


@contextmanager
def new_folder(output: Path | None, home: Path, verb: str) -> Iterator[Path]:
    """Make a folder that did not exist; take it away again if nothing was written to it.

    Args:
        output: the folder; the next `<home>/<verb>_<n>` if None.
        home: where to count up.
        verb: what to count.

    Raises:
        UserError: it exists already, or cannot be made.
    """
    try:
        folder = output or reserve(home, verb)
        free = output is None or make_new(folder)
    except UserError as error:
        raise UserError(
            f"No folder can be made in {output or home} ({error.__cause__}). Give another --output."
        ) from error
    if not free:
        raise UserError(f"{folder} exists already and is not overwritten. Give another --output.")
    try:
        yield folder
    except BaseException:
        with suppress(OSError):  # not empty
            folder.rmdir()
        raise


def numbered(home: Path, verb: str) -> dict[int, Path]:
    """Return the runs of `verb` under `home` by their numbers, the newest first."""
    if not home.is_dir():
        return {}
    pattern = re.compile(rf"{re.escape(verb)}_(\d+)")
    found = {int(match[1]): path for path in home.iterdir() if (match := pattern.fullmatch(path.name))}
    return dict(sorted(found.items(), reverse=True))


def newest_checkpoint(home: Path, which: str) -> Path:
    """Return the `last` or `best` checkpoint of the newest fit under `home` that wrote any.

    Raises:
        UserError: if no fit wrote one, or the newest that did has no such one: an older run's is never taken for it.
    """
    for folder in numbered(home, "fit").values():
        written = sorted((folder / "checkpoints").glob("*.ckpt"))
        last = folder / "checkpoints" / "last.ckpt"
        checkpoint = last if which == "last" else _best_checkpoint(folder)
        if checkpoint is not None and checkpoint.is_file():
            return checkpoint
        if written:
            why = "" if which == "last" else _why_no_best(folder)
            others = ["last"] * (last in written) + [str(path) for path in written if path != last]
            raise UserError(
                f"The newest fit, {folder}, has no {which} checkpoint{why}. Give --ckpt_path {' or '.join(others)}."
            )
    raise UserError(
        f"No fit under {home} has a {which} checkpoint. Run `tiae-zoo fit` first, or give the checkpoint's own path."
    )


def config_beside(checkpoint: Path) -> Path | None:
    """Return the config saved with the run that wrote `<run>/checkpoints/<checkpoint>`, if there is one."""
    config = checkpoint.parent.parent / CONFIG_FILE
    return config if config.is_file() else None


def _why_no_best(folder: Path) -> str:
    if not (folder / RESULTS_FILE).is_file():
        return "; the best is known when a fit has ended"
    if (best := _best_checkpoint(folder)) is not None:
        return f"; {best} is gone"
    return ": it was not validated, or no figure was named to choose the best by"


def _best_checkpoint(folder: Path) -> Path | None:
    results = folder / RESULTS_FILE
    best = json.loads(results.read_text(encoding="utf-8")).get("best_checkpoint") if results.is_file() else None
    return folder / best if best else None  # relative to the run, so that a run can be moved


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a file to write beside `path`, which takes its place at the end: a reader sees the whole file or none.

    After an error nothing is left of it.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}", suffix=".part", delete=False) as new:
        part = Path(new.name)
    try:
        yield part
        part.chmod(0o644)  # temporary files are private; these are to be read
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` to `path`; a reader sees the whole file or none."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")
