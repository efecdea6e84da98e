"""One voice for several processes."""

from __future__ import annotations

import os
import sys

from lightning.pytorch.utilities.rank_zero import rank_zero_only


def is_first_process() -> bool:
    """Whether this is the only process, or the first one of the first machine; known before a trainer exists."""
    return getattr(rank_zero_only, "rank", 0) == 0 and int(os.environ.get("NODE_RANK", "0")) == 0


def tell(text: str) -> None:
    """Print a note for the user, once."""
    if is_first_process():
        print(text, file=sys.stderr)  # noqa: T201
