"""What goes wrong with data, told so that the reader knows the way on."""

import difflib
from collections.abc import Sequence


class DataError(RuntimeError):
    """The data cannot be used as asked; the message says what is wrong and what to do."""


class MissingFileError(DataError):
    """A file of the dataset is not there."""


def check_choice(argument: str, value: str, choices: Sequence[str]) -> None:
    """Accept `value` only if it is one of `choices`.

    Raises:
        DataError: naming the choices and the nearest one.
    """
    if value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise DataError(f"{argument}={value!r} is not known; choose one of {', '.join(map(repr, choices))}.{hint}")


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few of `names` and how many more there are, for a message."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
