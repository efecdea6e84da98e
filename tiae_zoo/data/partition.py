"""Pictures that nobody has split: some drawn for validation and test, the same ones each time."""

from dataclasses import dataclass

import numpy as np

from tiae_zoo.data.decode import Item
from tiae_zoo.data.errors import DataError


def counted(number: int, what: str) -> str:
    """Such as `1 picture`, `2 pictures`."""
    return f"{number} {what}" + ("" if number == 1 else "s")


@dataclass(frozen=True)
class Partition:
    """What part of the pictures goes where.

    Attributes:
        val_fraction: Part of the pictures for validation.
        test_fraction: Part of the pictures for the test.
        seed: Decides which pictures go where.

    Raises:
        DataError: a split would be empty.
    """

    val_fraction: float
    test_fraction: float
    seed: int

    def __post_init__(self) -> None:
        if not (self.val_fraction > 0 and self.test_fraction > 0 and self.val_fraction + self.test_fraction < 1):
            raise DataError(
                f"val_fraction={self.val_fraction} and test_fraction={self.test_fraction} leave a split empty; "
                "both must be positive and their sum below 1."
            )

    def check(self, pictures: int, folder: str, option: str) -> None:
        """Refuse what cannot give every split a picture.

        Args:
            pictures: How many there are.
            folder: Where they lie.
            option: Where the user wrote that, such as `--data.images`.

        Raises:
            DataError: there are too few.
        """
        if pictures < 3:
            raise DataError(
                f"{folder} has {counted(pictures, 'picture')}, but training, validation and test need one each: at "
                f"least 3. Add some, or split them yourself into folders and write {{split}} in {option}."
            )

    def part(self, found: list[Item], split: str, drawable: list[Item] | None = None) -> list[Item]:
        """Draw a split, in the order of names.

        Args:
            found: All pictures, three at least.
            split: `train`, `val` or `test`.
            drawable: Those that may validate and test, two at least; default all.
        """
        order = [found[i] for i in np.random.default_rng(self.seed).permutation(len(found))]
        may = {item.name for item in (found if drawable is None else drawable)}
        pool = [item for item in order if item.name in may]
        val, test = (max(1, round(part * len(found))) for part in (self.val_fraction, self.test_fraction))
        most = min(len(pool), len(found) - 1)
        if val + test > most:  # few masks, or hardly a picture left to train on: share what there is
            share = self.val_fraction / (self.val_fraction + self.test_fraction)
            val = min(max(1, round(most * share)), most - 1)
            test = most - val
        drawn = {"val": pool[:val], "test": pool[val : val + test]}
        taken = {item.name for item in (*drawn["val"], *drawn["test"])}
        drawn["train"] = [item for item in order if item.name not in taken]
        return sorted(drawn[split], key=lambda item: item.name)
