"""Started by the tests: a test on three CPU processes, whose sampler repeats one of the eight images.

Usage: python three_process_scores.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from test_per_image_scores import HalfData
from test_ranked_masks import Halves
from tiny_methods import trainer

from tiae_zoo.callbacks.per_image_scores import PerImageScores

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    scores = PerImageScores()
    run = trainer(folder, scores, devices=3, strategy="ddp")
    run.test(Halves(), datamodule=HalfData(), verbose=False)
    if run.is_global_zero:
        (folder / "record.json").write_text(json.dumps(scores.record))
