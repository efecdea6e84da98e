"""Stop a training in which one region takes everything."""

from __future__ import annotations

from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from tiae_zoo.messages import UserError
from tiae_zoo.methods import Segmenter


class CollapseGuard(Callback):
    """Stop a training early if its smallest region has nearly vanished from the validation images.

    An unsupervised segmenter may settle on one region for everything; ReDO does in some 3 of 10 runs, and its authors
    restart those ("Unsupervised Object Segmentation by Redrawing", supplementary; their program: a mean mask below
    a tenth, up to iteration 7000). `tiae-zoo fit` starts a stopped training anew with the next seed, in a run folder of
    its own, up to `restarts` times. In Python, look at :attr:`collapsed` after the fit.

    Logged at validation: `val/smallest_region`, the mean of the smallest region's soft mask, in [0, 1]. A region that
    is nowhere the first, and still there, counts: it may win pixels later.

    Args:
        smallest_region: below this mean a training has collapsed. Choose it well below the share of a region that is
            rightly small, and so for many regions below the default.
        from_step: before, nothing is stopped: the masks of the first steps say little. Lightning counts the steps of
            every optimiser, for ReDO two an iteration.
        until_step: afterwards nothing is stopped.
        restarts: how often `tiae-zoo fit` starts anew.

    Attributes:
        collapsed: whether the training was stopped.

    Raises:
        ValueError: the mean is not between 0 and 0.5, the steps are out of order, or restarts are negative.
    """

    def __init__(
        self, smallest_region: float = 0.1, from_step: int = 1000, until_step: int = 14000, restarts: int = 3
    ) -> None:
        if not 0 < smallest_region < 0.5 or restarts < 0 or not 0 <= from_step <= until_step:
            raise ValueError(
                f"CollapseGuard got smallest_region={smallest_region}, from_step={from_step}, until_step={until_step}, "
                f"restarts={restarts}. Give a mean between 0 and 0.5, steps in order, and restarts of at least 0."
            )
        self.smallest_region, self.restarts = smallest_region, restarts
        self.from_step, self.until_step = from_step, until_step
        self.collapsed = False
        self._mass = torch.zeros(0)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse methods that give no masks, or more regions than the limit leaves room for.

        Raises:
            UserError: the method is no `Segmenter`, or regions of equal shares would count as collapsed.
        """
        if not isinstance(pl_module, Segmenter):
            raise UserError(
                "CollapseGuard watches the masks of a method that gives some, such as ReDO, and "
                f"{type(pl_module).__name__} gives none. Take it out."
            )
        equal = 1 / pl_module.num_regions
        if self.smallest_region >= equal:
            raise UserError(
                f"{pl_module.num_regions} regions have a share of {equal:.3f} each where all are equal, and "
                f"CollapseGuard's smallest_region={self.smallest_region} takes less for a collapse. "
                "Give a limit well below that share."
            )
        self.collapsed = False

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Begin to sum."""
        self._mass = torch.zeros(pl_module.num_regions, device=pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: Any,
        outputs: Any,
        batch: dict[str, Tensor],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add the mean mask of each image."""
        masks = outputs["masks"] if outputs else pl_module.segment(batch["image"])  # without truth nothing is scored
        self._mass += masks.float().mean((2, 3)).sum(0)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the whole validation set."""
        mass = cast(Tensor, trainer.strategy.reduce(self._mass, reduce_op="sum"))
        mean = float(mass.min() / mass.sum())
        pl_module.log("val/smallest_region", mean, rank_zero_only=True)
        steps = trainer.global_step
        in_time = self.from_step <= steps <= self.until_step
        if in_time and mean < self.smallest_region and trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.collapsed = trainer.should_stop = True
            rank_zero_warn(
                f"The training has collapsed by step {steps}: the mean mask of the smallest region is {mean:.3f} on "
                "the validation images."
            )
