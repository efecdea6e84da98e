"""`tiae-zoo report`, and what `tiae-zoo test` leaves for it."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Zoo
from tests.report.finished_runs import write_run

QUICK = ["--data.image_size", "32", "--data.batch_size", "4", "--data.num_workers", "0", "--model.width", "0.25"]


def test_a_test_is_told_beside_masks_that_know_nothing_and_reported(zoo: Zoo) -> None:
    options = ["--config", "mask_network_lfw", "--config", "presets/debug", *QUICK]
    assert zoo("fit", *options, "--data.labelled", "4").status == 0
    tested = zoo("test", *options, "--ckpt_path", "last")
    assert tested.status == 0, tested.err
    assert "images, and what masks score that know nothing of them:" in tested.out
    for name in ("this method", "95 % interval", "whole image", "centred square", "mean training mask"):
        assert f"\n{name}" in tested.out.replace("\n  95", "\n95")
    record = json.loads(Path("runs/mask_network_lfw/test_0/results.json").read_text(encoding="utf-8"))
    assert len(record["weights_sha256"]) == len(record["truth_sha256"]) == 64
    assert record["protocol"]["iou"].startswith("best match of regions and classes for each image")
    assert Path("runs/mask_network_lfw/test_0/per_image.csv").read_text().startswith("index,name,iou,miou,acc,")

    again = zoo("test", *options, "--ckpt_path", "last")
    assert again.status == 0
    second = json.loads(Path("runs/mask_network_lfw/test_1/results.json").read_text(encoding="utf-8"))
    for key in ("weights_sha256", "truth_sha256", "intervals", "trivial"):
        assert second[key] == record[key]

    reported = zoo("report", "runs", "--x", "data.labelled", "--metrics", "iou", "acc")
    assert reported.status == 0, reported.err
    assert reported.out == "2 results on 1 sets of images: see runs/report_0/report.html\n"
    assert {path.name for path in Path("runs/report_0").iterdir()} == {
        *("report.md", "report.csv", "report.html", "iou_by_data.labelled.png", "acc_by_data.labelled.png")
    }


def test_other_weights_have_another_digest(fitted: Zoo) -> None:
    for weights in ("last", "untrained"):
        assert fitted("test", "--config", "toy.yaml", "--ckpt_path", weights).status == 0
    digests = {
        json.loads(path.read_text(encoding="utf-8"))["weights_sha256"]
        for path in Path("runs/toy").glob("test_*/results.json")
    }
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere cannot be read"),
        (["runs", "--x", "data.labeled"], "No result has a number for 'data.labeled'"),
        (["runs", "--output", "runs"], "runs exists already and is not overwritten. Give another --output."),
    ],
)
def test_what_cannot_be_reported_is_told_and_leaves_nothing(zoo: Zoo, arguments: list[str], told: str) -> None:
    write_run(Path("runs/redo"), 0.7)
    outcome = zoo("report", *arguments)
    assert outcome.status == 1
    assert told in outcome.err
    assert [path.name for path in Path("runs").iterdir()] == ["redo"]
