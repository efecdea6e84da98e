"""Score a moving average of a network's weights beside the network itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tiae_zoo.callbacks.random_state import KEY as RANDOM_STATE
from tiae_zoo.callbacks.step_count import KEY as LOGGED_STEPS
from tiae_zoo.messages import UserError
from tiae_zoo.methods import Segmenter
from tiae_zoo.metrics import MatchedSegmentation

AVERAGED = "_ema"  # at the end of the names of its figures
NETWORK = "mask_network"  # ReDO's F, also where a checkpoint does not say whose average it holds
AVERAGED_NETWORK = "averaged_network"  # in checkpoints: which one is an average
# what `fit` goes on from, and an average cannot; the last is Lightning's state of 16 bits
TRAINING_STATE = (
    "callbacks",
    "optimizer_states",
    "lr_schedulers",
    "loops",
    RANDOM_STATE,
    LOGGED_STEPS,
    "MixedPrecision",
)


class MaskAverage(Callback):
    """Keep an exponential moving average of the network that gives the masks, and score it as the network is scored.

    Networks trained against each other do not settle; an average of their weights often is better than any of them
    (Yazici et al. 2019, arXiv 1806.04498). Logged at validation and test: the scores of `Segmenter`, with `_ema` at the
    end of their names. The average lies in the checkpoints, and is not scored where there is none, as with published
    weights; training itself is not touched.

    Args:
        decay: what is kept of the average in a training batch.
        network: the attribute of the method that holds the network.

    Raises:
        ValueError: `decay` is not between 0 and 1.
    """

    def __init__(self, decay: float = 0.999, network: str = NETWORK) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"MaskAverage got decay={decay}. Give a number between 0 and 1.")
        self.decay, self.network = decay, network
        self._average: AveragedModel | None = None
        self._averaged: nn.Module | None = None
        self._stored: dict[str, Any] | None = None
        self._scores: MatchedSegmentation | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin with the network as it is, or with the average of a checkpoint or of an earlier stage.

        Raises:
            UserError: the method gives no masks, or has no such network.
        """
        network = getattr(pl_module, self.network, None)
        if not isinstance(pl_module, Segmenter) or not isinstance(network, nn.Module):
            raise UserError(
                f"MaskAverage averages the {self.network!r} of a method that gives masks, such as ReDO; "
                f"{type(pl_module).__name__} has none. "
                "Name another `network` of such a method, or take the callback out."
            )
        self._scores = MatchedSegmentation(pl_module.num_regions, pl_module.num_classes)
        if self._averaged is not network:
            self._begin(network)

    def _begin(self, network: nn.Module) -> None:
        self._averaged = network
        self._average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(self.decay))

    def _place(self, pl_module: LightningModule) -> tuple[AveragedModel, MatchedSegmentation]:
        average, scores = cast(AveragedModel, self._average), cast(MatchedSegmentation, self._scores)
        if self._stored is not None:  # callbacks are set up before checkpoints are read
            average.load_state_dict(self._stored)
            self._stored = None
        return average.to(pl_module.device), scores.to(pl_module.device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Let the average follow."""
        average, _ = self._place(pl_module)
        average.update_parameters(getattr(pl_module, self.network))

    def _score(self, pl_module: Any, batch: dict[str, Tensor]) -> None:
        if "mask" not in batch:
            return
        average, scores = self._place(pl_module)
        if not average.n_averaged:  # nothing has been trained, and the checkpoint has no average
            return
        with _in_place_of(pl_module, self.network, average.module.eval()):
            scores.update(pl_module.segment(batch["image"]), batch["mask"])

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score one batch."""
        self._score(pl_module, batch)

    on_test_batch_end = on_validation_batch_end

    def _log(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        _, scores = self._place(pl_module)
        if trainer.strategy.reduce_boolean_decision(scores.update_called, all=False):
            pl_module.log_dict({f"{stage}/{name}{AVERAGED}": value for name, value in scores.compute().items()})
            scores.reset()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores of the whole set."""
        self._log(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores of the whole set."""
        self._log(trainer, pl_module, "test")

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Forget the average of the weights that were there before."""
        self._stored = None
        self._begin(getattr(pl_module, self.network))

    def state_dict(self) -> dict[str, Any]:
        """Return the average, for a checkpoint."""
        average = self._stored  # read, and not used yet
        if average is None and self._average is not None:
            average = self._average.state_dict()
        return {} if average is None else {"network": self.network, "average": average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the average of a checkpoint.

        Raises:
            UserError: it is one of another network.
        """
        stored = state_dict.get("network", NETWORK)
        if stored != self.network:
            raise UserError(
                f"The checkpoint holds an average of {stored!r}, and MaskAverage follows {self.network!r}. "
                "Give the callback the `network` of the checkpoint."
            )
        self._stored = state_dict.get("average")


def averaged(checkpoint: dict[str, Any]) -> dict[str, Any] | None:
    """Return the content of a checkpoint of weights with the average in the place of the network.

    Args:
        checkpoint: the content of one written in a fit with `MaskAverage`; it is left as it is.

    Returns:
        All but the state of training, and the network's name as `AVERAGED_NETWORK`; None if there is no average.
    """
    state = (checkpoint.get("callbacks") or {}).get(MaskAverage.__qualname__, {})
    average = state.get("average", {})
    if not average.get("n_averaged"):
        return None
    network = state.get("network", NETWORK)
    inner = {f"{network}.{name.removeprefix('module.')}": average[name] for name in average if name != "n_averaged"}
    weights = {key: value for key, value in checkpoint.items() if key not in TRAINING_STATE}
    # no state of callbacks, so that those of a Trainer forget what they kept of other weights
    return {**weights, "state_dict": checkpoint["state_dict"] | inner, "callbacks": {}, AVERAGED_NETWORK: network}


@contextmanager
def _in_place_of(method: LightningModule, name: str, network: nn.Module) -> Iterator[None]:
    own = getattr(method, name)
    setattr(method, name, network)
    try:
        with torch.no_grad():
            yield
    finally:
        setattr(method, name, own)
