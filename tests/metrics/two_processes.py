"""Started by the tests: two processes score uneven shares of the same data and compare with one process.

Usage: python two_processes.py RENDEZVOUS_FILE
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tiae_zoo.metrics import MatchedSegmentation, WithinBetweenVariance

SHARES = ([0, 1, 2, 3, 4], [5, 6])  # batches of one image each


def worker(rank: int, rendezvous: str) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(7, 3, 16, 16, generator=generator)
    target = torch.randint(2, (7, 16, 16), generator=generator)
    descriptors = torch.randn(7, 4, 5, generator=generator) + 100

    alone, alone_variance = MatchedSegmentation(3, 2), WithinBetweenVariance(5)
    alone.update(masks, target)
    alone_variance.update(descriptors)
    expected, expected_variance, expected_classes = alone.compute(), alone_variance.compute(), alone.region_classes()

    dist.init_process_group("gloo", init_method=Path(rendezvous).as_uri(), rank=rank, world_size=2)
    shared, variance = MatchedSegmentation(3, 2), WithinBetweenVariance(5)
    for image in SHARES[rank]:
        shared.update(masks[image : image + 1], target[image : image + 1])
        variance.update(descriptors[image : image + 1])
    for name, score in shared.compute().items():
        torch.testing.assert_close(score, expected[name], msg=name)
    torch.testing.assert_close(variance.compute(), expected_variance)
    assert torch.equal(shared.region_classes(), expected_classes)
    assert shared.images == len(SHARES[rank]), "the states of this process must be its own again"
    print("equal", flush=True)  # noqa: T201
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(worker, args=(sys.argv[1],), nprocs=2)
