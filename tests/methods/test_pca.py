"""The PCA baseline against scikit-learn on the same images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA as ExactPCA  # noqa: N811
from torch import Tensor
from torch.utils.data import DataLoader

from tests.quiet import quiet_trainer
from tiae_zoo.invariance import Shift
from tiae_zoo.methods import PCA

COMPONENTS = 5


def digits() -> Tensor:
    return torch.tensor(load_digits().images[:200]).float().unsqueeze(1) / 16


@pytest.fixture(scope="module")
def fitted() -> PCA:
    method = PCA(family=Shift(0), image_size=8, dim_descriptor=COMPONENTS)
    quiet_trainer().fit(method, DataLoader([{"image": image} for image in digits()], 50))
    return method


def test_restores_as_well_as_the_exact_components(fitted: PCA) -> None:
    images = digits()
    exact = ExactPCA(COMPONENTS).fit(images.flatten(1).numpy())
    restored = exact.inverse_transform(exact.transform(images.flatten(1).numpy()))
    best = (images.flatten(1) - torch.tensor(restored)).square().mean()
    ours = (images - fitted(images)).square().mean()
    assert best * 0.999 <= ours < 1.05 * best  # incremental: a little worse than all at once


def test_descriptors_are_centred_coordinates(fitted: PCA) -> None:
    descriptors = fitted.encode(digits())
    assert descriptors.shape == (200, COMPONENTS)
    torch.testing.assert_close(descriptors.mean(0), torch.zeros(COMPONENTS), rtol=0, atol=1e-4)


def test_a_checkpoint_keeps_the_components(fitted: PCA, tmp_path: Path) -> None:
    fitted.trainer.save_checkpoint(tmp_path / "pca.ckpt")
    loaded = PCA.load_from_checkpoint(tmp_path / "pca.ckpt", weights_only=True)
    for name, value in fitted.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    torch.testing.assert_close(loaded(digits()), fitted(digits()))  # sums may be rounded in another way
    assert loaded.family == Shift(0)


def test_what_it_cannot_learn_from_is_refused(fitted: PCA, tmp_path: Path) -> None:
    few = DataLoader([{"image": image} for image in digits()[:8]], COMPONENTS - 1)
    with pytest.raises(MisconfigurationException, match="components, 5, and gets 4"):
        quiet_trainer().fit(PCA(image_size=8, dim_descriptor=COMPONENTS), few)
    fitted.trainer.save_checkpoint(tmp_path / "pca.ckpt")
    with pytest.raises(MisconfigurationException, match="Leave out --ckpt_path"):
        quiet_trainer().fit(fitted, few, ckpt_path=tmp_path / "pca.ckpt")


def test_the_shifts_of_the_family_are_learned() -> None:
    method = PCA(family=Shift(2), image_size=8, dim_descriptor=COMPONENTS)
    quiet_trainer().fit(method, DataLoader([{"image": image} for image in digits()], 50))
    (scores,) = quiet_trainer().test(method, DataLoader([{"image": image} for image in digits()], 50), verbose=False)
    assert scores["test/variance_ratio"] > 0.5  # linear components follow the shift
    assert 0 < scores["test/restoration_error"] < 0.1


def test_its_steps_are_counted_so_that_checkpoints_are_written(tmp_path: Path) -> None:
    keeper = ModelCheckpoint(dirpath=tmp_path, filename="last")
    trainer = quiet_trainer(max_epochs=2, enable_checkpointing=True, callbacks=[keeper])
    trainer.fit(PCA(Shift(2), 8, 1, 3), DataLoader([{"image": image} for image in digits()[:16]], 8))
    assert trainer.global_step == 4
    assert (tmp_path / "last.ckpt").is_file()
