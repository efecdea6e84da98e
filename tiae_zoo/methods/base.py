"""What the methods share: scoring masks the same way, whoever made them."""

from __future__ import annotations

from typing import Any, ClassVar, TypedDict

from lightning.pytorch import LightningModule
from torch import Tensor

from tiae_zoo.metrics import IGNORED, MatchedSegmentation

REGION_CLASSES = "region_classes"  # in checkpoints

Batch = dict[str, Tensor]
"""`image` float32 (B, C, H, W) in [0, 1]; where they exist: `mask` int64 (B, H, W) with 255 to ignore, `label` int64
(B), (B, T) of a sequence, `index` int64 (B), `background` like `image`, what may be put behind an object on black."""


class Scored(TypedDict):
    """What a validation or test step has scored, for callbacks to look at more closely."""

    images: Tensor
    """As the method saw them, (B, C, H, W) in [0, 1]."""
    masks: Tensor
    """Soft, (B, R, H, W)."""
    truth: Tensor
    """int64 (B, H, W)."""


class Segmenter(LightningModule):
    """Base of methods that give masks: validated, tested and used for prediction through :meth:`segment` alone.

    Logged at validation and test, by the protocols of docs/metrics.md: `iou`, `miou`, `acc` and, with one matching for
    the whole set, `iou_dataset`, `miou_dataset`, `acc_dataset`. Batches without masks are not scored. The steps return
    what they scored; a method with a step of its own does so through :meth:`score`.

    Args:
        num_regions: regions that `segment` gives, background included.
        num_classes: classes of the ground truth, background included; as many as regions if None.

    Attributes:
        names_regions: whether region k is class k by the method's own design, as where masks were learnt.
        region_classes: the class of each region, -1 for a surplus one, so that predictions tell object from background;
            of a method that cannot know, by the match of the last scored validation, kept in checkpoints, else None.
    """

    names_regions: ClassVar[bool] = False

    def __init__(self, num_regions: int, num_classes: int | None = None) -> None:
        super().__init__()
        self.num_regions = num_regions
        self.num_classes = num_regions if num_classes is None else num_classes
        self.region_classes = list(range(num_regions)) if self.names_regions else None
        self.val_scores = MatchedSegmentation(num_regions, num_classes)
        self.test_scores = MatchedSegmentation(num_regions, num_classes)

    def segment(self, images: Tensor) -> Tensor:
        """Return soft masks (B, R, H, W) that sum to one over R, for images (B, C, H, W) in [0, 1]."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Return soft masks; the same as :meth:`segment`."""
        return self.segment(images)

    def validation_step(self, batch: Batch, batch_idx: int) -> Scored | None:
        """Score one batch."""
        return self._score_batch(self.val_scores, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the whole validation set."""
        self._log_scores(self.val_scores, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> Scored | None:
        """Score one batch."""
        return self._score_batch(self.test_scores, batch)

    def on_test_epoch_end(self) -> None:
        """Log the scores of the whole test set."""
        self._log_scores(self.test_scores, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return soft masks (B, R, H, W)."""
        return self.segment(batch["image"])

    def score(self, scores: MatchedSegmentation, images: Tensor, masks: Tensor, truth: Tensor) -> Scored:
        """Add soft masks (B, R, H, W) and their truth (B, H, W) to the scores of a stage; return what was scored."""
        scores.update(masks, truth)
        return {"images": images, "masks": masks, "truth": truth}

    def _score_batch(self, scores: MatchedSegmentation, batch: Batch) -> Scored | None:
        if "mask" not in batch:
            return None
        return self.score(scores, batch["image"], self.segment(batch["image"]), batch["mask"])

    def _log_scores(self, scores: MatchedSegmentation, stage: str) -> None:
        # asked of all ranks: one that saw no mask must still take part in the sum
        if self.trainer.strategy.reduce_boolean_decision(scores.update_called, all=False):
            self.log_dict({f"{stage}/{name}": value for name, value in scores.compute().items()})
            if stage == "val" and not self.names_regions and not self.trainer.sanity_checking:
                self.region_classes = scores.region_classes().tolist()
            scores.reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the class of each region."""
        checkpoint[REGION_CLASSES] = self.region_classes

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the class of each region from a checkpoint that has it."""
        self.region_classes = checkpoint.get(REGION_CLASSES, self.region_classes)


def mask_picture(mask: Tensor, num_classes: int) -> Tensor:
    """Return a ground truth (B, H, W) as a grey picture (B, 1, H, W) in [0, 1], from black to white in equal steps.

    Ignored pixels have a grey of their own, between the first two classes.
    """
    picture = mask.float() / (num_classes - 1)
    return picture.masked_fill(mask == IGNORED, 0.5 / (num_classes - 1)).unsqueeze(1)
