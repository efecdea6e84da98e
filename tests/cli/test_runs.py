import itertools
import json
import multiprocessing
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import CONFIG, Zoo
from tiae_zoo import runs
from tiae_zoo.messages import UserError
from tiae_zoo.results import processor


def _reserve(home: Path, count: int) -> list[str]:
    return [runs.reserve(home, "fit").name for _ in range(count)]


def test_processes_at_once_never_get_the_same_folder(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        taken = pool.starmap(_reserve, [(tmp_path / "toy", 25)] * 4)
    assert sorted(itertools.chain(*taken)) == sorted(f"fit_{n}" for n in range(100))


def test_numbers_go_on_after_the_highest(tmp_path: Path) -> None:
    for name in ("fit_7", "fit_10", "test_30", "fit_old", "fit_11x"):
        (tmp_path / name).mkdir()
    assert runs.reserve(tmp_path, "fit").name == "fit_11"


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(UserError, match=r"cannot be made: Not a directory\. Choose a place"):
        runs.reserve(tmp_path / "runs" / "toy", "fit")


def test_results_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    runs.write_json(target, {"score": 1})
    with pytest.raises(TypeError):
        runs.write_json(target, {"score": object()})
    assert json.loads(target.read_text(encoding="utf-8")) == {"score": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_each_run_has_a_folder_of_its_own(zoo: Zoo) -> None:
    for _ in range(2):
        assert zoo("fit", "--config", "toy.yaml").status == 0
    assert zoo("test", "--config", "toy.yaml", "--ckpt_path", "last").status == 0
    assert {path.name for path in Path("runs/toy").iterdir()} == {"fit_0", "fit_1", "test_0"}
    for run in ("fit_0", "fit_1"):
        files = {path.name for path in Path("runs/toy", run).iterdir()}
        assert files >= {"checkpoints", "config.yaml", "metrics.csv", "results.json"}


def test_fit_ends_by_saying_where_everything_lies(zoo: Zoo) -> None:
    out = zoo("fit", "--config", "toy.yaml").out
    assert "Run folder: runs/toy/fit_0" in out
    assert "Best checkpoint: runs/toy/fit_0/checkpoints/best.ckpt  (val/score = " in out
    assert "Last checkpoint: runs/toy/fit_0/checkpoints/last.ckpt" in out
    assert "tiae-zoo test --ckpt_path runs/toy/fit_0/checkpoints/best.ckpt" in out


def test_results_hold_what_it_takes_to_judge_a_run(fitted: Zoo) -> None:
    assert fitted("test", "--config", "toy.yaml", "--ckpt_path", "best").status == 0
    record = json.loads(Path("runs/toy/test_0/results.json").read_text(encoding="utf-8"))
    assert 0 < record["metrics"]["test/score"] < 1
    assert record["metrics"]["test/undefined"] is None
    assert record["checkpoint"] == "runs/toy/fit_0/checkpoints/best.ckpt"
    assert record["command"] == "tiae-zoo test --config toy.yaml --ckpt_path best"
    assert record["config"]["model"]["init_args"]["width"] == 3
    assert record["config"]["seed_everything"] == 0
    assert record["versions"]["torch"]
    assert record["hardware"]["accelerator"] == "cpu"
    assert record["hardware"]["device"] == processor() != ""
    assert record["wall_seconds"] > 0


def test_the_saved_config_runs_again_with_any_verb(fitted: Zoo) -> None:
    saved = yaml.safe_load(Path("runs/toy/fit_0/config.yaml").read_text(encoding="utf-8"))
    assert saved["trainer"]["logger"]["init_args"]["version"] is None
    assert fitted("fit", "--config", "runs/toy/fit_0/config.yaml").status == 0
    for verb in ("validate", "test", "predict"):
        assert fitted(verb, "--config", "runs/toy/fit_0/config.yaml", "--ckpt_path", "last").status == 0
    assert Path("runs/toy/fit_1/results.json").is_file()
    assert Path("runs/toy/predict_0/results.json").is_file()


def test_without_a_logger_the_run_is_named_after_method_and_data(zoo: Zoo) -> None:
    assert zoo("fit", "--config", "toy.yaml", "--trainer.logger", "null").status == 0
    assert Path("runs/toymethod_toydata/fit_0/metrics.csv").is_file()
    assert zoo("test", "--config", "toy.yaml", "--trainer.logger", "null", "--ckpt_path", "last").status == 0
    assert Path("runs/toymethod_toydata/test_0/results.json").is_file()


def test_a_logger_without_a_name_gets_the_same_name(zoo: Zoo) -> None:
    Path("toy.yaml").write_text(CONFIG.replace(", name: toy", ""), encoding="utf-8")
    assert zoo("fit", "--config", "toy.yaml").status == 0
    assert Path("runs/toymethod_toydata/fit_0/metrics.csv").is_file()


def test_no_log_still_gives_a_folder(zoo: Zoo) -> None:
    assert zoo("fit", "--config", "toy.yaml", "--trainer.logger", "false").status == 0
    folder = Path("runs/toymethod_toydata/fit_0")
    assert (folder / "checkpoints" / "last.ckpt").is_file()
    assert (folder / "config.yaml").is_file()
    assert not (folder / "metrics.csv").exists()
    assert not Path("config.yaml").exists()


def test_the_default_root_is_respected(zoo: Zoo) -> None:
    options = ["--trainer.logger", "null", "--trainer.default_root_dir", "elsewhere"]
    assert zoo("fit", "--config", "toy.yaml", *options).status == 0
    assert Path("elsewhere/toymethod_toydata/fit_0/checkpoints/last.ckpt").is_file()


def test_a_given_version_is_used_once(zoo: Zoo) -> None:
    options = ["--config", "toy.yaml", "--trainer.logger.version", "final"]
    assert zoo("fit", *options).status == 0
    before = Path("runs/toy/final/metrics.csv").read_bytes()
    outcome = zoo("fit", *options)
    assert outcome.status == 1
    assert "runs/toy/final exists already and is not overwritten. Give another" in outcome.err
    assert Path("runs/toy/final/metrics.csv").read_bytes() == before


def test_a_logger_without_a_folder_gets_one_beside_it(zoo: Zoo) -> None:
    assert zoo("fit", "--config", "toy.yaml", "--trainer.logger", "tests.cli.toys.DistantLogger").status == 0
    folder = Path("runs/toymethod_toydata/fit_0")
    assert (folder / "metrics.csv").is_file()
    assert (folder / "checkpoints" / "last.ckpt").is_file()


def test_fast_dev_run_leaves_nothing(zoo: Zoo) -> None:
    for verb, weights in (
        ("fit", []),
        ("test", ["--ckpt_path", "untrained"]),
        ("predict", ["--ckpt_path", "untrained"]),
    ):
        assert zoo(verb, "--config", "toy.yaml", "--trainer.fast_dev_run", "true", *weights).status == 0
    assert not Path("runs").exists()


def test_a_run_that_could_not_start_leaves_no_folder(zoo: Zoo) -> None:
    assert zoo("fit", "--config", "toy.yaml", "--model.width", "0").status == 1
    assert not any(Path("runs").iterdir())


def test_an_unusable_folder_is_told_before_data_is_touched(zoo: Zoo) -> None:
    Path("runs").touch()
    outcome = zoo("fit", "--config", "toy.yaml", "--data.missing", "true")
    assert outcome.status == 1
    assert "The run folder runs/toy/fit_0 cannot be made: " in outcome.err
    assert "--trainer.logger.save_dir" in outcome.err
    assert "Traceback" not in outcome.err
