"""What the machine has to offer to the trainer."""

from __future__ import annotations

from jsonargparse import Namespace
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator

from tiae_zoo.messages import UserError


def refuse_missing_gpu(trainer: Namespace) -> None:
    """Tell how to do without a GPU, before anything is built.

    Args:
        trainer: its options.

    Raises:
        UserError: a GPU is asked for, and there is none.
    """
    if trainer.get("accelerator") == "gpu" and not (CUDAAccelerator.is_available() or MPSAccelerator.is_available()):
        raise UserError(
            "A GPU is asked for, as by presets/gpu and presets/ddp, and PyTorch finds none on this machine. Leave the "
            "preset out, or add --trainer.accelerator cpu --trainer.devices 1, with presets/ddp as many as processes."
        )
