"""Windows are a way to use a supervised network: chosen with each use, whatever its weights were trained with."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Zoo

PUBLISHED = "mask_network_lfw_64"
SMALL = ["--data.num_workers", "0", "--trainer.callbacks", "null", "--trainer.logger.name", "masks"]


@pytest.fixture
def fitted_here(zoo: Zoo) -> str:
    options = ["--config", "presets/debug", "--model.width", "0.1", "--data.image_size", "32", "--data.batch_size", "4"]
    outcome = zoo("fit", "--config", "mask_network_lfw", *options, *SMALL)
    assert outcome.status == 0, outcome.err
    return "runs/masks/fit_0/checkpoints/last.ckpt"


@pytest.mark.parametrize("published", [True, False], ids=["published", "fitted"])
def test_windows_change_what_test_and_predict_find(published: bool, zoo: Zoo, request: pytest.FixtureRequest) -> None:
    own = ["--ckpt_path", PUBLISHED if published else request.getfixturevalue("fitted_here"), *SMALL]
    Path("photos").mkdir()
    Image.effect_noise((48, 48), 60).convert("RGB").save("photos/noise.png")
    scores, masks = [], []
    for place, way in enumerate(([], ["--model.windows", "[1.0, 0.6]"])):
        outcome = zoo("test", *own, *way, "--trainer.limit_test_batches", "1")
        assert outcome.status == 0, outcome.err
        assert "differ" not in outcome.err
        results = json.loads(Path(f"runs/masks/test_{place}/results.json").read_text(encoding="utf-8"))
        scores.append(results["metrics"]["test/iou"])
        folder = ["--data", "Folder", "--data.images", "photos", "--soft", "true", "--output", f"out{place}"]
        outcome = zoo("predict", *own, *way, *folder)
        assert outcome.status == 0, outcome.err
        masks.append(Path(f"out{place}/soft/1/noise.png").read_bytes())
    assert scores[0] != scores[1]
    assert masks[0] != masks[1]
