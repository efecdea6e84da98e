"""Training batches that go on in the middle of an epoch, as if it had not been interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler


class EpochSampler(RandomSampler):
    """A `RandomSampler` that draws one number from its generator when a pass begins, and nothing later."""

    def __iter__(self) -> Iterator[int]:
        """Yield all indices in a random order."""
        seed = int(torch.randint(2**62, (), generator=self.generator))
        yield from torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).tolist()


class SkippingBatchSampler(BatchSampler):
    """A `BatchSampler` whose next pass leaves out its first batches.

    Attributes:
        skip: how many, once.
    """

    skip = 0

    def __iter__(self) -> Iterator[list[int]]:
        """Yield lists of indices."""
        skip, self.skip = self.skip, 0
        yield from islice(super().__iter__(), skip, None)


class ResumableLoader(DataLoader[Any]):
    """A shuffled `DataLoader`, incomplete last batch dropped, whose place in the epoch Lightning keeps in checkpoints.

    What is drawn after a restart is what would have been drawn without; random transforms in worker processes excepted.

    Args:
        dataset: With a length.
        batch_size: Samples a batch.
        **how: As for a `DataLoader`.
    """

    @classmethod
    def over(cls, dataset: Any, batch_size: int, **how: Any) -> ResumableLoader:
        """Make one; Lightning makes others of it, with a sampler that shares the samples between processes."""
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        sampler = EpochSampler(dataset, generator=generator)
        batches = SkippingBatchSampler(sampler, batch_size, drop_last=True)
        return cls(dataset, batch_sampler=batches, generator=generator, **how)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield batches, after a restart those that are left of the epoch."""
        assert isinstance(self.batch_sampler, SkippingBatchSampler)
        self._began, self._drawn = self.generator.get_state(), self.batch_sampler.skip
        for batch in super().__iter__():
            self._drawn += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the generator when the epoch began, and how many batches were drawn since."""
        began, drawn = getattr(self, "_began", self.generator.get_state()), getattr(self, "_drawn", 0)
        if drawn == len(self):  # what comes next is another epoch
            began, drawn = self.generator.get_state(), 0
        return {"began": began, "drawn": drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next pass go on from a state."""
        assert isinstance(self.batch_sampler, SkippingBatchSampler)
        self.generator.set_state(state["began"])
        self.batch_sampler.skip = state["drawn"]
