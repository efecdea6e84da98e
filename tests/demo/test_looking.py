"""What the page shows of a picture is what `predict` writes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiae_zoo.__main__ import main
from tiae_zoo.callbacks.mask_files import save_picture
from tiae_zoo.demo.choices import Choice
from tiae_zoo.demo.looking import Dropped, Seen, look
from tiae_zoo.messages import UserError


def seen(checkpoint: str, path: Path) -> Seen:
    return look(Choice(checkpoint), Dropped(path.name, path.read_bytes()))


@pytest.mark.parametrize("name", ["wide.png", "tall.jpg"])
def test_the_page_shows_what_predict_writes(
    name: str, redo: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--data", "Folder", "--data.images", str(photos / name), "--overlays", "true", "--redraws", "true"]
    assert main(["predict", "--ckpt_path", redo, *options, "--output", "out"]) == 0, capfd.readouterr().err
    shown, stem = seen(redo, photos / name), Path(name).stem
    with Image.open(f"out/masks/{stem}.png") as mask, Image.open(f"out/redraws/{stem}.png") as redraws:
        assert np.array_equal(np.asarray(shown.mask), np.asarray(mask))
        assert shown.mask.size == ((60, 90) if name == "tall.jpg" else (90, 60))
        assert shown.redraws is not None
        assert np.array_equal(np.asarray(shown.redraws), np.asarray(redraws))
    save_picture(shown.overlay, Path("shown.jpg"))
    assert Path("shown.jpg").read_bytes() == Path(f"out/overlays/{stem}.jpg").read_bytes()
    assert shown.chosen_by.startswith("least contact with the border of the picture")
    assert shown.share == (np.asarray(shown.mask) > 0).mean()


def test_what_is_no_picture_is_told_by_its_name(redo: str, photos: Path) -> None:
    with pytest.raises(UserError, match=r"broken\.jpg: cannot identify image file 'broken\.jpg'\. Drop another"):
        seen(redo, photos / "broken.jpg")
