"""`tiae-zoo discover` from the command line: what it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image, ImageDraw

from tests.discovery.centre_of_mass import centre_of_mass
from tiae_zoo.__main__ import main
from tiae_zoo.methods import ReDO, ShiftInvariantAE

MARKS = [(30, 30), (100, 30), (170, 30), (30, 90), (100, 90), (170, 90)]  # centres x, y
WRITTEN = {"index.html", "results.json", "heat_map.png", "hot_spots.png", "clusters"} | {
    f"{table}.csv" for table in ("votes", "hot_spots", "descriptors", "clusters")
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ShiftInvariantAE, "estimate_shift", lambda self, images: centre_of_mass(images))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return save(ShiftInvariantAE(), tmp_path_factory.mktemp("checkpoint") / "last.ckpt")


def save(method: LightningModule, path: Path) -> Path:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(method)
    trainer.save_checkpoint(path, weights_only=True)
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A white page of 200x120 pixels, three crosses in the first row and three discs in the second."""
    picture = Image.new("L", (200, 120), 230)
    draw = ImageDraw.Draw(picture)
    for x, y in MARKS[:3]:
        draw.line([(x - 6, y), (x + 6, y)], fill=30, width=3)
        draw.line([(x, y - 6), (x, y + 6)], fill=30, width=3)
    for place in MARKS[3:]:
        draw.circle(place, 5, fill=30)
    picture.save(tmp_path / "scan.png")
    return tmp_path / "scan.png"


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


