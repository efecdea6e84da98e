"""Which images are kept, how their masks are named, and what a run leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, Logger
from tiny_methods import Plain, pictures, trainer
from torch import Tensor
from torch.utils.data import DataLoader

from tiae_zoo.callbacks import RankedMasks, TrainingCurves, ranked_masks
from tiae_zoo.callbacks import pictures as callbacks_pictures
from tiae_zoo.callbacks.curves import PANELS, curves_figure
from tiae_zoo.callbacks.ranked_masks import Kept, matched_classes
from tiae_zoo.methods import Segmenter
from tiae_zoo.metrics.functional import confusion_matrices


class Halves(Segmenter):
    """Takes what is bright for the object, in the wrong order of regions."""

    def __init__(self) -> None:
        super().__init__(num_regions=2)
        self.weight = torch.nn.Parameter(torch.ones(()))

    def segment(self, images: Tensor) -> Tensor:
        return torch.cat([images, 1 - images], 1)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.log("train/loss", self.weight)
        return self.weight.square()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)

    def loader(self, masks: bool = True) -> DataLoader:
        items = []
        for number in range(8):  # the n-th image has n wrong columns of eight
            truth = torch.zeros(8, 8, dtype=torch.long)
            truth[:4] = 1
            image = truth.float()
            image[:, :number] = 0
            items.append({"image": image[None], "index": number} | ({"mask": truth} if masks else {}))
        return DataLoader(items, 3)

    train_dataloader = val_dataloader = test_dataloader = loader


def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Tensor]]:
    seen: dict[str, dict[str, Tensor]] = {}

    def remember(columns: dict[str, Tensor], path: Path, heading: str) -> None:
        seen[path.name] = columns
        path.touch()

    monkeypatch.setattr(ranked_masks, "save_grid", remember)
    return seen


def test_best_come_first_and_worst_likewise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = drawn(monkeypatch)
    trainer(tmp_path, RankedMasks(num_images=3)).test(Halves())
    assert sorted(seen) == ["test_by_acc.png", "test_by_iou.png"]
    columns = seen["test_by_acc.png"]
    titles = list(columns)
    assert titles[0] == "best by accuracy: 0.88 to 1.00"
    assert titles[6] == "worst by accuracy: 0.56 to 0.69"
    wrong = [int(8 - image[0, 0].sum()) for image in columns[titles[0]]]
    assert wrong == [0, 1, 2]
    assert [int(8 - image[0, 0].sum()) for image in columns[titles[6]]] == [7, 6, 5]
    torch.testing.assert_close(columns["mask (best)"], columns[titles[0]])  # flipped back: bright is the object
    assert len({image.sum().item() for image in columns[titles[3]]}) == 3


def test_a_fit_draws_every_nth_validation_and_the_curves(tmp_path: Path) -> None:
    run = trainer(tmp_path, RankedMasks(2, every_n_validations=2), TrainingCurves(), max_epochs=3)
    run.fit(Halves())
    grids = [f"val_00000{batches}_by_{score}.png" for batches in (3, 9) for score in ("acc", "iou")]
    assert pictures(tmp_path) == sorted(["curves.png", *grids])


@pytest.mark.parametrize("method", [Plain(), Halves()], ids=["no segmenter", "no masks"])
def test_nothing_to_rank_draws_nothing(tmp_path: Path, method: Plain | Halves) -> None:
    loader = method.loader() if isinstance(method, Plain) else method.loader(masks=False)
    trainer(tmp_path, RankedMasks()).test(method, loader)
    assert pictures(tmp_path) == []


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="num_images=0"):
        RankedMasks(0)


def test_images_without_a_score_are_never_kept() -> None:
    kept = Kept(2)
    order = torch.tensor([-torch.inf, 0.2])
    kept.add(order, torch.tensor([torch.nan, 0.2]), {"image": torch.tensor([[1.0], [2.0]])})
    kept.add(torch.tensor([0.1, 0.5]), torch.tensor([0.1, 0.5]), {"image": torch.tensor([[3.0], [4.0]])})
    assert kept.pictures["image"].tolist() == [[4.0], [2.0]]
    assert kept.span() == "0.20 to 0.50"


def test_surplus_regions_have_no_class_and_surplus_classes_no_region() -> None:
    regions = torch.tensor([[[0, 0, 1, 2, 2, 2]]])
    soft = torch.nn.functional.one_hot(regions, 3).movedim(-1, 1).float()
    truth = torch.tensor([[[1, 1, 1, 0, 0, 0]]])
    assert matched_classes(soft, confusion_matrices(soft, truth, 3, 2)).tolist() == [[[1, 1, 255, 0, 0, 0]]]
    truth = torch.tensor([[[0, 0, 1, 3, 3, 2]]])
    assert matched_classes(soft, confusion_matrices(soft, truth, 3, 4)).tolist() == [[[0, 0, 1, 3, 3, 3]]]


class ImageLogger(CSVLogger):
    """A logger that takes images, as wandb's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.taken: list[tuple[str, int]] = []

    def log_image(self, key: str, images: list[str], step: int | None = None) -> None:
        assert all(Path(image).is_file() for image in images)
        assert step is not None
        self.taken.append((key, step))


def test_loggers_that_take_images_get_them(tmp_path: Path) -> None:
    logger: Logger = ImageLogger(tmp_path)
    run = trainer(tmp_path, RankedMasks(2), TrainingCurves())
    run.loggers = [logger]
    run.fit(Halves())
    assert {key for key, _ in logger.taken} == {"pictures/curves", "pictures/val_by_iou", "pictures/val_by_acc"}
    assert {step for _, step in logger.taken} == {3}


def test_tensorboard_gets_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Board(CSVLogger):
        """TensorBoard's logger, without TensorBoard."""

        def __init__(self) -> None:
            super().__init__(tmp_path)
            self.taken: dict[str, tuple[int, ...]] = {}

        @property
        def experiment(self) -> Board:
            return self

        def add_image(self, key: str, pixels: np.ndarray, step: int, dataformats: str) -> None:
            assert (dataformats, step) == ("HWC", 3)
            self.taken[key] = pixels.shape

        def log_metrics(self, *args: object, **kwargs: object) -> None: ...

        def save(self) -> None: ...

    monkeypatch.setattr(callbacks_pictures, "TensorBoardLogger", Board)
    run = trainer(tmp_path, TrainingCurves())
    run.loggers = [board := Board()]
    run.fit(Halves())
    assert board.taken["pictures/curves"][2] == 3


def test_panels_without_a_curve_are_empty() -> None:
    figure = curves_figure({str(number): [(1.0, 0.5), (2.0, 0.4)] for number in range(PANELS + 1)})
    assert [axes.axison for axes in figure.axes] == [True] * (PANELS + 1) + [False] * (PANELS - 1)


def test_curves_go_on_after_resuming(tmp_path: Path) -> None:
    first = TrainingCurves()
    run = trainer(tmp_path, first, max_epochs=1, log_every_n_steps=1)
    run.fit(Halves())
    run.save_checkpoint(tmp_path / "at.ckpt")
    second = TrainingCurves()
    trainer(tmp_path, second, max_epochs=2, log_every_n_steps=1).fit(Halves(), ckpt_path=tmp_path / "at.ckpt")
    assert [batches for batches, _ in second.state_dict()["curves"]["train/loss"]] == [1, 2, 3, 4, 5, 6]
    assert [batches for batches, _ in second.state_dict()["curves"]["val/iou"]] == [3, 6]
