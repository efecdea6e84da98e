"""What the callbacks that draw a validation or test set share: when they look, and when they draw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from tiae_zoo.callbacks.pictures import FirstImages, pictures_folder


class PictureMaker(Callback, ABC):
    """Look through every n-th validation set and every test set, then draw; a subclass says what.

    The pictures lie in `pictures/` in the run's folder, and nothing there is overwritten. Of several dataloaders the
    first is drawn, and nothing in a `fast_dev_run` nor in the sanity check before a training.

    Args:
        num_images: rows of a picture.
        every_n_validations: draw the first validation and every n-th after it.

    Raises:
        ValueError: for a number below 1.
    """

    def __init__(self, num_images: int, every_n_validations: int) -> None:
        if num_images < 1 or every_n_validations < 1:
            raise ValueError(
                f"{type(self).__name__} got num_images={num_images} and every_n_validations={every_n_validations}. "
                "Give whole numbers of at least 1."
            )
        self.num_images = num_images
        self.every_n_validations = every_n_validations
        self._folder: Path | None = None  # where it draws; None if it does not

    @abstractmethod
    def takes(self, method: LightningModule) -> bool:
        """Return whether there is anything to draw of a method."""

    @abstractmethod
    def begin(self) -> None:
        """Forget what was seen."""

    @abstractmethod
    def look(self, method: LightningModule, batch: dict[str, Any], outputs: Any) -> None:
        """Keep what is needed of a batch and of what the method's step returned."""

    @abstractmethod
    def draw(self, trainer: Trainer, method: LightningModule, folder: Path) -> None:
        """Draw what was seen; called on every process."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder, if anything is to be drawn, and start anew."""
        self._validations, self._looking = 0, False
        idle = stage == "predict" or getattr(trainer, "fast_dev_run", False) or not self.takes(pl_module)
        self._folder = None if idle else pictures_folder(trainer)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Decide whether this validation is drawn."""
        if self._folder is None or trainer.sanity_checking:
            return
        if self._validations % self.every_n_validations == 0:
            self._begin()
        self._validations += 1

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to look."""
        if self._folder is not None:
            self._begin()

    def _begin(self) -> None:
        self._looking = True
        self.begin()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Look at a batch."""
        if self._looking and dataloader_idx == 0:
            self.look(pl_module, batch, outputs)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw."""
        if self._looking and self._folder is not None:
            self._looking = False
            self.draw(trainer, pl_module, self._folder)

    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end


class FirstImagesMaker(PictureMaker):
    """Collect the first images of the set; a subclass says what is drawn of them.

    Args:
        num_images: how many.
        every_n_validations: draw the first validation and every n-th after it.

    Raises:
        ValueError: for a number below 1.
    """

    def __init__(self, num_images: int = 8, every_n_validations: int = 1) -> None:
        super().__init__(num_images, every_n_validations)

    @abstractmethod
    def draw_batch(self, trainer: Trainer, method: LightningModule, batch: dict[str, Tensor], folder: Path) -> None:
        """Draw the first images, as one batch; called on every process that saw some."""

    def begin(self) -> None:
        """Collect anew."""
        self._images = FirstImages(self.num_images)

    def look(self, method: LightningModule, batch: dict[str, Any], outputs: Any) -> None:
        """Collect images until there are enough."""
        self._images.add(batch)

    def draw(self, trainer: Trainer, method: LightningModule, folder: Path) -> None:
        """Draw what was collected."""
        if batch := self._images.take():
            self.draw_batch(trainer, method, batch, folder)
