"""Run folders as `tiae-zoo fit` and `test` leave them, without a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

HARDWARE = {"device": "x86_64", "accelerator": "cpu", "devices": 1, "threads": 1, "precision": "32-true"}
SCORES = ("iou", "acc")
TRIVIAL = {"whole_image": 0.32, "centred_square": 0.55}


def config(seed: int, data: dict[str, Any], **model: Any) -> dict[str, Any]:
    return {
        "seed_everything": seed,
        "model": {"class_path": "tiae_zoo.methods.ReDO", "init_args": {"mask_width": 64, **model}},
        "data": {"class_path": "tiae_zoo.data.LFW", "init_args": {"image_size": 64, "num_workers": 2, **data}},
        "trainer": {"max_steps": 600, "limit_test_batches": None},
    }


def write_run(
    home: Path, iou: float, seed: int = 0, truth: str = "faces", verb: str = "test", fit: bool = True, **data: Any
) -> Path:
    """Write `fit_0` and `test_0` below `home`, and return the results of the test.

    Args:
        home: folder of the experiment.
        iou: score of every image.
        seed: of the training.
        truth: what was scored.
        verb: `test` or `validate`.
        fit: whether the training is there.
        **data: arguments of the data module, of the training alone.
    """
    stage = "test" if verb == "test" else "val"
    asked = config(seed, data)
    record = {"hardware": HARDWARE, "finished": "2026-01-01T00:00:00+00:00", "wall_seconds": 60, "versions": {}}
    if fit:
        (home / "fit_0").mkdir(parents=True)
        trained = {"verb": "fit", "command": f"tiae-zoo fit --seed_everything {seed}", "metrics": {}, "config": asked}
        (home / "fit_0" / "results.json").write_text(json.dumps(trained | record), encoding="utf-8")
        log = "epoch,step,train/loss,val/iou\n0,9,2.5,\n0,9,,0.2\n0,19,nan,\n0,19,,0.3\n"
        (home / "fit_0" / "metrics.csv").write_text(log, encoding="utf-8")
    folder = home / f"{verb}_0"
    (folder / "pictures").mkdir(parents=True)
    Image.effect_noise((900, 300), 60).convert("RGB").save(folder / "pictures" / f"{verb}_by_iou.png")
    lines = [f"{number},face_{number},{iou + number / 1000},{iou},{0.55}" for number in range(10)]
    table = "\n".join(["index,name,iou,acc,centred_square_iou", *lines])
    (folder / "per_image.csv").write_text(table, encoding="utf-8")
    tested = {
        "verb": verb,
        "command": f"tiae-zoo {verb} --ckpt_path last",
        "checkpoint": f"runs/{home.name}/fit_0/checkpoints/last.ckpt",
        "metrics": {f"{stage}/{name}": iou for name in SCORES},
        "weights_sha256": f"{seed:064d}",
        "images": 10,
        "truth_sha256": truth,
        "intervals": {f"{stage}/{name}": [iou - 0.01, iou + 0.01] for name in SCORES},
        "trivial": {mask: {f"{stage}/{name}": value for name in SCORES} for mask, value in TRIVIAL.items()},
        "protocol": {"iou": "best match for each image; <IoU> of the foreground"},
        "config": config(0, {}),
    }
    (folder / "results.json").write_text(json.dumps(tested | record), encoding="utf-8")
    return folder / "results.json"
