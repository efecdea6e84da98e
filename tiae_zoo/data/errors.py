"""What goes wrong with data, told so that the reader knows the way on."""

from collections.abc import Sequence

from tiae_zoo.messages import UserError, did_you_mean


class DataError(UserError):
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
    known, hint = ", ".join(map(repr, choices)), did_you_mean(str(value), choices)
    raise DataError(f"{argument}={value!r} is not known; choose one of {known}.{hint}")
