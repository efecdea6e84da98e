"""How the zoo speaks to its users when something they asked for cannot be done."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """What was asked cannot be done; the message says why and what to do, and is shown without a traceback."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean ...?` for the known name nearest to `name`, or nothing where none is near.

    >>> did_you_mean("ReDo", ["ReDO", "ShiftInvariantAE"])
    " Did you mean 'ReDO'?"
    >>> did_you_mean("banana", ["ReDO"])
    ''
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.55)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first few of `names` and how many more there are.

    >>> listed(["a.png", "b.png", "c.png"], most=2)
    'a.png, b.png and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
