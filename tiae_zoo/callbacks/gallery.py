"""Pictures of what a method sees and makes, along the training and at the test."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from tiae_zoo.callbacks.drawing import save_grid
from tiae_zoo.callbacks.pictures import (
    FirstImages,
    free_path,
    gallery_columns,
    name_and_heading,
    pictures_folder,
    publish,
)


class Gallery(Callback):
    """Draw the columns that the method's `gallery` gives for the first images of the validation and the test set.

    A method takes part by offering `gallery(batch) -> dict[str, Tensor]`: column title -> images (B, C, H, W) in
    [0, 1], in reading order; `save_grid` tells how they are drawn. It is called with a batch of the first `num_images`
    images, without gradients, in evaluation mode and with the same random numbers every time; those of the training
    are left as they were.

    The files lie in `pictures/` in the run's folder: `val_000500.png` after 500 training batches, `validate.png` and
    `test.png`. Nothing is overwritten: a second `test.png` is called `test_2.png`. Loggers that take images get them,
    too. Only the first process writes; the first of several dataloaders is drawn, and nothing in a `fast_dev_run`.

    Args:
        num_images: rows of a picture.
        every_n_validations: draw the first validation and every n-th after it.

    Raises:
        ValueError: for a number below 1.
    """

    def __init__(self, num_images: int = 8, every_n_validations: int = 1) -> None:
        if num_images < 1 or every_n_validations < 1:
            raise ValueError(
                f"Gallery got num_images={num_images} and every_n_validations={every_n_validations}. "
                "Give whole numbers of at least 1."
            )
        self.num_images = num_images
        self.every_n_validations = every_n_validations
        self._validations = 0
        self._folder: Path | None = None
        self._due: FirstImages | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder, or say that there is nothing to draw."""
        self._folder = None
        if stage == "predict" or getattr(trainer, "fast_dev_run", False):
            return
        if not callable(getattr(pl_module, "gallery", None)):
            rank_zero_warn(
                f"Gallery draws nothing: {type(pl_module).__name__} has no method `gallery(batch)`. "
                "Add one that returns columns of images, or take the callback out."
            )
            return
        self._folder = pictures_folder(trainer)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Decide whether this validation is drawn."""
        if self._folder is None or trainer.sanity_checking:
            return
        self._due = FirstImages(self.num_images) if self._validations % self.every_n_validations == 0 else None
        self._validations += 1

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect images, and draw as soon as there are enough."""
        if self._due is None or dataloader_idx > 0:
            return
        self._due.add(batch)
        if self._due.missing <= 0:
            self._draw(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw a set that is smaller than the picture."""
        self._draw(trainer, pl_module)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to collect."""
        if self._folder is not None:
            self._due = FirstImages(self.num_images)

    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end

    def _draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        images, self._due = self._due, None
        batch = images.take() if images is not None else {}
        if not batch or self._folder is None:
            return
        columns = gallery_columns(pl_module, batch)  # on every process: a sharded model needs all of them
        if trainer.is_global_zero:
            name, heading = name_and_heading(trainer)
            path = free_path(self._folder / f"{name}.png")
            save_grid(columns, path, heading)
            publish(trainer, path, name.partition("_")[0])
