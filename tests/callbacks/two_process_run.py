"""Started by the tests: a run on two CPU processes with both picture callbacks.

Usage: python two_process_run.py FOLDER
"""

import sys
from pathlib import Path

import torch
from tiny_methods import Described, Shown, trainer

from tiae_zoo.callbacks import DescriptorMap, Gallery


class Both(Shown, Described):
    """Offers a gallery and descriptors."""


if __name__ == "__main__":
    torch.set_num_threads(1)
    run = trainer(Path(sys.argv[1]), Gallery(), DescriptorMap(), devices=2, strategy="ddp")
    run.fit(model := Both())
    run.test(model)
