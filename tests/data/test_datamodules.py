import errno
import itertools
import multiprocessing
import shutil
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from tests.fakes import write_cub, write_flowers, write_folder, write_lfw, write_mnist
from tiae_zoo.data import CUB, LFW, MNIST, Colored2MNIST, DataError, Flowers, Folder

SMALL = {"image_size": 32, "batch_size": 4, "num_workers": 0}
OWN = {"images": "folder/images", "masks": "folder/masks"}
MODULES = {
    "mnist": lambda **k: MNIST(**SMALL | k),
    "digits": lambda **k: MNIST(**SMALL | {"source": "digits"} | k),
    "colored": lambda **k: Colored2MNIST(**SMALL | {"num_train": 16, "num_val": 8, "num_test": 8} | k),
    "lfw": lambda **k: LFW(**SMALL | k),
    "flowers": lambda **k: Flowers(**SMALL | k),
    "flowers official": lambda **k: Flowers(**SMALL | {"protocol": "official"} | k),
    "cub": lambda **k: CUB(**SMALL | k),
    "cub official": lambda **k: CUB(**SMALL | {"protocol": "official"} | k),
    "folder": lambda **k: Folder(**SMALL | OWN | k),
    "folder without masks": lambda **k: Folder(**SMALL | OWN | {"masks": None} | k),
}
LABELLED = {"mnist", "digits", "flowers", "flowers official", "cub", "cub official"}
MASKED = set(MODULES) - {"mnist", "digits", "folder without masks"}


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
        assert set(batch) == expected
        size = len(batch["index"])
        assert batch["image"].shape == (size, data.channels, 32, 32)
        assert batch["image"].dtype == torch.float32
        assert 0 <= batch["image"].min() < batch["image"].max() <= 1
        assert batch["index"].dtype == torch.int64
        assert type(batch["image"]) is torch.Tensor
        if "mask" in batch:
            assert batch["mask"].shape == (size, 32, 32)
            assert batch["mask"].dtype == torch.int64
            assert set(batch["mask"].unique().tolist()) == set(range(data.num_classes))
        if "label" in batch:
            assert batch["label"].shape == (size,)
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
        assert indices.tolist() == list(range(len(names)))
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


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_give_what_the_main_process_gives(method):
    for kind in ("cub", "colored"):
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


def test_faces_have_the_lists_splits_and_masks_of_hair_and_face():
    data = MODULES["lfw"]()
    assert [len(data.names(split)) for split in ("train", "val", "test")] == [24, 6, 6]
    assert data.names("val")[0] == "Person_012_0001"
    sample = data.dataset("val")[0]
    bright = sample["image"].mean(0) > 0.45
    assert (bright == (sample["mask"] == 1)).float().mean() > 0.95


def test_flower_protocols_swap_training_and_test():
    redo, official = MODULES["flowers"](), MODULES["flowers official"]()
    assert redo.names("train") == official.names("test")
    assert redo.names("test") == official.names("train")
    assert redo.names("val") == official.names("val")


def test_bird_protocols_follow_their_lists():
    redo, official = MODULES["cub"](), MODULES["cub official"]()
    assert [len(redo.names(split)) for split in ("train", "val", "test")] == [24, 6, 6]
    # every other bird is an official training bird, every tenth of those is held out
    assert [len(official.names(split)) for split in ("train", "val", "test")] == [17, 1, 18]


@pytest.mark.parametrize("source", ["mnist", "digits"])
def test_digits_lie_in_the_middle_box(source):
    images = torch.stack([sample["image"] for sample in MNIST(source=source, **SMALL).dataset("test")])
    assert images.shape[1:] == (1, 32, 32)
    heat = images.amax((0, 1))
    assert heat[6:26, 6:26].max() > 0.9
    assert heat[:2].max() == heat[-2:].max() == heat[:, :2].max() == 0
    if source == "digits":
        assert heat[:6].max() == heat[:, 26:].max() == 0


