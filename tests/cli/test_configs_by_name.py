from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Zoo
from tiae_zoo.messages import UserError
from tiae_zoo.shipped import find_config, registry_file, shipped_configs


@pytest.mark.parametrize(
    "name", ["configs/presets/debug.yaml", "presets/debug.yaml", "presets/debug", "./configs/presets/debug"]
)
def test_shipped_configs_are_found_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == shipped_configs()["presets/debug.yaml"]


def test_a_file_of_ones_own_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path("configs/quickstart.yaml")
    own.parent.mkdir()
    own.touch()
    assert find_config("configs/quickstart.yaml") == own


def test_the_checkouts_own_configs_are_the_shipped_ones() -> None:
    checkout = Path(__file__).parents[2]
    assert set(shipped_configs().values()) == set((checkout / "configs").rglob("*.yaml"))
    assert registry_file() == checkout / "checkpoints" / "registry.json"


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("configs/redo_lwf.yaml", "configs/redo_lfw.yaml"), ("presets/debgu", "configs/presets/debug.yaml")],
)
def test_a_misspelt_shipped_config_is_corrected(typo: str, meant: str) -> None:
    with pytest.raises(UserError, match=rf"There is no config '{typo}'\. Did you mean '{meant}'\?"):
        find_config(typo)


def test_a_misspelt_config_of_ones_own_is_corrected(zoo: Zoo) -> None:
    outcome = zoo("fit", "--config", "tyo.yaml")
    assert outcome.status == 1
    assert "Did you mean 'toy.yaml'?" in outcome.err


def printed(zoo: Zoo, *arguments: str) -> dict:
    outcome = zoo("fit", *arguments, "--print_config")
    assert outcome.status == 0
    return yaml.safe_load(outcome.out)


def test_a_later_config_may_give_a_few_values_only(zoo: Zoo) -> None:
    Path("size.yaml").write_text("data: {init_args: {image_size: 16}}", encoding="utf-8")
    Path("steps.yaml").write_text("trainer: {max_steps: 3}", encoding="utf-8")
    Path("width.yaml").write_text("model: {init_args: {width: 5}}", encoding="utf-8")
    merged = printed(
        zoo,
        "--config",
        "toy.yaml",
        "--config=size.yaml",
        "-c",
        "steps.yaml",
        "--config",
        "width.yaml",
        "--data.batch_size",
        "1",
    )
    assert merged["data"]["init_args"] == {"image_size": 16, "batch_size": 1, "missing": False}
    assert merged["model"]["class_path"] == "tests.cli.toys.ToyMethod"
    assert merged["model"]["init_args"]["width"] == 5
    assert merged["trainer"]["max_steps"] == 3
    assert merged["trainer"]["logger"]["init_args"]["name"] == "toy"


def test_a_shipped_preset_goes_with_a_config_of_ones_own(zoo: Zoo) -> None:
    assert printed(zoo, "--config", "toy.yaml", "--config", "presets/debug")["trainer"]["limit_train_batches"] == 2


def test_another_data_module_keeps_what_it_understands(zoo: Zoo) -> None:
    options = ["--data", "tests.cli.toys.OtherData", "--data.images", "photos"]
    data = printed(zoo, "--config", "toy.yaml", *options)["data"]
    assert data["class_path"] == "tests.cli.toys.OtherData"
    assert data["init_args"] == {"images": "photos", "image_size": 8, "batch_size": 4}


def test_short_names_of_the_zoo_need_no_config(zoo: Zoo) -> None:
    merged = printed(zoo, "--model", "ReDO", "--data", "LFW", "--data.image_size", "64")
    assert merged["model"]["class_path"] == "tiae_zoo.methods.ReDO"
    assert merged["data"]["class_path"] == "tiae_zoo.data.LFW"


def test_the_model_follows_the_datas_image_size(zoo: Zoo) -> None:
    assert zoo("fit", "--config", "toy.yaml", "--data.image_size", "16").status == 0  # ToyMethod checks it


def test_models_without_an_image_size_are_left_alone(zoo: Zoo) -> None:
    assert zoo("fit", "--config", "toy.yaml", "--model", "tests.cli.toys.SizelessMethod").status == 0


def test_data_without_an_image_size_leaves_it_to_the_model(zoo: Zoo) -> None:
    options = ["--data", "tests.cli.toys.FixedData", "--model.image_size", "16"]
    assert zoo("fit", "--config", "toy.yaml", *options).status == 0


def test_an_image_size_of_the_model_alone_is_refused(zoo: Zoo) -> None:
    outcome = zoo("fit", "--config", "toy.yaml", "--model.image_size", "32")
    assert outcome.status == 1
    assert "the command line sets model.image_size to 32, but the data gives images of size 8." in outcome.err
    assert "Set data.image_size alone" in outcome.err


def test_classes_in_the_working_folder_are_found(zoo: Zoo) -> None:
    Path("mine.py").write_text("from tests.cli.toys import ToyMethod\nclass Mine(ToyMethod): ...\n", encoding="utf-8")
    assert zoo("fit", "--config", "toy.yaml", "--model", "mine.Mine").status == 0


def test_help_of_a_verb_and_of_a_class(zoo: Zoo) -> None:
    assert "--trainer.max_steps" in zoo("fit", "--help").out
    assert "--model.num_regions" in zoo("fit", "--model.help", "ReDO").out
