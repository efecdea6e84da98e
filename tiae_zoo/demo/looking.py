"""One dropped picture through one method, as `predict` does it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from threading import Lock

import torch
from PIL import Image

from tiae_zoo.callbacks.found import found_in
from tiae_zoo.callbacks.mask_files import overlaid, palette_picture
from tiae_zoo.callbacks.region_values import border_contact, by_border, known_values
from tiae_zoo.data.decode import DamagedImageError, load_image, plain
from tiae_zoo.data.whole import squares_of
from tiae_zoo.demo.choices import Choice
from tiae_zoo.messages import UserError

ONE_AT_A_TIME = Lock()  # redraws set the random numbers of the whole process


class Dropped(BytesIO):
    """A picture in memory, known to messages by its name."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name

    def __repr__(self) -> str:
        return repr(self.name)


@dataclass(frozen=True)
class Seen:
    """What is shown of a picture.

    Attributes:
        mask: palette picture of the picture's own size: 0 background, 1 and above objects.
        overlay: the picture, its objects outlined, its background dimmed.
        redraws: what the method's gallery shows of the picture's centre square, if it has one.
        chosen_by: how it is known which region is the object.
        share: of the pixels that are objects', in 0..1.
    """

    mask: Image.Image
    overlay: Image.Image
    redraws: Image.Image | None
    chosen_by: str
    share: float


def look(choice: Choice, dropped: Dropped) -> Seen:
    """Return what a method finds in a picture; one at a time, others wait.

    Raises:
        UserError: the picture cannot be read, or the method's weights cannot be had.
    """
    with ONE_AT_A_TIME, torch.inference_mode():
        method, data = choice.method, choice.data
        try:
            image = load_image(dropped, data.turn)
        except DamagedImageError as error:
            raise UserError(f"{error}. Drop another picture.") from error
        squares = squares_of(image, data.image_size, data.resize, data.shades)
        masks = method.predict_step({"image": squares["image"]}, 0)
        found = found_in(squares["image"], masks, squares["size"].tolist())
        regions = known_values(method) or by_border(border_contact(found.mask).tolist(), pictures=1)
        winner = found.winner(regions.values)
        return Seen(
            palette_picture(winner),
            overlaid(plain(image, data.shades), winner),
            found.redraws(method) if choice.draws else None,
            regions.chosen_by,
            float((winner > 0).mean()),
        )
