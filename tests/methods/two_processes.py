"""Fits ReDO on one or two CPU processes and saves what came of it: `python two_processes.py DEVICES REDRAW FILE`."""

from __future__ import annotations

import sys

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from torch import Tensor
from torch.utils.data import DataLoader

from tiae_zoo.methods import ReDO

GLOBAL_BATCH = 8


class Shares(LightningDataModule):
    """Three global batches in a fixed order; each rank takes its share of the first half, then of the second."""

    def __init__(self) -> None:
        super().__init__()
        self.images = torch.rand(3 * GLOBAL_BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        self.mask = torch.zeros(32, 32, dtype=torch.long)
        self.mask[8:24, 8:24] = 1

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        assert self.trainer is not None
        shares = self.images.view(6, self.trainer.world_size, -1, 3, 32, 32)[:, self.trainer.global_rank].flatten(0, 1)
        samples = [{"image": image, "mask": self.mask} for image in shares]
        return DataLoader(samples, GLOBAL_BATCH // self.trainer.world_size)  # type: ignore[arg-type]

    val_dataloader = train_dataloader


class SameNoise(Callback):
    """Starting several processes draws random numbers of its own: begin the training with the same ones."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.manual_seed(0)


def main(devices: int, redraw: str, file: str) -> None:
    torch.set_num_threads(1)
    seed_everything(0, verbose=False)
    small = {"image_size": 32, "mask_width": 8, "generator_width": 2, "discriminator_width": 4, "dim_z": 4}
    method = ReDO(redraw=redraw, centring_iterations=2 if redraw == "each" else 0, **small)
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=devices,
        strategy="ddp_find_unused_parameters_true" if devices > 1 else "auto",
        precision="64-true",  # Adam's first steps follow the sign of a gradient: rounding would show at once
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[SameNoise()],
    )
    trainer.fit(method, datamodule=Shares())
    if trainer.is_global_zero:
        torch.save({"weights": method.state_dict(), "logged": dict(trainer.callback_metrics)}, file)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
