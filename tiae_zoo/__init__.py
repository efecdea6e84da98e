"""Find objects and shapes without labels: a PyTorch Lightning model zoo."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiae_zoo.checkpoints import load_model as load_model

__all__ = ["__version__", "load_model"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Offer `tiae_zoo.load_model`, looked up when it is wanted: most parts of the zoo do without."""
    if name == "load_model":
        return importlib.import_module("tiae_zoo.checkpoints").load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
