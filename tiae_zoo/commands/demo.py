"""`tiae-zoo demo`: a page in the browser to try methods on pictures of one's own."""

from __future__ import annotations

import argparse
from contextlib import suppress
from importlib.util import find_spec

from tiae_zoo.messages import UserError

DESCRIPTION = """\
Open a page in the browser: drop a picture, choose a model, see mask, overlay, and what the method draws. Pictures stay
in this computer's memory; the page loads nothing from elsewhere.

  tiae-zoo demo                                                  all pretrained weights that give masks
  tiae-zoo demo runs/redo_lfw/fit_0/checkpoints/last.ckpt        checkpoints, or pretrained weights by their names
"""


def main(arguments: list[str]) -> int:
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="tiae-zoo demo", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models", nargs="*", metavar="CKPT_OR_NAME", help="to choose from (default: all pretrained weights)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: %(default)s, this computer alone; 0.0.0.0 is for all who reach it)",
    )
    parser.add_argument("--port", type=_port, default=8080, help="0 for any free one (default: %(default)s)")
    parser.add_argument(
        "--open", action=argparse.BooleanOptionalAction, default=True, help="show the page in the browser"
    )
    options = parser.parse_args(arguments)
    if find_spec("nicegui") is None:
        raise UserError('The page needs NiceGUI, which is not installed. Run: pip install "tiae-zoo[demo]"')

    with suppress(KeyboardInterrupt):
        from tiae_zoo.demo.choices import find_choices  # loads PyTorch: seconds
        from tiae_zoo.demo.page import serve

        serve(find_choices(options.models), options.host, options.port, options.open)
    return 0


def _port(text: str) -> int:
    """Read a port from the command line."""
    if not 0 <= (number := int(text)) < 2**16:
        raise argparse.ArgumentTypeError(f"{number} is no port; give 0 to {2**16 - 1}")
    return number
