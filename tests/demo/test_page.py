"""The page in a browser: pictures are dropped on it, and nothing leaves the machine or stays on its disk."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PATIENCE

pytest.importorskip("nicegui")

pytestmark = pytest.mark.slow

FILE_IN_HAND = """([name, content]) => {
  const hand = new DataTransfer(), bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  hand.items.add(new File([bytes], name, { type: "image/png" }));
  return hand;
}"""
MEASURE = """() => ({
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  images: Object.fromEntries([...document.images].map((each) => [each.alt, [each.naturalWidth, each.naturalHeight]])),
  drawn: [...new Set([...document.images].map((each) => getComputedStyle(each).imageRendering))],
})"""


class Served(NamedTuple):
    url: str
    process: subprocess.Popen[str]
    folder: Path


@pytest.fixture(scope="module")
def served(redo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page of two models, served by a process whose working and temporary folder is empty."""
    other = shutil.copy(redo, tmp_path_factory.mktemp("other") / "other.ckpt")
    folder = tmp_path_factory.mktemp("empty")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "tiae_zoo", "demo", redo, str(other), "--port", "0", "--no-open"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    told = process.stdout.readline()  # nothing if it has ended
    if not told:
        raise AssertionError(process.communicate()[1])
    url = told.split()[1]
    assert urlsplit(url).hostname == "127.0.0.1"
    wait_for(urlsplit(url).port)
    yield Served(url, process, folder)
    process.kill()
    process.communicate()


def wait_for(port: int | None) -> None:
    """Wait until the server listens: it speaks a moment before."""
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port or 0)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"Nothing listens at port {port}.")


def drop(page: Any, path: Path) -> None:
    """Drag a file over the page's field, and let it go there."""
    hand = page.evaluate_handle(FILE_IN_HAND, [path.name, b64encode(path.read_bytes()).decode()])
    page.dispatch_event(".q-uploader", "dragover", {"dataTransfer": hand})
    page.dispatch_event(".q-uploader__dnd", "drop", {"dataTransfer": hand})


def shown(page: Any, text: str) -> dict[str, Any]:
    """Wait for a text and for pictures, all of them whole, and measure the page."""
    page.get_by_text(text).wait_for()
    page.wait_for_function(
        "document.images.length && [...document.images].every((each) => each.complete && each.naturalWidth)"
    )
    return dict(page.evaluate(MEASURE))


@pytest.mark.parametrize("width", [390, 1400])
def test_a_dropped_picture_is_seen_at_any_width(served: Served, browser: Any, photos: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(PATIENCE)
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(served.url)

    drop(page, photos / "wide.png")
    seen = shown(page, "wide.png, 90 by 60 px: the object has")
    assert seen["overflow"] == 0
    assert seen["images"]["Mask"] == seen["images"]["Overlay"] == [90, 60]
    assert "pixelated" in seen["drawn"]  # squares, no blur
    assert seen["images"]["Redraws"][0] > 500  # six columns
    with page.expect_download() as saved:
        page.get_by_text("Save").last.click()
    assert saved.value.suggested_filename == "wide.png"

    drop(page, photos / "tall.jpg")
    assert shown(page, "tall.jpg, 60 by 90 px")["images"]["Mask"] == [60, 90]

    drop(page, photos / "broken.jpg")
    page.get_by_role("alert").get_by_text("broken.jpg: cannot identify image file 'broken.jpg'. Drop").wait_for()
    assert page.evaluate("document.images.length") == 0

    drop(page, photos / "wide.png")
    shown(page, "wide.png, 90 by 60 px: the object has")
    page.get_by_label("Model").click()
    page.get_by_role("option").get_by_text("other.ckpt").click()
    assert shown(page, "wide.png, 90 by 60 px: the object has")["overflow"] == 0

    assert {url.hostname for url in asked if url.scheme not in ("data", "blob")} == {"127.0.0.1"}
    assert not complaints
    page.close()


def test_large_pictures_stay_off_the_disk_and_ctrl_c_ends_the_page_while_it_is_open(  # last: it ends the server
    served: Served, browser: Any, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 3 * 2**20
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(served.url)
    drop(page, tmp_path / "large.png")
    assert shown(page, "large.png, 1200 by 900 px")["images"]["Mask"] == [1200, 900]
    assert not list(served.folder.iterdir())
    served.process.send_signal(signal.SIGINT)
    out, err = served.process.communicate(timeout=PATIENCE / 1000)
    assert (served.process.returncode, out, err) == (0, "", "")
    assert not list(served.folder.iterdir())
