"""Find the results of validations and tests, and what lies beside them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tiae_zoo.messages import UserError
from tiae_zoo.runs import PER_IMAGE_FILE, RESULTS_FILE

STAGES = {"test": "test", "validate": "val"}  # verb -> what its figures begin with
# settings of the data that change neither the images that are scored nor their truth
UNREAD = (
    *("data.root.", "data.batch_size.", "data.eval_batch_size.", "data.num_workers.", "data.download."),
    *("data.transform.", "data.labelled.", "data.num_train.", "data.with_masks."),
)
LIMITS = {"test": "trainer.limit_test_batches", "val": "trainer.limit_val_batches"}
# settings that make two trainings different, beside those of model and data, and those that do not
BUDGET = ("trainer.max_epochs", "trainer.max_steps", "data.batch_size")  # few images bear other ones than many
MACHINE = ("data.root", "data.num_workers", "data.eval_batch_size", "data.download")
SEEDS = ("data.labelled_seed",)  # beside seed_everything


@dataclass(frozen=True)
class Result:
    """What one `validate` or `test` found.

    Attributes:
        path: of its JSON file.
        record: the file's content.
        name: as it is called in tables.
    """

    path: Path
    record: dict[str, Any] = field(repr=False)
    name: str

    @property
    def split(self) -> str:
        """Return `test` or `val`."""
        return STAGES[self.record["verb"]]

    @property
    def method(self) -> str:
        """Return the short name of the method."""
        return _short(self.record["config"]["model"]["class_path"])

    @property
    def data(self) -> str:
        """Return the short name of the data module."""
        return _short(self.record["config"]["data"]["class_path"])

    @property
    def images(self) -> dict[str, Any]:
        """Return the settings that decide which images were scored, and against what."""
        return {
            name: value
            for name, value in flat(self.record["config"]).items()
            if value is not None
            and (name == LIMITS[self.split] or (name.startswith("data.") and not f"{name}.".startswith(UNREAD)))
        }

    @property
    def scored_on(self) -> str:
        """Return a text that is equal for results on the same images: by their masks, else by the data's settings.

        Two splits of one name may test on the same images: ReDO's and the supervised one of `LFW` do.
        """
        same = self.record.get("truth_sha256") or [self.data, self.images]
        return json.dumps([self.split, same], sort_keys=True)

    @property
    def metrics(self) -> dict[str, float | None]:
        """Return the figures, without the split in their names."""
        return self._unstaged(self.record["metrics"])

    @property
    def intervals(self) -> dict[str, list[float]]:
        """Return the lower and upper ends of the figures that have an interval."""
        return self._unstaged(self.record.get("intervals", {}))

    @property
    def trivial(self) -> dict[str, dict[str, float]]:
        """Return what masks score that know nothing of the same images: mask -> figure -> value."""
        return {mask: self._unstaged(scores) for mask, scores in self.record.get("trivial", {}).items()}

    def _unstaged(self, named: dict[str, Any]) -> dict[str, Any]:
        prefix = f"{self.split}/"
        return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}

    @property
    def seed(self) -> int | None:
        """Return the seed of the training, that of the test where the training is not to be found."""
        return self.setting("seed_everything")

    @cached_property
    def fit_folder(self) -> Path | None:
        """Return the run that wrote the checkpoint, where it is: as recorded, or moved together with this one."""
        checkpoint = self.record.get("checkpoint")
        if not checkpoint:
            return None
        recorded = Path(checkpoint).parent.parent
        beside = self.path.parent.parent / recorded.name
        candidates = [beside] if recorded.parent.name == self.path.parent.parent.name else []
        if Path(checkpoint).is_file():  # else a run of the same name, but somebody else's
            candidates.append(recorded)
        return next((folder for folder in candidates if (folder / RESULTS_FILE).is_file()), None)

    @cached_property
    def training(self) -> dict[str, Any]:
        """Return the record of the fit, empty if it is not to be found."""
        return json.loads((self.fit_folder / RESULTS_FILE).read_text(encoding="utf-8")) if self.fit_folder else {}

    def setting(self, key: str) -> Any:
        """Return a value of the config by its name on the command line, such as `data.labelled`.

        That of the training where it is to be found; None where nobody has it.
        """
        value = flat(self.training.get("config", {})).get(key)
        return flat(self.record["config"]).get(key) if value is None else value

    def same_but(self, *keys: str) -> str:
        """Return a text that is equal for trainings that differ in seed, machine and the settings `keys` alone.

        Where the record of the training is missing, the run that the checkpoint is of stands for it, but for the number
        at the end of its name and the values of `keys` in it.
        """
        config = flat(self.training.get("config") or self.record["config"])
        kept = {
            name: value
            for name, value in config.items()
            if ((name.partition(".")[0] in ("model", "data") and name not in MACHINE + SEEDS) or name in BUDGET)
            and value is not None  # an older version may not have had the setting
        }
        if not self.training and len(parents := Path(self.record.get("checkpoint") or "").parents) > 2:
            values = "|".join(re.escape(str(config[key])) for key in keys if config.get(key) is not None)
            run = parents[2].name.rstrip("0123456789")
            kept["run"] = re.sub(rf"(?<!\d)({values})(?!\d)", "", run) if values else run
        return json.dumps({name: kept[name] for name in sorted(kept.keys() - {*keys})})

    @cached_property
    def per_image(self) -> dict[str, list[float]]:
        """Return the columns of numbers of `per_image.csv`, empty if it is not there."""
        path = self.path.parent / PER_IMAGE_FILE
        if self.path.name != RESULTS_FILE or not path.is_file():
            return {}
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = [name for name in (rows[0] if rows else {}) if name not in ("index", "name")]
        return {name: [float(row[name]) for row in rows] for name in columns}

    @cached_property
    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """Return what the fit logged: figure -> (training batches, value)."""
        path = self.fit_folder / "metrics.csv" if self.fit_folder else None
        if path is None or not path.is_file():
            return {}
        found: dict[str, list[tuple[float, float]]] = {}
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for name, text in row.items():
                    if text and name not in ("epoch", "step") and row.get("step"):
                        found.setdefault(name, []).append((int(row["step"]) + 1, float(text)))
        return found

    @property
    def pictures(self) -> list[Path]:
        """Return the pictures of the run."""
        return sorted((self.path.parent / "pictures").glob("*.png")) if self.path.name == RESULTS_FILE else []


def find_results(places: Iterable[Path]) -> list[Result]:
    """Read results of `validate` and `test`; other verbs' in a folder are passed over.

    Args:
        places: JSON files, run folders, or folders with such files anywhere below.

    Raises:
        UserError: a place is not there, a file is no such record, or there is none in all places.
    """
    records: dict[Path, dict[str, Any]] = {}
    for place in places:
        records |= dict(_read_folder(place) if place.is_dir() else [(place, _read(place))])
    if not records:
        raise UserError(
            "There are no results of a validation or a test in these places. Run `tiae-zoo test` first, or give the "
            "folders of its runs."
        )
    homes = [path.parent.parent.name for path in records]
    names = {path: _name(path, homes) for path in records}
    return [Result(path, record, names[path]) for path, record in records.items()]


def _read_folder(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    own = folder / RESULTS_FILE
    for path in [own] if own.is_file() else sorted(folder.rglob("*.json")):
        try:
            yield path, _read(path)
        except UserError:  # a bench, a fit, somebody's JSON
            if path == own:
                raise


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}). Give results.json files, or folders of runs.") from error
    known = isinstance(record, dict) and record.get("verb") in STAGES
    if not (known and record.get("metrics") and {"model", "data"} <= set(record.get("config", {}))):
        raise UserError(
            f"{path} is no record of a validation or a test with figures. Give results.json of `tiae-zoo test`."
        )
    return record


def _name(path: Path, homes: list[str]) -> str:
    if path.name != RESULTS_FILE:
        return path.stem
    home = path.parent.parent.name
    return home if homes.count(home) == 1 and home else f"{home}/{path.parent.name}"


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the settings of a config by their names on the command line.

    >>> flat({"seed_everything": 0, "data": {"class_path": "tiae_zoo.data.LFW", "init_args": {"image_size": 64}}})
    {'seed_everything': 0, 'data': 'LFW', 'data.image_size': 64}
    """
    found: dict[str, Any] = {}
    for name, value in config.items():
        key = prefix + name
        if isinstance(value, dict) and "class_path" in value:
            found[key] = _short(value["class_path"])
            value = value.get("init_args") or {}
        if isinstance(value, dict):
            found |= flat(value, f"{key}.")
        elif not (isinstance(value, list) and any(isinstance(item, dict) for item in value)):  # callbacks, loggers
            found[key] = value
    return found


def _short(class_path: str) -> str:
    return class_path.rpartition(".")[2]