def test_digits_scale_with_the_image_size():
    small, large = (
        MNIST(**SMALL | {"image_size": size, "resize": "nearest"}).dataset("val")[0]["image"] for size in (32, 64)
    )
    assert torch.equal(large, small.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_damaged_images_are_named_counted_and_left_out(tmp_path):
    folder = write_lfw(tmp_path)
    for name in ("Person_000/Person_000_0001", "Person_001/Person_001_0002"):
        (folder / "lfw_funneled" / f"{name}.jpg").write_bytes(b"damaged")
    for _ in range(2):  # at the first decoding, and from the cache
        data = LFW(root=str(tmp_path), **SMALL)
        with pytest.warns(
            UserWarning, match=r"2 of 24 images of lfw/train are damaged.*Person_000_0001 \(.*Person_001_0002"
        ):
            data.setup("fit")
        assert len(data.names("train")) == 22
        assert "Person_000_0001" not in data.names("train")


def test_images_the_system_refuses_once_are_there_the_next_time(tmp_path, monkeypatch):
    write_lfw(tmp_path)
    opened = Image.open

    def refuse(path, *args, **kwargs):
        if path.name == "Person_001_0002.jpg":
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", refuse)
        with pytest.raises(DataError, match=r"Person_001_0002\.jpg cannot be read \(Too many open files\)"):
            LFW(root=str(tmp_path), **SMALL).names("train")
    assert len(LFW(root=str(tmp_path), **SMALL).names("train")) == 24


def test_listed_but_absent_images_are_counted(tmp_path):
    folder = write_cub(tmp_path)
    shutil.rmtree(folder / "CUB_200_2011" / "images" / "002.Bird_2")
    data = CUB(root=str(tmp_path), **SMALL)
    with pytest.warns(UserWarning, match=r"12 of 24 images of cub/train are not there: Bird_2_0002_1002"):
        assert len(data.names("train")) == 12
    shutil.rmtree(folder / "CUB_200_2011" / "images" / "001.Bird_1")
    with pytest.raises(DataError, match=r"None of the 24 images of cub/train is there.*CUB_200_2011\.tgz \(sha256"):
        CUB(root=str(tmp_path), **SMALL).names("train")


def test_without_masks_fitting_fails_at_once_and_says_the_ways_on(tmp_path):
    folder = write_cub(tmp_path)
    shutil.rmtree(folder / "CUB_200_2011" / "segmentations")
    for stage in ("fit", "validate", "test"):
        data = CUB(root=str(tmp_path), **SMALL)
        with pytest.raises(DataError) as caught:
            data.setup(stage)
        message = str(caught.value)
        for part in (
            "bird masks",
            str(folder),
            "segmentations.tgz",
            "--data.download true",
            "--data.with_masks false --config configs/presets/unlabelled.yaml.",
        ):
            assert part in message
    data = CUB(root=str(tmp_path), **SMALL)
    data.setup("predict")
    assert set(data.dataset("predict")[0]) == {"image", "label", "index"}
    data = CUB(root=str(tmp_path), with_masks=False, **SMALL)
    data.setup()
    assert all("mask" not in data.dataset(split)[0] for split in ("train", "val", "test"))


def test_masks_that_cannot_be_downloaded_leave_the_way_without_them(tmp_path):
    (write_lfw(tmp_path) / "parts_lfw_funneled_gt_images.tgz").unlink()
    with pytest.raises(DataError, match=r"LFW part labels.*no longer be downloaded.*--data\.with_masks false --config"):
        LFW(root=str(tmp_path), download=True, **SMALL).prepare_data()
    data = LFW(root=str(tmp_path), download=True, with_masks=False, **SMALL)
    data.prepare_data()
    data.setup()
    assert "mask" not in data.dataset("test")[0]


def test_partly_masked_flowers_are_scored_on_what_has_masks(tmp_path):
    folder = write_flowers(tmp_path)
    masks = sorted((folder / "segmim").iterdir())
    keep = {f"segmim{MODULES['flowers'](root=str(tmp_path)).names('val')[0].removeprefix('image')}.jpg"}
    for path in masks[::2]:
        if path.name not in keep:
            path.unlink()
    data = Flowers(root=str(tmp_path), **SMALL)
    with pytest.warns(UserWarning, match=r"of 6 images of flowers/val have no mask and are left out: image_"):
        data.setup("fit")
    assert 0 < len(data.names("val")) < 6
    assert len(data.names("train")) == 24
    assert "mask" not in data.dataset("train")[0]
    for path in masks:
        path.unlink(missing_ok=True)
    with pytest.raises(
        DataError, match=r"None of the 6 images of flowers/val has a mask.*segmim_\d+\.jpg.*102segmentations"
    ):
        Flowers(root=str(tmp_path), **SMALL).setup("fit")


@pytest.mark.parametrize("kind", ["mnist", "lfw", "flowers", "cub"])
def test_empty_root_names_the_file_and_both_ways(kind, tmp_path):
    with pytest.raises(DataError) as caught:
        MODULES[kind](root=str(tmp_path)).setup("fit")
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "--data.download true" in message
    assert "by hand" in message
    assert "https://" in message


def test_cut_off_idx_file_is_told(tmp_path):
    raw = write_mnist(tmp_path) / "MNIST" / "raw"
    path = raw / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        MNIST(root=str(tmp_path)).setup("fit")


def test_damaged_split_files_are_told(tmp_path):
    folder = write_flowers(tmp_path)
    (folder / "setid.mat").write_bytes(b"not a matlab file")
    with pytest.raises(DataError, match=r"setid\.mat cannot be read"):
        Flowers(root=str(tmp_path)).setup("fit")
    folder = write_lfw(tmp_path)
    (folder / "val.txt").write_text("<html>\n404 Not Found here\n")
    with pytest.raises(DataError, match=r"val\.txt has a line"):
        LFW(root=str(tmp_path)).setup("fit")


def test_fewer_images_than_a_batch_is_told():
    with pytest.raises(DataError, match=r"24 images, fewer than one batch of 25.*--data\.batch_size"):
        LFW(image_size=32, batch_size=25).setup("fit")
    data = LFW(image_size=32, batch_size=13)
    data.trainer = SimpleNamespace(world_size=2)
    with pytest.raises(DataError, match="one batch of 13 for each of 2 processes"):
        data.setup("fit")


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: CUB(protocol="offical"), "'official'"),
        (lambda: LFW(resize="nearist"), "'nearest'"),
        (lambda: MNIST(source="digit"), "'digits'"),
        (lambda: MNIST().dataset("validation"), "'val'"),
        (lambda: LFW(image_size=0), "image_size=0"),
        (lambda: Folder("x", val_fraction=0.6, test_fraction=0.5), "sum below 1"),
        (lambda: Folder("x", num_classes=3), "mask_rule='index'"),
    ],
)
def test_impossible_arguments_are_refused_with_a_hint(make, hint):
    with pytest.raises(DataError, match=hint):
        make()


