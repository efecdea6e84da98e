"""Pictures of what a method sees and makes, along the training and at the test."""

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from tiae_zoo.callbacks.drawing import save_grid
from tiae_zoo.callbacks.picture_maker import FirstImagesMaker
from tiae_zoo.callbacks.pictures import free_path, gallery_columns, name_and_heading, publish


class Gallery(FirstImagesMaker):
    """Draw the columns that the method's `gallery` gives for the first images of the validation and the test set.

    A method takes part by offering `gallery(batch) -> dict[str, Tensor]`: column title -> images (B, C, H, W) in
    [0, 1], in reading order; `save_grid` tells how they are drawn. It is called with a batch of the first `num_images`
    images, without gradients, in evaluation mode and with the same random numbers every time; those of the training
    are left as they were.

    The files lie in `pictures/` in the run's folder: `val_000500.png` after 500 training batches, `validate.png` and
    `test.png`. Nothing is overwritten: a second `test.png` is called `test_2.png`. Loggers that take images get them,
    too. Only the first process writes.

    Args:
        num_images: rows of a picture.
        every_n_validations: draw the first validation and every n-th after it.

    Raises:
        ValueError: for a number below 1.
    """

    def takes(self, method: LightningModule) -> bool:
        """Return whether the method has a gallery; a warning tells if it has none."""
        offered = callable(getattr(method, "gallery", None))
        if not offered:
            rank_zero_warn(
                f"Gallery draws nothing: {type(method).__name__} has no method `gallery(batch)`. "
                "Add one that returns columns of images, or take the callback out."
            )
        return offered

    def draw_batch(self, trainer: Trainer, method: LightningModule, batch: dict[str, Tensor], folder: Path) -> None:
        """Draw the columns of the first images."""
        columns = gallery_columns(method, batch)  # on every process: a sharded model needs all of them
        if trainer.is_global_zero:
            name, heading = name_and_heading(trainer)
            path = free_path(folder / f"{name}.png")
            save_grid(columns, path, heading)
            publish(trainer, path, name.partition("_")[0])
