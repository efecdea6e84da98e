"""The descriptor map in real test runs."""

import csv
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.offsetbox import OffsetImage
from matplotlib.text import Text
from PIL import Image
from tiny_methods import Described, Plain, Shown, pictures, trainer
from torch.utils.data import DataLoader

from tiae_zoo.callbacks import DescriptorMap
from tiae_zoo.callbacks.descriptor_map import descriptor_figure, image_colours, principal_plane
from tiae_zoo.invariance import Background, Blur, Composition, Rotation, Scale, Shift


def rows(folder):
    with (folder / "run" / "fit_0" / "pictures" / "descriptor_map.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_picture_and_a_table(tmp_path):
    trainer(tmp_path, DescriptorMap(num_images=5, num_transforms=4)).test(Described())
    assert pictures(tmp_path) == ["descriptor_map.csv", "descriptor_map.png"]
    Image.open(tmp_path / "run" / "fit_0" / "pictures" / "descriptor_map.png").verify()
    table = rows(tmp_path)
    assert [(int(row["image"]), int(row["label"]), int(row["transform"])) for row in table] == [
        (image, image % 3, transform) for image in range(5) for transform in range(4)
    ]


def test_an_invariant_descriptor_gives_tighter_clusters(tmp_path):
    spread = {}
    for invariant in (False, True):
        trainer(tmp_path / str(invariant), DescriptorMap(num_images=8)).test(Described(invariant))
        points = np.array([[float(row["x"]), float(row["y"])] for row in rows(tmp_path / str(invariant))])
        clusters = points.reshape(8, 32, 2)
        spread[invariant] = clusters.var(1).sum() / clusters.mean(1).var(0).sum()
    assert spread[True] < 0.2 * spread[False]


@pytest.mark.parametrize(
    "family",
    [
        Shift(2),
        Rotation(),
        Blur(),
        Background(torch.rand(3, 2, 8, 8)),
        Composition([Scale(), Shift(2), Background(torch.rand(3, 2, 8, 8))]),
    ],
    ids=lambda family: type(family).__name__,
)
def test_masks_and_any_family_of_transforms(tmp_path, family):
    class Masks(Described):
        def encode(self, images):
            return images.flatten(1)

        def test_dataloader(self):
            images = torch.rand(6, 2, 8, 8, generator=torch.Generator().manual_seed(0)).round()
            return DataLoader([{"image": image} for image in images], batch_size=4)

    model = Masks()
    model.family = family
    trainer(tmp_path, DescriptorMap(num_images=5, num_transforms=4)).test(model)
    table = rows(tmp_path)
    assert len({(row["x"], row["y"]) for row in table}) > 5
    assert [row["label"] for row in table] == [""] * 20


def test_the_same_run_gives_the_same_map_and_another_seed_another(tmp_path):
    tables = []
    for number, seed in enumerate((0, 0, 1)):
        trainer(tmp_path / str(number), DescriptorMap(seed=seed)).test(Described())
        tables.append(rows(tmp_path / str(number)))
    assert tables[0] == tables[1] != tables[2]


def test_training_and_validation_cost_nothing(tmp_path):
    model = Described()
    run = trainer(tmp_path, DescriptorMap())
    run.fit(model)
    run.validate(model)
    assert model.encoded == 0
    assert pictures(tmp_path) == []


def test_nothing_is_overwritten(tmp_path):
    for _ in range(2):
        trainer(tmp_path, DescriptorMap()).test(Described())
    assert pictures(tmp_path) == [
        "descriptor_map.csv",
        "descriptor_map.png",
        "descriptor_map_2.csv",
        "descriptor_map_2.png",
    ]


@pytest.mark.parametrize("module", [Plain, Shown])
def test_a_module_without_descriptors_is_told_once(tmp_path, module):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(tmp_path, DescriptorMap()).test(module())
    assert sum("DescriptorMap draws nothing" in str(warning.message) for warning in caught) == 1
    assert pictures(tmp_path) == []


def test_a_debugging_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer(tmp_path, DescriptorMap(), fast_dev_run=True).test(Described())
    assert not list(tmp_path.rglob("descriptor_map*"))


def test_descriptors_of_a_wrong_shape_are_named(tmp_path):
    class Maps(Described):
        def encode(self, images):
            return images

    with pytest.raises(ValueError, match="one descriptor"):
        trainer(tmp_path, DescriptorMap()).test(Maps())


@pytest.mark.parametrize("numbers", [{"num_images": 0}, {"num_transforms": 0}])
def test_impossible_numbers(numbers):
    with pytest.raises(ValueError, match="at least 1"):
        DescriptorMap(**numbers)


def test_the_plane_holds_the_most_variance():
    descriptors = torch.randn(6, 5, 7, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 8)
    points, shares = principal_plane(descriptors)
    flat = descriptors.flatten(0, 1).double().numpy()
    variances, axes = np.linalg.eigh(np.cov(flat.T))  # ascending
    expected = (flat - flat.mean(0)) @ axes[:, [-1, -2]]
    assert np.allclose(np.abs(points.reshape(-1, 2)), np.abs(expected), atol=1e-5)
    assert np.allclose(shares, variances[[-1, -2]] / variances.sum())


@pytest.mark.parametrize("shape", [(4, 3, 1), (1, 1, 5), (2, 3, 2)])
def test_few_dimensions_and_equal_descriptors(shape):
    for descriptors in (torch.rand(shape), torch.ones(shape)):
        points, shares = principal_plane(descriptors)
        assert points.shape == (*shape[:2], 2)
        assert np.isfinite(points).all()
        assert shares.sum() == pytest.approx(1) or shares.sum() == pytest.approx(0)


@pytest.mark.parametrize(
    ("count", "channels", "size"), [(1, 1, 32), (12, 2, 32), (12, 3, 128), (40, 3, 64), (3, 3, 500)]
)
def test_text_of_the_figure_is_whole_and_apart(tmp_path, count, channels, size):
    points = np.random.default_rng(0).normal(size=(count, 8, 2)) * 1000
    figure = descriptor_figure(torch.rand(count, channels, size, size), points, np.array([0.6, 0.2]), 0.0261)
    figure.savefig(tmp_path / "map.png", bbox_inches="tight", pad_inches=0.16)
    page = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"))
    assert (page[:12] == 255).all()
    assert (page[-12:] == 255).all()
    assert (page[:, :12] == 255).all()
    assert (page[:, -12:] == 255).all()

    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if len(text.get_text()) > len("-1000")]  # but for the ticks
    assert len(texts) == 4
    boxes = [artist.get_window_extent() for artist in (*texts, *figure.findobj(OffsetImage))]
    assert not any(box.overlaps(other) for number, box in enumerate(boxes) for other in boxes[:number])


def test_drawing_leaves_no_figure_open():
    before = plt.get_fignums()
    descriptor_figure(torch.rand(2, 1, 8, 8), np.zeros((2, 3, 2)), np.zeros(2), 0.0)
    assert plt.get_fignums() == before


@pytest.mark.parametrize("count", [1, 2, 10, 20, 21, 40])
def test_every_image_has_a_colour_of_its_own(count):
    assert len(set(image_colours(count))) == count