def test_own_folder_splits_every_picture_once_and_the_same_way():
    first, again, other = Folder(**OWN, **SMALL), Folder(**OWN, **SMALL), Folder(seed=1, **OWN, **SMALL)
    splits = [first.names(split) for split in ("train", "val", "test")]
    assert [len(names) for names in splits] == [20, 2, 2]
    assert sorted(itertools.chain(*splits)) == first.names("predict")
    assert first.names("val") == again.names("val") != other.names("val")
    assert "trip/picture_000.jpg" in first.names("predict")


def test_own_folder_relative_to_working_directory_or_root(fake_data, tmp_path, monkeypatch):
    monkeypatch.chdir(fake_data / "folder")
    assert len(Folder("images", root=str(tmp_path), **SMALL).names("predict")) == 24
    with pytest.raises(DataError, match=r"no folder .*elsewhere or .*elsewhere.*--data\.images"):
        Folder("elsewhere", root=str(tmp_path), **SMALL).names("predict")


def test_few_masks_are_kept_for_scoring(tmp_path):
    folder = write_folder(tmp_path)
    for path in sorted((folder / "masks").rglob("*.png"))[3:]:
        path.unlink()
    data = Folder(**OWN, root=str(tmp_path), **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.setup()
    assert {len(data.names("val")), len(data.names("test"))} == {1, 2}
    assert all("mask" in data.dataset(split)[0] for split in ("val", "test"))
    assert len(data.names("train")) == 21
    assert "mask" not in data.dataset("train")[0]


def keep(paths, count):
    for path in sorted(paths)[count:]:
        path.unlink()


@pytest.mark.parametrize(("count", "words"), [(1, "1 picture,"), (2, "2 pictures,")])
def test_too_few_pictures_for_three_splits_are_told(count, words, tmp_path):
    keep((write_folder(tmp_path) / "images").rglob("*.*"), count)
    data = Folder("folder/images", root=str(tmp_path), **SMALL)
    with pytest.raises(DataError, match=rf"folder/images has {words} .* at least 3\. Add some, or"):
        data.setup("fit")
    assert len(data.names("predict")) == count


@pytest.mark.parametrize("fractions", [(0.1, 0.1), (0.5, 0.49), (0.01, 0.98), (0.9, 0.05)])
@pytest.mark.parametrize(("pictures", "masks"), [(3, None), (3, 3), (24, 2), (24, 24)])
def test_no_split_of_few_pictures_is_empty(pictures, masks, fractions, tmp_path):
    folder = write_folder(tmp_path)
    keep((folder / "images").rglob("*.*"), pictures)
    keep((folder / "masks").rglob("*.png"), masks or 0)
    own = OWN if masks else {"images": OWN["images"]}
    data = Folder(**own, root=str(tmp_path), val_fraction=fractions[0], test_fraction=fractions[1], **SMALL)
    sizes = [len(data.names(split)) for split in ("train", "val", "test")]
    assert min(sizes) > 0
    assert sum(sizes) == pictures


def test_a_single_mask_cannot_score_two_splits(tmp_path):
    keep((write_folder(tmp_path) / "masks").rglob("*.png"), 1)
    with pytest.raises(
        DataError,
        match=r"masks has 1 mask for the 24 pictures.*at least 2\. .*--config configs/presets/unlabelled\.yaml",
    ):
        Folder(**OWN, root=str(tmp_path), **SMALL).setup("fit")


def test_lists_without_images_are_told(tmp_path):
    (write_lfw(tmp_path) / "val.txt").write_text("\n")
    with pytest.raises(DataError, match="name no image for lfw/val"):
        LFW(root=str(tmp_path), **SMALL).setup("fit")


def test_masks_that_match_no_picture_are_told(tmp_path):
    folder = write_folder(tmp_path)
    for path in (folder / "masks").rglob("*.png"):
        path.rename(path.with_name(f"mask_{path.name}"))
    with pytest.raises(
        DataError, match=r"None of the 24 pictures .* has a mask in .*picture_\d+\.png.*unlabelled\.yaml"
    ):
        Folder(**OWN, root=str(tmp_path), **SMALL).setup("fit")


def test_masks_within_the_pictures_folder_are_no_pictures(tmp_path):
    folder = write_folder(tmp_path)
    shutil.move(folder / "masks", folder / "images" / "masks")
    data = Folder("folder/images", "folder/images/masks", root=str(tmp_path), **SMALL)
    assert len(data.names("predict")) == 24
    assert "mask" in data.dataset("predict")[0]


def test_folders_split_already(tmp_path):
    source = write_folder(tmp_path)
    for split in ("train", "val"):
        shutil.copytree(source, tmp_path / "own" / split)
    data = Folder("own/{split}/images", "own/{split}/masks", root=str(tmp_path), **SMALL)
    data.setup("fit")
    assert [len(data.names(split)) for split in ("train", "val")] == [24, 24]
    with pytest.raises(DataError, match=r"no folder .*test"):
        data.setup("test")


def test_ignored_and_indexed_masks(tmp_path):
    folder = write_folder(tmp_path)
    for path in (folder / "masks").rglob("*.png"):
        mask = np.asarray(Image.open(path)).copy()
        mask[:8] = 128
        Image.fromarray(mask).save(path)
    judged = Folder(**OWN, root=str(tmp_path), ignore_value=128, **SMALL).dataset("val")[0]["mask"]
    assert set(judged.unique().tolist()) == {0, 1, 255}
    for path in (folder / "masks").rglob("*.png"):
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.where(mask == 255, 2, mask // 128).astype(np.uint8)).save(path)
    indexed = Folder(**OWN, root=str(tmp_path), mask_rule="index", num_classes=3, **SMALL)
    assert set(indexed.dataset("val")[0]["mask"].unique().tolist()) == {0, 1, 2}
    with pytest.raises(DataError, match="num_classes"):
        Folder(**OWN, root=str(tmp_path), mask_rule="index", **SMALL).setup("fit")


def rewrite_masks(folder, change):
    for path in folder.rglob("*.png"):
        Image.fromarray(change(np.asarray(Image.open(path)))).save(path)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda mask: mask // 255, "background alone"),  # region numbers
        (lambda mask: np.dstack([mask * 0, mask * 0, mask * 0, mask]), "background alone"),  # drawn in transparency
        (lambda mask: np.dstack([mask * 0 + 255] * 3 + [mask]), "no background"),
        (lambda mask: mask * 0 + 128, "nothing that is judged"),
    ],
)
def test_masks_read_by_a_wrong_rule_are_refused_and_not_kept(change, shown, tmp_path, own_cache):
    rewrite_masks(write_folder(tmp_path) / "masks", change)
    for _ in range(2):
        with pytest.raises(DataError, match=rf"All masks of folder/val show {shown}.* --data\.mask_rule index"):
            Folder(**OWN, root=str(tmp_path), ignore_value=128, **SMALL).setup("fit")
    assert not [path for path in own_cache.iterdir() if path.is_dir()]


def test_masks_of_region_numbers_are_read_as_the_error_says(tmp_path):
    rewrite_masks(write_folder(tmp_path) / "masks", lambda mask: mask // 255)
    mask = Folder(**OWN, root=str(tmp_path), mask_rule="index", **SMALL).dataset("val")[0]["mask"]
    assert mask.unique().tolist() == [0, 1]


def test_official_masks_without_foreground_are_refused(tmp_path):
    rewrite_masks(write_cub(tmp_path) / "CUB_200_2011" / "segmentations", lambda mask: mask * 0)
    with pytest.raises(DataError, match=r"All masks of cub/val show background alone.*fetch them again"):
        CUB(root=str(tmp_path), **SMALL).setup("fit")


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
