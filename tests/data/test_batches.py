"""What all data modules have in common: batches, loaders, workers, transforms."""

import itertools
import multiprocessing

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from tests.data.modules import MODULES, SMALL
from tiae_zoo.data import CUB, LFW, MNIST

LABELLED = {
    "mnist",
    "digits",
    "digits on noise",
    "cluttered",
    "distorted",
    "sequences",
    "flowers",
    "flowers official",
    "cub",
    "cub official",
}
MASKED = {kind for kind in MODULES if kind.startswith(("colored", "flowers", "cub", "lfw", "folder"))}
MASKED -= {"folder without masks", "folder on photos", "lfw parts"}
BACKED = {"digits on noise", "folder on photos"}


@pytest.fixture(params=MODULES)
def kind(request):
    return request.param


def loaders(data):
    return {"train": data.train_dataloader(), "val": data.val_dataloader(), "test": data.test_dataloader()}


def test_batches_keep_the_contract(kind):
    data = MODULES[kind]()
    data.setup()
    for split, loader in loaders(data).items():
        batch = next(iter(loader))
        expected = {"image", "index"}
        expected |= {"label"} if kind in LABELLED else set()
        expected |= {"mask"} if kind in MASKED and (kind, split) != ("lfw", "train") else set()
        expected |= {"background"} if kind in BACKED else set()
        assert set(batch) == expected
        size = len(batch["index"])
        assert batch["image"].shape == (size, data.channels, data.image_size, data.image_size)
        assert batch["image"].dtype == torch.float32
        assert 0 <= batch["image"].min() < batch["image"].max() <= 1
        assert batch["index"].dtype == torch.int64
        assert type(batch["image"]) is torch.Tensor
        if "mask" in batch:
            assert batch["mask"].shape == (size, data.image_size, data.image_size)
            assert batch["mask"].dtype == torch.int64
            assert set(batch["mask"].unique().tolist()) == set(range(data.num_classes))
        if "background" in batch:
            assert batch["background"].shape == batch["image"].shape
            assert batch["background"].dtype == torch.float32
            assert 0 <= batch["background"].min() < batch["background"].max() <= 1
        if "label" in batch:
            assert batch["label"].shape == ((size, 3) if kind == "sequences" else (size,))
            assert batch["label"].dtype == torch.int64
            assert batch["label"].min() >= 0


def test_scored_says_whether_validation_and_test_carry_masks(kind):
    data = MODULES[kind]()
    assert data.scored == ("mask" in data.dataset("val")[0]) == ("mask" in data.dataset("test")[0])


def test_index_is_the_position_and_names_belong_to_it(kind):
    data = MODULES[kind]()
    for split in ("val", "test", "predict"):
        data.setup({"val": "validate"}.get(split, split))
        loader = {"val": data.val_dataloader, "test": data.test_dataloader, "predict": data.predict_dataloader}[split]
        indices = torch.cat([batch["index"] for batch in loader()])
        names = data.names(split)
        # squares of one picture follow one another
        assert indices.unique_consecutive().tolist() == list(range(len(names)))
        assert len(set(names)) == len(names)
    everything = [data.names(split) for split in ("train", "val", "test")]
    assert not any(set(a) & set(b) for a, b in itertools.combinations(everything, 2))


def test_training_is_shuffled_and_whole_batches_only(kind):
    data = MODULES[kind](batch_size=3)
    data.setup("fit")
    loader = data.train_dataloader()
    first, second = ([batch["index"].tolist() for batch in loader] for _ in range(2))
    assert all(len(batch) == 3 for batch in first)
    assert len(first) == len(data.names("train")) // 3
    assert first != second


