"""What a training step costs, and whether the data keep up with it: the work of `tiae-zoo bench`."""

from __future__ import annotations

import platform
import statistics
import time
from itertools import chain, repeat
from typing import Any

import torch
from jsonargparse.typing import PositiveInt
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

MEBI = 2**20
LOADING_SECONDS = 3.0  # for which the loader is timed


class BenchTrainer(Trainer):
    """Lightning's trainer with one verb more."""

    benchmark_record: dict[str, Any]

    def bench(
        self,
        model: LightningModule,
        datamodule: LightningDataModule | None = None,
        steps: PositiveInt = 20,
        warmup: PositiveInt = 3,
    ) -> None:
        """Measure training steps, the loading of data, memory and arithmetic; no checkpoint is written.

        The fit that the config describes runs for `warmup + steps` batches, with its callbacks except those that write
        checkpoints. A step is timed from the batch's arrival on the device to the end of what callbacks do after it.

        Args:
            model: the method.
            datamodule: the data.
            steps: batches that are timed.
            warmup: batches before them; the arithmetic of the first one is counted.

        Raises:
            MisconfigurationException: the fit is over before all batches were seen, or there are no data to load.
        """
        if datamodule is None:
            raise MisconfigurationException("bench measures the data, too, and none were given. Add --data.")
        clock = StepClock(warmup, steps)
        self.callbacks = [each for each in self.callbacks if not isinstance(each, Checkpoint)] + [clock]  # type: ignore[has-type]
        self.fit(model, datamodule=datamodule)
        if len(clock.seconds) < steps:
            raise MisconfigurationException(
                f"The fit ended after {warmup + len(clock.seconds)} of the {warmup + steps} batches to measure. Lower "
                "--steps, or raise --trainer.max_epochs or --trainer.max_steps."
            )
        loader = datamodule.train_dataloader()
        loading = loading_rate(loader)
        step = statistics.median(clock.seconds)
        images = clock.images * self.world_size
        self.benchmark_record = {
            "batch_size": images,
            "steps": steps,
            "warmup": warmup,
            "parameters": sum(each.numel() for each in model.parameters()),
            "flops_predict_image": prediction_flops(model, clock.example),
            "flops_step": clock.flops * self.world_size,
            "step_seconds": round(step, 5),
            "step_seconds_best": round(min(clock.seconds), 5),
            "steps_per_second": round(1 / step, 4),
            "images_per_second": round(images / step, 2),
            "images_per_second_with_loading": round(images * steps / clock.whole, 2),
            "loader_images_per_second": round(loading, 2),
            "loader_over_step": round(loading * self.world_size * step / images, 2),
            "peak_memory_mib": round(clock.peak_memory / MEBI, 1),
        }


class StepClock(Callback):
    """Counts the arithmetic of the first batch, then times others; the last of the callbacks.

    Args:
        warmup: batches that are not timed, at least one.
        steps: batches that are.

    Attributes:
        seconds: of each timed batch.
        whole: seconds from the first timed batch to the end of the last, waiting for data included.
        flops: of the first batch's step, on this process: convolutions and matrix products, a multiplication and an
            addition being two.
        images: in a batch of this process.
        example: the first image of the first batch, (1, C, H, W), on the CPU.
        peak_memory: bytes; what the tensors took on a GPU while timing, the whole process otherwise.
    """

    def __init__(self, warmup: int, steps: int) -> None:
        self.warmup, self.steps = warmup, steps
        self.seconds: list[float] = []
        self.seen = 0
        self.flops = 0
        self.peak_memory = 0.0
        self._counter = FlopCounterMode(display=False)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start to count or to time."""
        if self.seen == 0:
            self.images, self.example = len(batch["image"]), batch["image"][:1].cpu()
            self._counter.__enter__()
        synchronise(pl_module.device)
        if self.seen == self.warmup:
            if pl_module.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(pl_module.device)
            self._began = time.perf_counter()
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop, and end the fit after the last batch."""
        synchronise(pl_module.device)
        now = time.perf_counter()
        if self.seen == 0:
            self._counter.__exit__(None, None, None)
            self.flops = self._counter.get_total_flops()
        if self.seen >= self.warmup and len(self.seconds) < self.steps:
            self.seconds.append(now - self._start)
            self.whole = now - self._began
        self.seen += 1
        if len(self.seconds) == self.steps:
            self.peak_memory = peak_memory(pl_module.device)
            trainer.should_stop = True


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def peak_memory(device: torch.device) -> float:
    """Return the most bytes held so far: by tensors on a GPU, by this process elsewhere; 0 where nobody knows."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if platform.system() == "Darwin" else most * 1024)


def prediction_flops(model: LightningModule, image: torch.Tensor) -> int:
    """Return what a prediction for one image (1, C, H, W) takes: a multiplication and an addition are two."""
    model = model.to(image.device).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.predict_step({"image": image}, 0)
    return counter.get_total_flops()


def loading_rate(loader: DataLoader, seconds: float = LOADING_SECONDS) -> float:
    """Return images a second that `loader` gives with nobody else at work, its start left out.

    Args:
        loader: batches with `image`; it starts anew when it has no more.
        seconds: how long to take batches, one at least.
    """
    endless = chain.from_iterable(repeat(loader))
    waiting = loader.num_workers * (loader.prefetch_factor or 0)  # made while the first one was waited for
    for _ in range(1 + waiting):
        next(endless)
    images = 0
    start = time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds or images == 0:
        images += len(next(endless)["image"])
    return images / taken


def table(benchmark: dict[str, Any]) -> str:
    """Return a benchmark as lines of name and figure for a person to read."""
    rows = {
        "parameters": f"{benchmark['parameters']:,}",
        "a prediction": f"{benchmark['flops_predict_image'] / 1e9:.4g} GFLOP an image",
        "a step": f"{benchmark['flops_step'] / 1e9:.4g} GFLOP, {benchmark['batch_size']} images",
        "time": f"{benchmark['step_seconds']:.4g} s a step (median of {benchmark['steps']}), "
        f"{benchmark['steps_per_second']:.4g} steps/s",
        "speed": f"{benchmark['images_per_second']:.4g} images/s, "
        f"{benchmark['images_per_second_with_loading']:.4g} with the wait for data",
        "data alone": f"{benchmark['loader_images_per_second']:.4g} images/s, "
        f"{benchmark['loader_over_step']:.3g} times what the step takes",
        "peak memory": f"{benchmark['peak_memory_mib']:.5g} MiB",
    }
    return "\n".join(f"  {name:<14}{figure}" for name, figure in rows.items())
