"""A run of a small ReDO, and photos to drop."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.fakes import scene
from tiae_zoo.commands.convert import save
from tiae_zoo.methods import ReDO

CONFIG = """\
seed_everything: 0
model: {class_path: ReDO, init_args: {mask_width: 4, generator_width: 1, discriminator_width: 1}}
data: {class_path: Flowers, init_args: {image_size: 32, resize: nearest, num_workers: 0}}
trainer: {accelerator: cpu, enable_progress_bar: false, logger: false}
"""


@pytest.fixture(scope="module")
def redo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint of an untrained ReDO beside the config of its run."""
    torch.manual_seed(0)
    method = ReDO(image_size=32, mask_width=4, generator_width=1, discriminator_width=1)
    folder = tmp_path_factory.mktemp("run") / "fit_0"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    save(method, folder / "checkpoints" / "last.ckpt")
    return str(folder / "checkpoints" / "last.ckpt")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wide photo, a tall one that its EXIF tag turns, and one that is none."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    Image.fromarray(scene(rng, 90, 60)[0]).save(folder / "wide.png")
    Image.fromarray(scene(rng, 90, 60)[0]).save(folder / "tall.jpg", exif=turned)
    (folder / "broken.jpg").write_bytes(b"damaged")
    return folder
