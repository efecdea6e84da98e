"""The smallest modules and data that a real Trainer runs, for the tests of the callbacks."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, Dataset


class Squares(Dataset):
    """Grey images 8 x 8, the n-th one filled with n / count."""

    def __init__(self, count=10):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return {"image": torch.full((1, 8, 8), index / self.count), "index": torch.tensor(index), "label": index % 3}


class Patterns(Dataset):
    """Patterns 4 x 4 of three classes with some noise, in order: a pure function of seed and index."""

    def __init__(self, count, seed, labelled=True):
        self.count, self.seed, self.labelled = count, seed, labelled

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        noise = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(1000 * self.seed + index))
        noise[:, :, index % 3] += 0.4
        return {"image": noise.clamp(max=1), "index": index} | ({"label": index % 3} if self.labelled else {})


class PatternData(LightningDataModule):
    """The datasets and loaders of the zoo's data modules."""

    def __init__(self, batch_size=8, labelled=True, train=60, test=30):
        super().__init__()
        self.batch_size, self.labelled = batch_size, labelled
        self.counts = {"train": train, "val": test, "test": test}

    def dataset(self, split):
        return Patterns(self.counts[split], seed=list(self.counts).index(split), labelled=self.labelled)

    def train_dataloader(self):
        return DataLoader(self.dataset("train"), batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.dataset("val"), batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.dataset("test"), batch_size=self.batch_size)


class Plain(LightningModule):
    """Trains one number and shows nothing."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch):
        loss = (self.weight - torch.rand(())).square() + 0 * batch["image"].mean()
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        pass

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def loader(self, count=10):
        return DataLoader(Squares(count), batch_size=3)

    train_dataloader = val_dataloader = test_dataloader = loader


class Shown(Plain):
    """Offers a gallery, and remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def gallery(self, batch):
        noise = torch.rand_like(batch["image"])
        self.asked.append({"images": batch["image"][:, 0, 0, 0].tolist(), "noise": noise, "training": self.training})
        return {"input": batch["image"], "mask": batch["image"].round(), "drawn": noise.expand(-1, 3, -1, -1)}


class Gains:
    """A transform family: brightness times theta."""

    def sample(self, images, generator=None):
        theta = 0.5 + torch.rand(len(images), 1, generator=generator)
        return images * theta.view(-1, 1, 1, 1), theta


class Described(Plain):
    """Offers descriptors: `invariant` ones ignore the brightness of a pattern."""

    def __init__(self, invariant=False):
        super().__init__()
        self.family = Gains()
        self.invariant = invariant
        self.encoded = 0

    def encode(self, images):
        self.encoded += 1
        flat = images.flatten(1)[:, :5] + 0.01 * torch.arange(5)
        return flat / flat.norm(dim=1, keepdim=True) if self.invariant else flat


def trainer(folder, *callbacks, **options):
    settings = {"max_epochs": 1, "num_sanity_val_steps": 0} | options
    return Trainer(
        accelerator="cpu",
        logger=CSVLogger(folder, name="run", version="fit_0"),
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **settings,
    )


def pictures(folder):
    return sorted(path.name for path in (folder / "run" / "fit_0" / "pictures").glob("*"))