def test_construction_touches_nothing(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("TIAE_ZOO_CACHE", str(tmp_path / "cache"))
    MODULES[kind](root=str(tmp_path / "nowhere"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("method", "kinds"),
    [("fork", ["cub", "colored", "digits on noise", "folder on photos"]), ("spawn", ["colored", "folder on photos"])],
)
def test_workers_give_what_the_main_process_gives(method, kinds):
    for kind in kinds:
        dataset = MODULES[kind]().dataset("val")
        alone = list(DataLoader(dataset, 4))
        workers = list(DataLoader(dataset, 4, num_workers=1, multiprocessing_context=method))
        assert len(alone) == len(workers)
        for a, b in zip(alone, workers, strict=True):
            assert set(a) == set(b)
            assert all(torch.equal(a[key], b[key]) for key in a)


def set_up(start, counts):
    data = MODULES["lfw"]()
    start.wait()
    data.setup("fit")
    counts.put((len(data.names("train")), len(data.names("val"))))


def test_ranks_that_start_together_share_one_cache(own_cache):
    context = multiprocessing.get_context("fork")
    start, counts = context.Event(), context.Queue()
    ranks = [context.Process(target=set_up, args=(start, counts)) for _ in range(3)]
    for rank in ranks:
        rank.start()
    start.set()
    assert [counts.get(timeout=60) for _ in ranks] == [(24, 6)] * 3
    for rank in ranks:
        rank.join()
    assert len([path for path in own_cache.iterdir() if path.name.startswith("lfw-") and path.is_dir()]) == 2


def test_images_and_masks_move_together():
    """Foreground is bright in the fakes: wherever a random transform puts it, its mask must follow."""
    moves = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(30, translate=(0.2, 0.2)),
            v2.RandomResizedCrop(32, scale=(0.5, 1.0)),
            v2.ElasticTransform(20.0),
        ]
    )
    data = CUB(transform=moves, **SMALL)
    data.setup("fit")
    plain = CUB(**SMALL).dataset("train")
    moved = 0
    for batch in itertools.chain(*(data.train_dataloader() for _ in range(3))):
        for image, mask, index in zip(batch["image"], batch["mask"], batch["index"], strict=True):
            bright = image.mean(0) > 0.45
            assert (bright == (mask == 1)).float().mean() > 0.9
            moved += not torch.equal(image, plain[int(index)]["image"])
    assert moved > 60
    untouched = CUB(**SMALL).dataset("val")
    assert torch.equal(next(iter(data.val_dataloader()))["image"][0], untouched[0]["image"])


def test_transform_is_drawn_for_each_sample():
    data = MNIST(transform=v2.RandomHorizontalFlip(), **SMALL | {"batch_size": 64})
    data.setup("fit")
    plain = MNIST(**SMALL).dataset("train")
    batch = next(iter(data.train_dataloader()))
    flipped = [
        not torch.equal(image, plain[int(i)]["image"]) for image, i in zip(batch["image"], batch["index"], strict=True)
    ]
    assert 10 < sum(flipped) < 54


class Watcher(LightningModule):
    """Looks at every batch of every stage."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {"train": 0, "val": 0, "test": 0}

    def training_step(self, batch):
        self.seen["train"] += len(batch["image"])
        return (batch["image"].mean() - self.weight) ** 2

    def validation_step(self, batch):
        self.seen["val"] += len(batch["mask"])

    def test_step(self, batch):
        self.seen["test"] += len(batch["mask"])

    def predict_step(self, batch):
        return batch["index"]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_trainer_runs_all_stages(tmp_path):
    data = LFW(**SMALL | {"num_workers": 1})
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )
    watcher = Watcher()
    trainer.fit(watcher, datamodule=data)
    trainer.test(watcher, datamodule=data, verbose=False)
    predicted = trainer.predict(watcher, datamodule=data)
    assert watcher.seen == {"train": 24, "val": 6, "test": 6}
    assert torch.cat(predicted).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("workers", [0, 1])
def test_validation_leaves_the_random_numbers_of_the_training_alone(workers: int) -> None:
    data = MNIST(**SMALL | {"num_workers": workers})
    data.prepare_data()
    data.setup("fit")
    loader = data.val_dataloader()
    before = torch.get_rng_state()
    for _ in range(2):
        next(iter(loader))
    assert torch.equal(torch.get_rng_state(), before)
