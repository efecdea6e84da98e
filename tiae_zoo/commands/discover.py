"""`tiae-zoo discover`: the typical patterns of a page, found without labels by a shift-invariant auto-encoder."""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tiae_zoo import __version__, runs
from tiae_zoo.messages import UserError

if TYPE_CHECKING:
    from tiae_zoo.methods import ShiftInvariantAE

METHOD = "ShiftInvariantAE"
HOME = Path("runs/shift_ae_page")  # of the shipped config's runs: where `last` is looked for

DESCRIPTION = """\
Find the typical patterns of a page without labels, by a shift-invariant auto-encoder: each patch of the page votes for
the place where its pattern lies, and the patterns at the places with most votes are clustered. Train it on the page
first:

  tiae-zoo fit --config configs/shift_ae_page.yaml --data.page scan.png
  tiae-zoo discover scan.png --ckpt_path last
"""


def main(arguments: list[str]) -> int:
    """Search one page and say where the results lie."""
    options = parse(arguments)

    from tiae_zoo.data import PagePatches  # loads PyTorch: seconds
    from tiae_zoo.data.page import Patches
    from tiae_zoo.discovery import discover, figures, summary, write
    from tiae_zoo.results import versions

    checkpoint, method = load_method(options.ckpt_path)
    data = PagePatches(page=options.page, ink_tone=options.ink_tone, image_size=method.hparams["image_size"])
    page, patches = data.path, Patches(data.ink, data.image_size)
    with runs.new_folder(options.output, Path("runs", page.stem), "discover") as folder:
        started = time.perf_counter()
        found = discover(method, patches, options.stride, options.quantile)
        about = {
            "page": page.name,
            "command": shlex.join(["tiae-zoo", "discover", *arguments]),
            "checkpoint": str(checkpoint),
            "version": f"tiae-zoo {__version__}",
        }
        write(found, folder, about)
        seconds = round(time.perf_counter() - started, 3)
        timing = {"wall_seconds": seconds, "versions": versions()}
        runs.write_json(folder / runs.RESULTS_FILE, {"verb": "discover", **about, "metrics": figures(found), **timing})
    print(f"{summary(found)}\nSee {folder / 'index.html'}")
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="tiae-zoo discover", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", help="picture of a page; a relative path is also looked for in the data root")
    parser.add_argument(
        "--ckpt_path",
        required=True,
        help=f"a checkpoint file of {METHOD}; or `last`, that of the newest fit in {HOME}",
    )
    parser.add_argument("--output", type=Path, help="new folder for the results (default: runs/PAGE/discover_N)")
    parser.add_argument("--stride", type=_pixels, default=2, help="distance of the patches (default: %(default)s px)")
    parser.add_argument(
        "--ink_tone",
        choices=("auto", "dark", "bright"),
        default="auto",
        help="ink is dark on bright paper, or bright on dark (default: detected)",
    )
    parser.add_argument(
        "--quantile",
        type=_share,
        default=0.02,
        help="clusters reach as far as this share of all hot spots on average: larger gives fewer clusters "
        "(default: %(default)s)",
    )
    return parser.parse_args(arguments)


def load_method(name: str) -> tuple[Path, ShiftInvariantAE]:
    """Return the checkpoint that `name` means, and the method in it, on the CPU.

    Raises:
        UserError: there is none, or it is of another method or of images that are no patches of a page.
    """
    from tiae_zoo.launch.checkpoint import find_checkpoint, restored, stored_hyperparameters
    from tiae_zoo.methods import ShiftInvariantAE

    path = Path(find_checkpoint(name, HOME))
    stored = stored_hyperparameters(str(path))
    trained = stored.get("_class_path", METHOD).rpartition(".")[2]
    way = f"Give a checkpoint of {METHOD}, such as that of `tiae-zoo fit --config configs/shift_ae_page.yaml`."
    if trained != METHOD:
        raise UserError(f"{path} is a checkpoint of {trained}, which cannot tell where a pattern lies. {way}")
    if stored.get("image_channels", 1) != 1:
        raise UserError(
            f"{path} was trained on images of {stored['image_channels']} channels, and a page has one. {way}"
        )
    return path, restored(ShiftInvariantAE, path)


def _pixels(text: str) -> int:
    """Read a distance of at least 1 px from the command line."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is too small; give at least 1")
    return number


def _share(text: str) -> float:
    """Read a share in (0, 1] from the command line."""
    if not 0 < (number := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{number} is no share; give more than 0 and at most 1")
    return number
