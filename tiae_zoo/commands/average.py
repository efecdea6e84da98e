"""`tiae-zoo average`: the moving average of a network, kept in a checkpoint, takes the network's place."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from tiae_zoo import runs
from tiae_zoo.messages import UserError

DESCRIPTION = """\
Write a checkpoint of weights in which the network that the callback MaskAverage follows is replaced by its moving
average, for `test`, `predict`, `demo` and `export`: what is scored under names with _ema becomes the method itself.

  tiae-zoo average runs/redo_lfw/fit_0/checkpoints/last.ckpt
  tiae-zoo test --ckpt_path runs/redo_lfw/fit_0/checkpoints/last_average.ckpt
"""


def main(arguments: list[str]) -> int:
    """Write the checkpoint and say how to use it."""
    parser = argparse.ArgumentParser(
        prog="tiae-zoo average", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, metavar="CKPT", help="of `tiae-zoo fit`")
    parser.add_argument("--output", type=Path, help="the new checkpoint (default: CKPT_average.ckpt, beside CKPT)")
    options = parser.parse_args(arguments)
    source: Path = options.checkpoint
    output: Path = options.output or source.with_name(f"{source.stem}_average.ckpt")
    if not source.is_file():
        raise UserError(f"There is no checkpoint file {source}. Give the path of one of `tiae-zoo fit`.")
    if output.exists():
        raise UserError(f"{output} exists already and is not overwritten. Give another --output.")
    network = write_averaged(source, output)
    print(f"Wrote {output}: its {network} is the moving average.")
    if (config := runs.config_beside(source)) is not None:
        named = "" if runs.config_beside(output) == config else f"--config {shlex.quote(str(config))} "
        print(f"Score it: tiae-zoo test {named}--ckpt_path {shlex.quote(str(output))}")
    return 0


def write_averaged(source: Path, output: Path) -> str:
    """Write the weights in a checkpoint, with the average in place of the network, and return the network's name.

    Raises:
        UserError: the file is no checkpoint or holds no average, or the new one cannot be written.
    """
    import torch  # seconds

    from tiae_zoo.callbacks.mask_average import AVERAGED_NETWORK, averaged
    from tiae_zoo.launch.checkpoint import whole_checkpoint

    content = averaged(whole_checkpoint(source))
    if content is None:
        raise UserError(
            f"{source} holds no average. Give a checkpoint, with its training state, of a fit with the callback "
            "MaskAverage."
        )
    try:
        with runs.written_whole(output) as part:
            torch.save(content, part)
    except (OSError, RuntimeError) as error:  # torch's own, if the disk is full
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{output} cannot be written ({reason}). Give another --output.") from error
    return str(content[AVERAGED_NETWORK])
