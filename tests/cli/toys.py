"""A method and a data module small enough to be run many times."""

import os

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from tiae_zoo.data import DataError
from tiae_zoo.methods import Segmenter


class ToyMethod(LightningModule):
    """Predict two soft masks from each pixel."""

    def __init__(self, width: int = 4, rate: float = 0.1, image_size: int = 8) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width is {width}, but must be positive. Give 1 or more.")
        self.save_hyperparameters()
        self.rate, self.image_size = rate, image_size
        self.layers = nn.Sequential(nn.Conv2d(1, width, 1), nn.ReLU(), nn.Conv2d(width, 2, 1))

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[-1] == self.image_size
        return self.layers(images).softmax(dim=1)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        loss = self(batch["image"])[:, 0].mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self.log("val/score", self(batch["image"])[:, 1].mean(), sync_dist=True)

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self.log_dict({"test/score": self(batch["image"])[:, 1].mean(), "test/undefined": torch.tensor(float("nan"))})

    def predict_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        return self(batch["image"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.rate)


class SizelessMethod(ToyMethod):
    """A method that does not ask for the image size."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)


class SizedMethod(ToyMethod):
    """A method whose weights fit one image size."""

    def __init__(self, image_size: int = 8) -> None:
        super().__init__(image_size=image_size)
        self.bias = nn.Parameter(torch.zeros(image_size))


class GreedyMethod(ToyMethod):
    """A method that wants more memory than there is."""

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 PiB")


class BrokenMethod(ToyMethod):
    """A method with a fault."""

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        raise KeyError("a fault of the program")


class Describing(ToyMethod):
    """A method that predicts arrays."""

    def predict_step(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        return {"descriptor": batch["image"].mean(dim=(2, 3))}


class Pictures(Dataset[dict[str, Tensor]]):
    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(index)
        return {"image": torch.rand(1, self.size, self.size, generator=generator), "index": torch.tensor(index)}


class ToyData(LightningDataModule):
    """Eight pictures of noise."""

    def __init__(self, image_size: int = 8, batch_size: int = 2, missing: bool = False) -> None:
        super().__init__()
        self.image_size, self.batch_size, self.missing = image_size, batch_size, missing

    def setup(self, stage: str) -> None:
        if self.missing:
            raise DataError("There are no pictures in nowhere. Put some there.")

    def names(self, split: str) -> list[str]:
        return [f"{split}/{i}.jpg" for i in range(8)]

    def _loader(self) -> DataLoader:
        return DataLoader(Pictures(self.image_size), batch_size=self.batch_size)

    def train_dataloader(self) -> DataLoader:
        return self._loader()

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader


class OtherData(ToyData):
    """The same pictures from a place of one's own."""

    def __init__(self, images: str, image_size: int = 8, batch_size: int = 2) -> None:
        super().__init__(image_size, batch_size)
        self.images = images


class FixedData(ToyData):
    """A data module of somebody's that has one image size."""

    def __init__(self, batch_size: int = 2) -> None:
        super().__init__(16, batch_size)


class DistantLogger(Logger):
    """A logger that keeps no folder, as those of web services."""

    name = "distant"
    version = 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None: ...

    def log_hyperparams(self, *args: object, **kwargs: object) -> None: ...


class CollapsingMethod(Segmenter):
    """Gives everything to one region if the seed is below 2."""

    def __init__(self, width: int = 1) -> None:
        super().__init__(num_regions=2)
        self.save_hyperparameters()
        self.weight = nn.Parameter(torch.ones(width))

    def segment(self, images: Tensor) -> Tensor:
        collapsed = int(os.environ["PL_GLOBAL_SEED"]) < 2
        first = torch.ones_like(images) if collapsed else (torch.arange(images.shape[-1]) % 2).expand_as(images)
        return torch.cat([first, 1 - first], 1)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)
