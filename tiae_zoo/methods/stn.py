"""Digits read through a spatial transformer (Jaderberg et al. 2015, arXiv 1506.02025; Sønderby et al., 1509.05329)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassExactMatch
from torchmetrics.functional.classification import multiclass_accuracy

from tiae_zoo.methods.base import Batch
from tiae_zoo.methods.one_cycle import OneCycle
from tiae_zoo.networks.stn import (
    ConvolutionalClassifier,
    ConvolutionalLocalisation,
    DenseClassifier,
    DenseLocalisation,
    RecurrentTransformer,
    SpatialTransformer,
    of_size,
)
from tiae_zoo.networks.warps import WarpName

Look = Literal["once", "recurrent", "feedback"]


class STNClassifier(OneCycle):
    """Names the digits in an image, after a transformer has decided where to look; nobody tells it where they are.

    A localisation network gives theta for the image U, a grid generator the points T_theta(G) to look at, a sampler
    what is to be seen there, V; the classifier sees V alone. All learn from the cross entropy of the labels.

    `look: once` gives one view for all digits; `recurrent` one view after the other, by a GRU that reads the same
    features each time (Sønderby et al.); `feedback` lets the GRU see the last view as well (the lecture's proposal).
    Each of the digits is then read from a view of its own.

    Logged at validation and test: `acc`, the share of digits read rightly, and with several digits `acc_sequence`, that
    of images all of whose digits are.

    Args:
        classifier: "cnn" or "fcn", a convolutional or a fully connected network.
        warp: what the transformer can do: "affine", "attention", "projective" or "thin_plate_spline"; no transformer
            if None.
        look: how often it looks.
        num_digits: digits in an image.
        num_glimpses: views of the recurrent ones, a multiple of `num_digits`, which is the default; the last of each
            digit's is classified.
        num_classes: what a digit can be.
        image_size: side of the images in pixels, at least 28.
        image_channels: channels of the images.
        glimpse_size: side of what is seen in pixels, at least 24 for "cnn"; the image's if None, and without a warp.
        num_parameters: of the whole network, about: the widths follow. 400 000 in Table 1.
        dropout: share of the classifier's last features left out in training, below 1 (ours).
        lr: peak learning rate of a one-cycle schedule over the whole training (ours; the paper's is SGD with 0.01).

    Raises:
        ValueError: the settings contradict each other.
    """

    def __init__(
        self,
        classifier: Literal["cnn", "fcn"] = "cnn",
        warp: WarpName | None = "affine",
        look: Look = "once",
        num_digits: int = 1,
        num_glimpses: int | None = None,
        num_classes: int = 10,
        image_size: int = 28,
        image_channels: int = 1,
        glimpse_size: int | None = None,
        num_parameters: int = 400_000,
        dropout: float = 0.0,
        lr: float = 1e-3,
    ) -> None:
        super().__init__()
        if warp is None and look != "once":
            raise ValueError("Without a warp there is nothing that looks. Set look to once.")
        network = ConvolutionalClassifier if classifier == "cnn" else DenseClassifier
        for name, value, lowest in (
            ("num_digits", num_digits, 1),
            ("num_glimpses", num_glimpses, 1),
            ("glimpse_size", None if warp is None else glimpse_size, network.smallest),
        ):
            if value is not None and value < lowest:
                raise ValueError(f"{name} is {value}. Give at least {lowest}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}. Give a share of 0 or more, below 1.")
        num_glimpses = num_digits if num_glimpses is None else num_glimpses
        if num_glimpses % num_digits or (look == "once" and num_glimpses != num_digits):
            raise ValueError(
                f"{num_glimpses} glimpses do not go with {num_digits} digits and look={look}. "
                "Give a multiple of num_digits, with look set to recurrent or feedback."
            )
        self.save_hyperparameters()
        self.lr, self.num_digits, self.num_classes = lr, num_digits, num_classes
        self.looks_once = look == "once"
        seen = image_size if glimpse_size is None or warp is None else glimpse_size
        self.transformer: nn.Module | None = None
        if warp is not None:
            localisation = ConvolutionalLocalisation if classifier == "cnn" else DenseLocalisation
            self.transformer = _transformer(localisation, warp, look, num_glimpses, image_size, image_channels, seen)
        outputs = num_classes * (num_digits if self.looks_once else 1)
        taken = sum(parameter.numel() for parameter in self.parameters())
        if taken >= num_parameters:
            raise ValueError(f"The transformer alone has {taken} parameters. Raise num_parameters above that.")
        self.classifier = of_size(
            lambda width: network(seen, outputs, width, image_channels, dropout), num_parameters - taken
        )
        self.to(memory_format=torch.channels_last)  # the order in which convolutions and poolings are fast
        scores: dict[str, Metric | MetricCollection] = {
            "acc": MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        }
        if num_digits > 1:
            scores["acc_sequence"] = MulticlassExactMatch(num_classes, validate_args=False)
        self.val_scores = MetricCollection(scores, prefix="val/", compute_groups=False)
        self.test_scores = self.val_scores.clone(prefix="test/")

    def look(self, images: Tensor) -> Tensor:
        """Return what is seen, (B, T, C, h, w), of images (B, C, S, S) in [0, 1]."""
        if self.transformer is None:
            return images.unsqueeze(1)
        seen: Tensor = self.transformer(images)
        return seen.unsqueeze(1) if self.looks_once else seen

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, num_digits, num_classes) for images (B, C, S, S) in [0, 1]."""
        seen = self.look(images)
        if self.looks_once:
            return self.classifier(seen[:, 0]).unflatten(1, (self.num_digits, self.num_classes))
        last = seen[:, seen.shape[1] // self.num_digits - 1 :: seen.shape[1] // self.num_digits]  # of each digit
        return self.classifier(last.flatten(0, 1)).unflatten(0, (len(images), self.num_digits))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the cross entropy."""
        logits, labels = self(batch["image"]), self.labels(batch)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        self.log("train/loss", loss, prog_bar=True)
        right = multiclass_accuracy(logits.argmax(2), labels, self.num_classes, average="micro", validate_args=False)
        self.log("train/acc", right, prog_bar=True)
        return loss

    def labels(self, batch: Batch) -> Tensor:
        """Return the labels of a batch, (B, num_digits).

        Raises:
            MisconfigurationException: there are none, or not as many as digits.
        """
        labels = batch["label"].view(len(batch["image"]), -1) if "label" in batch else None
        if labels is None or labels.shape[1] != self.num_digits:
            found = "no labels" if labels is None else f"{labels.shape[1]} labels an image"
            raise MisconfigurationException(
                f"STNClassifier reads {self.num_digits} digits of an image, and the data have {found}. "
                "Choose data with labels, and set --model.num_digits to their number."
            )
        return labels

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one batch."""
        self._evaluate(batch, self.val_scores)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one batch."""
        self._evaluate(batch, self.test_scores)

    def _evaluate(self, batch: Batch, scores: MetricCollection) -> None:
        scores.update(self(batch["image"]).argmax(2), self.labels(batch))
        self.log_dict(scores, prog_bar=True)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the digits read, `label` (B, num_digits), and `probability` (B, num_digits, num_classes)."""
        probability = self(batch["image"]).float().softmax(2)
        return {"label": probability.argmax(2), "probability": probability}

    @torch.no_grad()
    def gallery(self, batch: Batch) -> dict[str, Tensor]:
        """Return columns (B, C, H, W): input, and what the transformer looks at, one view after the other."""
        seen = self.look(batch["image"]) if self.transformer is not None else batch["image"].unsqueeze(1)[:, :0]
        return {"input": batch["image"]} | {f"seen {t + 1}": seen[:, t] for t in range(seen.shape[1])}


def _transformer(
    localisation: type[ConvolutionalLocalisation | DenseLocalisation],
    warp: WarpName,
    look: Look,
    num_glimpses: int,
    image_size: int,
    image_channels: int,
    glimpse_size: int,
) -> nn.Module:
    features = localisation(image_size, image_channels)
    if look == "once":
        return SpatialTransformer(features, features.num_features, warp, glimpse_size)
    return RecurrentTransformer(
        features, features.num_features, num_glimpses, warp=warp, out_size=glimpse_size, feedback=look == "feedback"
    )