def discover(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> Outcome:
    capfd.readouterr()
    return Outcome(main(["discover", *map(str, arguments)]), *capfd.readouterr())


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Elements(HTMLParser):
    """Collects where pictures, scripts and styles of a page come from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_finds_the_marks_and_puts_like_with_like(
    checkpoint: Path, page: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = discover(capfd, page, "--ckpt_path", checkpoint, "--quantile", "0.5")
    assert outcome.status == 0, outcome.err
    folder = Path("runs/scan/discover_0")
    assert {path.name for path in folder.iterdir()} == WRITTEN
    assert "their votes gather at 6 hot spots, which form 2 clusters" in outcome.out
    assert f"See {folder / 'index.html'}" in outcome.out

    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results["metrics"].items() >= {"hot_spots": 6, "clusters": 2, "clusters_of_several": 2}.items()
    assert results["command"].endswith("--quantile 0.5")
    assert results["checkpoint"] == str(checkpoint)

    spots = table(folder / "hot_spots.csv")
    assert {(int(spot["x"]), int(spot["y"])) for spot in spots} == set(MARKS)
    row_and_cluster = {(spot["y"], spot["cluster"]) for spot in spots}
    assert len(row_and_cluster) == 2  # crosses are one cluster, discs the other
    for cluster in table(folder / "clusters.csv"):
        members = [spot for spot in spots if spot["cluster"] == cluster["cluster"]]
        assert int(cluster["hot_spots"]) == len(members)
        assert int(cluster["votes"]) == sum(int(spot["votes"]) for spot in members)

    descriptors = table(folder / "descriptors.csv")
    assert [(row["hot_spot"], row["cluster"]) for row in descriptors] == [
        (spot["hot_spot"], spot["cluster"]) for spot in spots
    ]
    assert set(descriptors[0]) == {"hot_spot", "cluster", *(f"d{i}" for i in range(1, 31))}


def test_votes_are_hottest_on_the_marks(checkpoint: Path, page: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert discover(capfd, page, "--ckpt_path", checkpoint, "--output", "found").status == 0
    for vote in table(Path("found/votes.csv")):
        to = np.array([float(vote["voted_x"]), float(vote["voted_y"])])
        assert np.abs(to - MARKS).max(1).min() < 9  # some patches see a part of a mark only
    heat = np.asarray(Image.open("found/heat_map.png")).astype(int)
    scale = heat.shape[1] // 200
    redness = heat[..., 0] - heat[..., 2]
    for x, y in MARKS:
        assert redness[scale * y + scale // 2, scale * x + scale // 2] > 100
    assert redness[: 10 * scale].max() < 20  # white paper


def test_the_browser_page_needs_no_other_file(checkpoint: Path, page: Path, capfd: pytest.CaptureFixture[str]) -> None:
    strange = page.rename(page.with_name("<b>&.png"))
    assert discover(capfd, strange, "--ckpt_path", checkpoint, "--output", "found", "--quantile", "0.5").status == 0
    text = Path("found/index.html").read_text(encoding="utf-8")
    elements = Elements(text)
    assert len(elements.sources) == 4  # two maps, two clusters
    assert sum(f"{size} hot spots" in word for word in elements.words for size in (3, 6)) == 3  # and the summary
    assert all(source.startswith("data:image/png;base64,") for source in elements.sources)
    assert "url(" not in text
    assert "<b>" not in text
    assert 'name="viewport"' in text
    assert "Typical patterns of <b>&.png" in elements.words


def test_a_checkpoint_of_the_shipped_config_is_found_by_last(
    fake_data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fit = ["fit", "--config", "shift_ae_page", "--config", "presets/debug", "--data.batch_size", "4"]
    assert main(fit) == 0, capfd.readouterr().err
    outcome = discover(capfd, "documents/page.png", "--ckpt_path", "last", "--stride", "4")  # below the data root
    assert outcome.status == 0, outcome.err
    assert {path.name for path in Path("runs/page/discover_0").iterdir()} == WRITTEN


def test_nothing_is_overwritten(checkpoint: Path, page: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("old").mkdir()
    Path("old/index.html").write_text("dear diary", encoding="utf-8")
    outcome = discover(capfd, page, "--ckpt_path", checkpoint, "--output", "old")
    assert outcome.status == 1
    assert "old exists already and is not overwritten. Give another --output." in outcome.err
    assert Path("old/index.html").read_text(encoding="utf-8") == "dear diary"
    outcome = discover(capfd, page, "--ckpt_path", checkpoint, "--output", "old/index.html/found")
    assert outcome.status == 1
    assert "No folder can be made in old/index.html/found" in outcome.err
    for number in range(2):
        assert discover(capfd, page, "--ckpt_path", checkpoint).status == 0
        assert Path(f"runs/scan/discover_{number}").is_dir()


def test_bright_ink_is_told_by_the_option_too(checkpoint: Path, page: Path, capfd: pytest.CaptureFixture[str]) -> None:
    negative = page.with_name("negative.png")
    Image.eval(Image.open(page), lambda value: 255 - value).save(negative)
    for name, picture, tone in (("a", page, "dark"), ("b", negative, "bright"), ("c", negative, "auto")):
        options = ("--ckpt_path", checkpoint, "--output", name, "--ink_tone", tone)
        assert discover(capfd, picture, *options).status == 0
    first, *others = [{(int(row["x"]), int(row["y"])) for row in table(Path(name, "hot_spots.csv"))} for name in "abc"]
    assert first == set(MARKS)
    assert others == [first, first]


def test_a_model_that_knows_no_pattern_is_told(
    checkpoint: Path, page: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ShiftInvariantAE, "estimate_shift", lambda self, images: torch.zeros(len(images), 2))
    outcome = discover(capfd, page, "--ckpt_path", checkpoint)
    assert outcome.status == 1
    assert "the model knows no pattern of it. Train one on the page itself" in outcome.err
    assert not list(Path("runs/scan").iterdir())  # no empty folder stays


def pages_that_are_none(folder: Path) -> dict[str, tuple[Path, str]]:
    Image.new("L", (20, 300), 255).save(folder / "narrow.png")
    Image.new("L", (200, 200), 255).save(folder / "blank.png")
    (folder / "letter.png").write_text("dear page", encoding="utf-8")
    return {
        "missing": (folder / "nowhere.png", "There is no page"),
        "narrow": (folder / "narrow.png", "has 20x300 pixels, less than one patch of 32 px"),
        "blank": (folder / "blank.png", "Nothing on it stands out"),
        "text": (folder / "letter.png", "cannot be read as a picture"),
    }


@pytest.mark.parametrize("kind", ["missing", "narrow", "blank", "text"])
def test_pages_that_are_none_are_refused(
    kind: str, checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page, told = pages_that_are_none(tmp_path)[kind]
    outcome = discover(capfd, page, "--ckpt_path", checkpoint, "--output", "found")
    assert outcome.status == 1
    assert told in outcome.err
    assert "Traceback" not in outcome.err
    assert not Path("found").exists()


def checkpoint_of(kind: str, good: Path, folder: Path) -> Path:
    """Write a checkpoint that is of no use."""
    path = folder / f"{kind}.ckpt"
    content = torch.load(good, weights_only=True)
    if kind == "channels":
        return save(ShiftInvariantAE(image_channels=2), path)
    if kind == "redo":
        small = ReDO(image_channels=1, image_size=32, mask_width=8, generator_width=2, discriminator_width=4)
        return save(small, path)
    if kind == "named redo":  # as the command line saves it
        content["hyper_parameters"]["_class_path"] = "tiae_zoo.methods.ReDO"
    if kind == "no regressor":
        content["state_dict"] = {k: v for k, v in content["state_dict"].items() if not k.startswith("regressor.")}
    if kind == "weights":
        content = content["state_dict"]
    torch.save(content, path)
    if kind == "text":
        path.write_text("weights", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("channels", "was trained on images of 2 channels"),
        ("redo", "does not fit the model"),
        ("named redo", "is a checkpoint of ReDO, which cannot tell where a pattern lies"),
        ("no regressor", '"regressor.'),
        ("weights", "is no checkpoint file of `tiae-zoo fit`"),
        ("text", "is not a checkpoint that can be read"),
    ],
)
def test_checkpoints_of_no_use_are_refused(
    kind: str, told: str, checkpoint: Path, page: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    useless = checkpoint_of(kind, checkpoint, tmp_path)
    outcome = discover(capfd, page, "--ckpt_path", useless, "--output", "found")
    assert outcome.status == 1
    assert told in outcome.err
    assert str(useless) in outcome.err
    assert "Traceback" not in outcome.err
    assert not Path("found").exists()


def test_a_missing_checkpoint_is_told(page: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "There is no checkpoint 'none.ckpt'" in discover(capfd, page, "--ckpt_path", "none.ckpt").err
    assert "Run `tiae-zoo fit` first" in discover(capfd, page, "--ckpt_path", "last").err
    assert "is no checkpoint file" in discover(capfd, page, "--ckpt_path", tmp_path).err


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--stride", "0", "0 is too small"),
        ("--quantile", "0", "0.0 is no share"),
        ("--quantile", "1.5", "1.5 is no share"),
        ("--ink_tone", "maybe", "invalid choice"),
    ],
)
def test_options_out_of_range_are_refused(
    option: str, value: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        discover(capfd, "page.png", "--ckpt_path", "last", option, value)
    assert told in capfd.readouterr().err
