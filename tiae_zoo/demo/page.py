"""The page and its server. Everything that the browser loads comes from this machine."""

from __future__ import annotations

import logging
import socket
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import PurePath

from nicegui import app, events, run, ui
from PIL import Image
from starlette.formparsers import MultiPartParser

from tiae_zoo.callbacks.mask_files import JPEG_QUALITY
from tiae_zoo.demo.choices import Choice
from tiae_zoo.demo.looking import Dropped, Seen, look
from tiae_zoo.messages import UserError

LOG = logging.getLogger(__name__)
TITLE = "tiae-zoo: find the object"
PRIVACY = "Pictures stay in the memory of the computer that runs this page: none is kept on disk or sent elsewhere."
MOST_BYTES = 50 * 2**20  # of a picture
SMALL = 128  # pixels; a picture of fewer, enlarged by the browser, shows them as squares instead of a blur
BLUE = "#1d5f9e"  # dark enough for white text on it
STYLE = """
.q-uploader__subtitle { display: none }  /* bytes and per cent of an upload that takes no time */
.q-field__native span { white-space: normal; overflow-wrap: anywhere }  /* ends of paths tell checkpoints apart */
"""
WIDE = "width: 100%; max-width: 72rem; margin: 0 auto"
BESIDE = "display: grid; gap: 1rem; width: 100%; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr))"


def serve(choices: Mapping[str, Choice], host: str, port: int, open_browser: bool) -> None:
    """Serve the page until Ctrl-C, which is raised.

    Args:
        choices: the methods on offer, by name.
        host: address to listen at.
        port: to listen at, 0 for any that is free.
        open_browser: show the page in the user's browser.

    Raises:
        UserError: nothing can be served there.
    """
    port = free_port(host, port)
    MultiPartParser.spool_max_size = MOST_BYTES  # uploads above it, else above 1 MB, would go through the disk
    app.on_startup(lambda: print(f"Open http://{host}:{port} in a browser; Ctrl-C ends it.", flush=True))  # noqa: T201
    ui.run(
        partial(Visit, choices),
        host=host,
        port=port,
        title=TITLE,
        show=open_browser,
        dark=None,  # as the reader's system
        reload=False,
        show_welcome_message=False,
    )


def free_port(host: str, port: int) -> int:
    """Return the port, or one that is free for 0.

    Raises:
        UserError: it is taken, or the address is not this machine's.
    """
    try:
        with socket.create_server((host, port)) as server:
            return int(server.getsockname()[1])
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # Python adds the address
        raise UserError(
            f"The page cannot be served at {host}, port {port} ({reason}). Give another --port or --host."
        ) from error


class Visit:
    """What one visitor sees, and the picture they dropped.

    Args:
        choices: the methods on offer, by name.
    """

    def __init__(self, choices: Mapping[str, Choice]) -> None:
        self.choices = choices
        self.dropped: Dropped | None = None
        ui.colors(primary=BLUE)
        ui.add_css(STYLE)
        with ui.column().style(WIDE):
            ui.label(TITLE).props("role=heading aria-level=1").classes("text-h5")
            with ui.element().style(BESIDE):
                self.model = ui.select(list(choices), value=next(iter(choices)), label="Model", on_change=self.show)
                self.upload = ui.upload(
                    label="Drop a picture here, or press +",
                    auto_upload=True,
                    max_file_size=MOST_BYTES,
                    on_upload=self.drop,
                    on_rejected=self.refuse,
                )
            self.upload.props('accept="image/*" flat bordered').classes("w-full")
            ui.label(PRIVACY).classes("text-caption")
            self.busy = ui.linear_progress(show_value=False).props("indeterminate")
            self.busy.set_visibility(False)
            self.results = ui.column().classes("w-full").props("aria-live=polite")

    async def drop(self, event: events.UploadEventArguments) -> None:
        """Take a picture, and show what is found in it."""
        self.dropped = Dropped(event.file.name, await event.file.read())
        self.upload.reset()
        await self.show()

    def refuse(self) -> None:
        """Say why the browser did not send a file."""
        self.tell(f"That is no picture, or larger than {MOST_BYTES // 2**20} MB. Drop another one.")

    async def show(self) -> None:
        """Show what the chosen method finds in the last picture."""
        if self.dropped is None:
            return
        asked = (self.model.value, self.dropped)
        self.busy.set_visibility(True)
        problem = ""
        seen: Seen | None = None
        try:
            seen = await run.io_bound(look, self.choices[self.model.value], self.dropped)
        except UserError as error:
            problem = str(error)
        except Exception:
            LOG.exception("%s failed on %s", *asked)
            problem = "Something went wrong; the terminal that serves this page tells what. Try another picture."
        if asked != (self.model.value, self.dropped):  # a later picture or method is on its way
            return
        self.busy.set_visibility(False)
        if problem:
            self.tell(problem)
        elif seen is not None:
            self.draw(seen, self.dropped.name)

    def tell(self, problem: str) -> None:
        """Show a message in place of results."""
        self.results.clear()
        with self.results:
            ui.label(problem).props("role=alert").classes("text-negative")

    def draw(self, seen: Seen, name: str) -> None:
        """Show results."""
        stem = PurePath(name).stem
        self.results.clear()
        with self.results:
            size = f"{seen.mask.width} by {seen.mask.height} px"
            ui.label(f"{name}, {size}: the object has {seen.share:.0%} of the pixels.")
            with ui.element().style(BESIDE):
                show_picture("Overlay", encoded(seen.overlay, "JPEG"), seen.overlay, f"{stem}_overlay.jpg")
                show_picture("Mask", encoded(seen.mask, "PNG"), seen.mask, f"{stem}.png")
            ui.label(f"Which region is the object is known by {seen.chosen_by}.").classes("text-caption")
            if seen.redraws is not None:
                ui.label("What the method draws of the centre square").classes("text-subtitle1")
                with ui.element().style("width: 100%; overflow-x: auto"):
                    image = ui.image(data_url(encoded(seen.redraws, "PNG"), "PNG")).props('alt="Redraws" no-spinner')
                    image.style(f"width: {seen.redraws.width}px; height: {seen.redraws.height}px")


def show_picture(title: str, content: bytes, picture: Image.Image, file: str) -> None:
    """Show a picture under its title, with a button that saves it."""
    kind = "JPEG" if file.endswith(".jpg") else "PNG"
    with ui.column().classes("w-full"):
        with ui.row().classes("w-full items-center justify-between"):
            ui.label(title).classes("text-subtitle1")
            save = partial(ui.download.content, content, file)
            ui.button("Save", icon="download", color=None, on_click=save).props("flat dense")
        image = ui.image(data_url(content, kind)).props(f'alt="{title}" fit=contain no-spinner')
        drawing = "pixelated" if max(picture.size) < SMALL else "auto"
        image.style(f"aspect-ratio: {picture.width} / {picture.height}; max-height: 75vh; image-rendering: {drawing}")


def encoded(picture: Image.Image, kind: str) -> bytes:
    """Return the content of a file of this kind, PNG or JPEG."""
    file = BytesIO()
    picture.save(file, kind, quality=JPEG_QUALITY)  # PNGs have none
    return file.getvalue()


def data_url(content: bytes, kind: str) -> str:
    """Return a URL that holds a picture itself: nothing is stored for the browser to fetch."""
    return f"data:image/{kind.lower()};base64,{b64encode(content).decode()}"
