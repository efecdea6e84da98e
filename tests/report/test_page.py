"""The page: whole in itself, and readable in a browser on a phone and on a wide screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.conftest import PATIENCE
from tests.report.finished_runs import write_run
from tiae_zoo.messages import UserError
from tiae_zoo.report import find_results, write_report
from tiae_zoo.report.charts import sweep_figure
from tiae_zoo.report.page import embedded
from tiae_zoo.report.tables import make_tables

MEASURE = """async () => {
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  const page = document.documentElement, images = [...document.images], charts = [...document.querySelectorAll("svg")];
  await Promise.all(images.map((each) => each.decode()));
  return {
    overflow: page.scrollWidth - page.clientWidth, width: page.clientWidth,
    images: images.map((each) => each.naturalWidth), charts: charts.map((each) => each.getBoundingClientRect().width),
    ink: getComputedStyle(document.body).color, text: document.body.innerText,
  };
}"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report of four runs, of which one has more labels than the others."""
    for name, options in {
        "a": {"seed": 0},
        "b": {"seed": 1},
        "few": {"labelled": 10},
        "many": {"labelled": 200},
    }.items():
        write_run(tmp_path / "runs" / name, 0.7, **options)  # type: ignore[arg-type]
    (tmp_path / "report").mkdir()
    write_report(find_results([tmp_path / "runs"]), tmp_path / "report", key="data.labelled")
    return tmp_path / "report"


def test_a_report_is_three_files_and_the_sweeps(report: Path) -> None:
    sweeps = {f"{metric}_by_data.labelled.png" for metric in ("iou", "acc")}
    assert {path.name for path in report.iterdir()} == {"report.md", "report.csv", "report.html", *sweeps}


def test_the_page_needs_nothing_else(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "url(http" not in page
    assert page.count("<details") == 4
    assert page.count("data:image/") == 4
    assert "best match for each image; &lt;IoU&gt; of the foreground" in page  # nothing is taken for HTML


def test_pictures_are_embedded_the_smaller_way(tmp_path: Path) -> None:
    Image.effect_noise((400, 400), 60).save(tmp_path / "photo.png")
    Image.new("RGB", (400, 400)).save(tmp_path / "flat_mask.png")
    photo = embedded(tmp_path / "photo.png")
    assert photo.source.startswith("data:image/webp;base64,")
    assert len(photo.source) < (tmp_path / "photo.png").stat().st_size
    assert (photo.name, photo.width, photo.height) == ("photo", 400, 400)
    assert embedded(tmp_path / "flat_mask.png").name == "flat mask"


def sweep(folder: Path, key: str, metric: str) -> Figure | None:
    (table,) = make_tables(find_results([folder]))
    return sweep_figure(table, key, metric)


def test_a_sweep_has_points_levels_and_what_is_no_method(tmp_path: Path) -> None:
    for name, iou, options in (
        ("n10", 0.6, {"labelled": 10}),
        ("n10_again", 0.62, {"labelled": 10, "seed": 1}),
        ("n100", 0.8, {"labelled": 100}),
        ("level", 0.75, {}),
    ):
        write_run(tmp_path / name, iou, **options)  # type: ignore[arg-type]
    figure = sweep(tmp_path, "data.labelled", "iou")
    assert figure is not None
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["ReDO"].get_xdata()) == [10, 100]
    assert list(lines["ReDO"].get_ydata()) == [pytest.approx(0.61), 0.8]
    assert lines["level"].get_ydata()[0] == 0.75
    assert lines["ReDO (Chen et al. 2019)"].get_ydata()[0] == 0.781
    assert lines["centred square"].get_ydata()[0] == 0.55
    assert axes.get_xscale() == "log"
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(points) == 3


def test_any_number_of_a_config_is_an_x_and_nothing_else(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0.7)
    figure = sweep(tmp_path, "model.mask_width", "iou")
    assert figure is not None
    assert figure.axes[0].get_xscale() == "linear"
    (tmp_path / "report").mkdir()
    for key in ("model.mask_widht", "model"):
        with pytest.raises(UserError, match=f"No result has a number for '{key}'"):
            write_report(find_results([tmp_path]), tmp_path / "report", key=key)
    assert not any((tmp_path / "report").iterdir())


def seen(browser: Any, page: Path, width: int, color_scheme: str = "light") -> dict[str, Any]:
    """What a browser `width` px wide shows of a page."""
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=color_scheme)
    opened.set_default_timeout(PATIENCE)
    opened.goto(page.as_uri())
    measured = dict(opened.evaluate(MEASURE))
    opened.close()
    return measured


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1400])
def test_a_browser_shows_all_of_it_without_scrolling_sideways(report: Path, browser: Any, width: int) -> None:
    page = seen(browser, report / "report.html", width)
    assert page["overflow"] == 0
    assert page["images"] == [900] * 4
    assert len(page["charts"]) == 4 * (2 + 2) + 2  # histograms and curves of each run, and the sweeps
    assert all(250 < chart <= page["width"] for chart in page["charts"])  # neither tiny nor cut off
    for text in ("ReDO, mean of 2 seeds", "centred square", "0.781 ± 0.005", "tiae-zoo fit --seed_everything 1"):
        assert text in page["text"]


@pytest.mark.slow
def test_the_page_is_dark_where_the_reader_wants_it(report: Path, browser: Any) -> None:
    inks = [seen(browser, report / "report.html", 800, scheme)["ink"] for scheme in ("light", "dark")]
    assert inks == ["rgb(34, 34, 34)", "rgb(228, 228, 228)"]
