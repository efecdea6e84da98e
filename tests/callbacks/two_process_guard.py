"""Started by the tests: a fit on two CPU processes with the guard against collapse.

Usage: python two_process_guard.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from tiny_methods import Squares, trainer
from torch import nn
from torch.utils.data import DataLoader

from tiae_zoo.callbacks import CollapseGuard
from tiae_zoo.methods import Segmenter


class Shares(Segmenter):
    """The first process has three images without region 0, the second has one, half of which is region 0."""

    def __init__(self):
        super().__init__(num_regions=2)
        self.weight = nn.Parameter(torch.ones(1))

    def segment(self, images):
        first = torch.full_like(images, 0.5 * self.global_rank)
        return torch.cat([first, 1 - first], 1)

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def train_dataloader(self):
        return DataLoader(Squares(1 if self.global_rank else 3), batch_size=3)

    val_dataloader = train_dataloader


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, guard = Path(sys.argv[1]), CollapseGuard(from_step=0)
    run = trainer(folder, guard, devices=2, strategy="ddp", use_distributed_sampler=False)
    run.fit(Shares())
    smallest = run.callback_metrics.get("val/smallest_region", torch.zeros(()))  # the first process has it
    found = {"collapsed": guard.collapsed, "smallest_region": smallest.item()}
    (folder / f"{run.global_rank}.json").write_text(json.dumps(found))
