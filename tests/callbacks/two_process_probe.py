"""Started by the tests: a test on two CPU processes with the probe of descriptors.

Usage: python two_process_probe.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from tiny_methods import Described, PatternData, trainer

from tiae_zoo.callbacks import DescriptorProbe

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    run = trainer(folder, DescriptorProbe(), devices=2, strategy="ddp")
    run.test(Described(), datamodule=PatternData())
    scores = {name: value.item() for name, value in run.callback_metrics.items()}
    (folder / f"{run.global_rank}.json").write_text(json.dumps(scores))
