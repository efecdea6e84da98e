"""What the descriptors of transformed images know: nearest neighbours, a linear probe and clusters."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from tiae_zoo.callbacks.descriptors import CHUNK, NEEDED, describe_transformed, offers_descriptors
from tiae_zoo.metrics.probes import probe_descriptors


class DescriptorProbe(Callback):
    """Score the descriptors of randomly transformed images by the classes of the images.

    At the end of a test, each test image is transformed once at random by the method's family, and so is each image of
    a bank, the first of the training set. Logged are `test/knn_accuracy`, `test/linear_probe_accuracy`, `test/nmi` and
    `test/ari`, as `tiae_zoo.metrics.probe_descriptors` defines them.

    The transforms depend on the seed, the family and the order of the images alone, and neither on the method nor on
    the batch size: methods of the same family are compared on the same pictures. The whole split is scored, whatever
    `limit_test_batches` says.

    A method takes part by offering `encode(images (B, C, H, W)) -> (B, D)` and a transform family
    `family.sample(images, generator) -> (transformed images, theta)`; the data, by `dataset(split)` with a `label` in
    each sample. Otherwise a warning says what is missing. With several processes each describes all images, the
    first scores them, and all log its figures. Nothing is measured in a `fast_dev_run`.

    Args:
        num_images: at most so many images of the bank, and of those that are scored.
        validation: measure at every validation as well, as `val/knn_accuracy` and so on.
        seed: of transforms and k-means.

    Raises:
        ValueError: for fewer images than the five neighbours.
    """

    def __init__(self, num_images: int = 10_000, validation: bool = False, seed: int = 0) -> None:
        if num_images < 5:
            raise ValueError(f"DescriptorProbe got num_images={num_images}. Give at least 5, better thousands.")
        self.num_images = num_images
        self.validation = validation
        self.seed = seed
        self._measuring = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Decide whether to measure, or say that it cannot be done."""
        asked = stage == "test" or (self.validation and stage in ("fit", "validate"))
        self._measuring = asked and not getattr(trainer, "fast_dev_run", False)
        if self._measuring and (lack := _lack(trainer, pl_module, "test" if stage == "test" else "val")):
            rank_zero_warn(f"DescriptorProbe measures nothing: {lack}, or take the callback out.")
            self._measuring = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure on the validation set."""
        if self._measuring and not trainer.sanity_checking:
            self._measure(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure on the test set."""
        if self._measuring:
            self._measure(trainer, pl_module, "test")

    def _measure(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        with isolate_rng():  # the training's random numbers are left as they were
            bank = self._describe(trainer, pl_module, "train", self.seed)
            scored = self._describe(trainer, pl_module, split, self.seed + 1)
        scores: dict[str, float] = {}
        if trainer.is_global_zero:
            try:
                scores = probe_descriptors(*bank, *scored, self.seed)
            except ValueError as error:  # too few images or classes
                rank_zero_warn(f"DescriptorProbe measures nothing: {error}")
        scores = trainer.strategy.broadcast(scores)
        pl_module.log_dict({f"{split}/{name}": value for name, value in scores.items()}, sync_dist=True)

    def _describe(self, trainer: Any, method: LightningModule, split: str, seed: int) -> tuple[Tensor, Tensor]:
        """Return descriptors (N, D) and labels (N,) of the first images of a split, each transformed at random."""
        torch.manual_seed(seed)  # of what the data module itself may do to training images
        generator = torch.Generator().manual_seed(seed)
        dataset = trainer.datamodule.dataset(split)
        first = Subset(dataset, range(min(self.num_images, len(dataset))))
        descriptors, labels = [], []
        for batch in DataLoader(first, batch_size=CHUNK):
            labels.append(batch["label"])
            batch = trainer.strategy.batch_to_device(trainer.precision_plugin.convert_input(batch))
            with trainer.precision_plugin.forward_context():
                descriptors.append(describe_transformed(method, batch["image"], generator))
        return torch.cat(descriptors), torch.cat(labels)


def _lack(trainer: Any, method: LightningModule, split: str) -> str:
    """Return what is missing and what to do, nothing if all is there."""
    if not offers_descriptors(method):
        return f"{type(method).__name__} lacks {NEEDED}. Add both"
    data = getattr(trainer, "datamodule", None)
    if data is None or not callable(getattr(data, "dataset", None)):
        return "there is no data module with `dataset(split)`. Give the trainer one"
    if any("label" not in data.dataset(name)[0] for name in ("train", split)):
        return f"{type(data).__name__} gives no `label`. Choose data that do"
    return ""
