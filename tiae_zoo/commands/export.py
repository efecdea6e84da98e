"""`tiae-zoo export`: a checkpoint becomes pretrained weights with a name."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Write the weights of a checkpoint as safetensors beside the registry of pretrained weights, with an entry in the
registry, a card, and a golden pair of input and prediction; then load them back by their name and compare.

  tiae-zoo export runs/redo_lfw/fit_0/checkpoints/last.ckpt redo_lfw_64 --config redo_lfw \\
      --results runs/redo_lfw/test_0/results.json --network mask_network --half
"""


def main(arguments: list[str]) -> int:
    """Publish one checkpoint and say how to use it."""
    parser = argparse.ArgumentParser(
        prog="tiae-zoo export", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help="of `tiae-zoo fit`")
    parser.add_argument("name", metavar="NAME", help="of the weights")
    parser.add_argument(
        "--config", action="append", required=True, help="shipped config that they go with; repeatable, as in `fit`"
    )
    parser.add_argument("--results", type=Path, help="results.json of a `tiae-zoo test` of this checkpoint")
    parser.add_argument("--network", action="append", default=[], help="keep this attribute's weights only; repeatable")
    parser.add_argument("--half", action="store_true", help="store matrices and kernels in 16 bits")
    parser.add_argument("--url", action="append", default=[], help="further address of the file; repeatable")
    parser.add_argument("--licence", default="Apache-2.0", help="of the weights (default: %(default)s)")
    parser.add_argument("--paper", help="that describes the method")
    parser.add_argument("--recipe", help="how they were trained (default: the command of the checkpoint's run)")
    parser.add_argument("--limits", help="a sentence on what they are not good for")
    options = parser.parse_args(arguments)

    from tiae_zoo.publishing import publish  # loads PyTorch: seconds

    entry = publish(
        options.checkpoint,
        options.name,
        options.config,
        options.results,
        options.network,
        options.half,
        options.url,
        options.licence,
        options.recipe,
        options.paper,
        options.limits,
    )
    print(f"Wrote {entry['file']}, {entry['size'] / 1e6:.2f} MB, its card, its golden pair and its entry.")
    print(f"Use it: tiae-zoo test --ckpt_path {entry['name']}")
    return 0
