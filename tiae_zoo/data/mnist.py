"""MNIST digits on 32x32, and the same from scikit-learn's digits, which need no download."""

from typing import Any

from tiae_zoo.data.backgrounds import Backgrounds
from tiae_zoo.data.datasets import Split, StoreDataset
from tiae_zoo.data.digits import DigitsDataModule, Source

PADDING = 2  # 28x28 -> 32x32, the input of the transform-invariant auto-encoder


class MNIST(DigitsDataModule):
    """Single digits, one channel, with labels and no masks.

    MNIST: 55000 to train, the last 5000 training pictures to validate, 10000 to test; scikit-learn's digits: 1300, 200
    and 297. A digit fills the 20x20 box in the middle of 32x32; another `image_size` scales the whole picture.

    Args:
        source: `mnist`, or `digits`: the 1797 digits inside scikit-learn, scaled to MNIST's size and place.
        image_size: Side of the square images in pixels.
        backgrounds: What a method may put behind the digits, see `tiae_zoo.data.backgrounds`.
        **kwargs: As for every data module, see `ZooDataModule`.
    """

    scored = False
    channels = 1
    num_classes = 0

    def __init__(
        self, source: Source = "mnist", image_size: int = 32, backgrounds: Backgrounds | None = None, **kwargs: Any
    ) -> None:
        super().__init__(source=source, image_size=image_size, **kwargs)
        self.backgrounds = backgrounds

    def load(self, split: Split) -> StoreDataset:  # noqa: D102
        store = self.digit_store(split, PADDING, self.image_size)
        return StoreDataset(store, self.transform if split == "train" else None)
