"""`tiae-zoo download`: pretrained weights onto this machine, verified."""

from __future__ import annotations

import argparse

from tiae_zoo.checkpoints import MIRROR, fetch_weights, pretrained
from tiae_zoo.messages import UserError

DESCRIPTION = f"""\
Fetch pretrained weights, so that their names work without a connection: `--ckpt_path NAME`, `load_model("NAME")`.

Files are checked against the registry's digests. {MIRROR} may name a folder, or the beginning of a URL, that has
them under their own names; it is asked before the registry's addresses.
"""


def main(arguments: list[str]) -> int:
    """Fetch the weights and say where they lie."""
    parser = argparse.ArgumentParser(
        prog="tiae-zoo download", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the weights, see `tiae-zoo list`")
    parser.add_argument("--all", action="store_true", help="all there are")
    options = parser.parse_args(arguments)
    names = [entry["name"] for entry in pretrained()] if options.all else options.names
    if not names and not options.all:
        raise UserError("No weights were named. Give their NAME, or --all; `tiae-zoo list` shows what there is.")
    failed = []
    for name in names:
        try:
            print(f"{name}: {fetch_weights(name)}")
        except UserError as error:  # the others may still be had
            failed.append(str(error))
    if failed:
        raise UserError("\n".join(failed))
    return 0
