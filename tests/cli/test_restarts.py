"""A training that collapses is started anew with the next seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Zoo
from tests.cli.test_processes import start
from tiae_zoo.__main__ import main
from tiae_zoo.launch import restarts

GUARDED = (
    "--model",
    "tests.cli.toys.CollapsingMethod",
    "--trainer.callbacks",
    "CollapseGuard",
    "--trainer.callbacks.from_step",
    "0",
)
BEST = ("--trainer.callbacks.monitor", "val/smallest_region", "--trainer.callbacks.mode", "max")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of replacing the process of the tests, run the command in it."""

    def run(command: list[str], environment: dict[str, str]) -> None:
        with monkeypatch.context() as patch:
            patch.setenv(restarts.ATTEMPTS, environment[restarts.ATTEMPTS])
            raise SystemExit(main(command[3:]))

    monkeypatch.setattr(restarts, "replace_process", run)


def record(run: str) -> dict[str, object]:
    return json.loads(Path("runs/toy", run, "results.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("in_process")
def test_seeds_are_tried_until_one_does_not_collapse(zoo: Zoo) -> None:
    outcome = zoo("fit", "--config", "toy.yaml", *GUARDED)
    assert outcome.status == 0, outcome.err
    runs = sorted(path.name for path in Path("runs/toy").iterdir())
    assert runs == ["fit_0", "fit_1", "fit_2"]
    assert [record(run)["collapsed"] for run in runs] == [True, True, False]
    configs = [yaml.safe_load(Path("runs/toy", run, "config.yaml").read_text(encoding="utf-8")) for run in runs]
    assert [config["seed_everything"] for config in configs] == [0, 1, 2]
    assert all(Path("runs/toy", run, "checkpoints", "last.ckpt").is_file() for run in runs)  # nothing is lost
    assert "Starting anew (2 of 3)" in outcome.err


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("keeper", [[], ["--trainer.callbacks+=ModelCheckpoint", *BEST]])
def test_no_attempt_that_collapsed_is_to_be_scored_or_used(zoo: Zoo, keeper: list[str]) -> None:
    outcome = zoo("fit", "--config", "toy.yaml", *GUARDED, *keeper)
    assert outcome.status == 0, outcome.err
    assert outcome.out.count("Last checkpoint: ") == 3
    advice = [line for line in outcome.out.splitlines() if line.startswith(("Score it", "Use it"))]
    assert len(advice) == 1
    assert "fit_2" in advice[0]


@pytest.mark.usefixtures("in_process")
def test_no_more_often_than_asked(zoo: Zoo) -> None:
    outcome = zoo("fit", "--config", "toy.yaml", *GUARDED, "--trainer.callbacks.restarts", "1")
    assert outcome.status == 1
    assert sorted(path.name for path in Path("runs/toy").iterdir()) == ["fit_0", "fit_1"]
    assert "Try another seed" in outcome.err
    assert "--seed_everything 2" in outcome.err


@pytest.mark.usefixtures("in_process")
def test_a_process_started_by_others_starts_nothing(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_JOB_NAME", "bash")  # an interactive job: Lightning leaves it alone
    assert zoo("fit", "--config", "toy.yaml", *GUARDED).status == 1
    assert [path.name for path in Path("runs/toy").iterdir()] == ["fit_0"]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("option", ["--trainer.logger.version", "--trainer.logger.init_args.version", None])
def test_attempts_after_one_with_a_name_are_numbered(zoo: Zoo, option: str | None) -> None:
    named = ["--config", "named.yaml"] if option is None else [option, "first"]
    Path("named.yaml").write_text("trainer: {logger: {init_args: {version: first}}}", encoding="utf-8")
    outcome = zoo("fit", "--config", "toy.yaml", *GUARDED, *named)
    assert outcome.status == 0, outcome.err
    assert sorted(path.name for path in Path("runs/toy").iterdir()) == ["first", "fit_0", "fit_1"]


@pytest.mark.usefixtures("in_process")
def test_attempts_go_on_from_no_checkpoint_of_a_config(zoo: Zoo) -> None:
    short = ("--trainer.max_epochs", "1", "--trainer.callbacks.from_step", "100")
    assert zoo("fit", "--config", "toy.yaml", *GUARDED, *short).status == 0
    Path("resume.yaml").write_text("ckpt_path: last", encoding="utf-8")
    outcome = zoo("fit", "--config", "toy.yaml", *GUARDED, "--config", "resume.yaml")
    assert outcome.status == 0, outcome.err
    checkpoints = [record(f"fit_{run}")["checkpoint"] for run in range(4)]
    assert checkpoints[1] is not None
    assert checkpoints[2:] == [None, None]


def test_runs_of_wandb_are_finished_before_the_next_attempt(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    running = []
    monkeypatch.setattr(restarts, "replace_process", lambda command, environment: running.append(wandb.run))
    logger = ("--trainer.logger", "WandbLogger", "--trainer.logger.save_dir", "runs")
    outcome = zoo("fit", "--config", "toy.yaml", *GUARDED, *logger)
    assert "Starting anew" in outcome.err
    assert list(Path("runs/wandb").glob("offline-run-*"))
    assert running == [None]


def test_the_next_attempt_has_the_next_seed_and_no_checkpoint() -> None:
    again = restarts.next_attempt(["fit", "--config", "a.yaml", "--ckpt_path=last"], "4")
    assert again == ["fit", "--config", "a.yaml", "--ckpt_path=last", "--ckpt_path", "null", "--seed_everything", "5"]


def test_options_of_several_attempts_do_not_pile_up() -> None:
    given = ["fit", "--seed_everything=4", "--config", "a.yaml", "--ckpt_path", "last", "--trainer.logger.version", "x"]
    second = restarts.next_attempt(given, "4", named=True)
    assert second[:5] == ["fit", "--config", "a.yaml", "--ckpt_path", "last"]  # which may bring its run's config
    assert second[5:] == ["--ckpt_path", "null", "--seed_everything", "5", "--trainer.logger.version", "null"]
    third = restarts.next_attempt(second, "5", named=True)
    assert third == ["6" if word == "5" else word for word in second]


@pytest.mark.slow
def test_two_processes_are_started_anew_together(tmp_path: Path) -> None:
    process = start(tmp_path, *GUARDED, "--trainer.devices", "2", "--trainer.strategy", "ddp")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    runs = sorted((tmp_path / "runs" / "toy").iterdir())
    assert [path.name for path in runs] == ["fit_0", "fit_1", "fit_2"]
    records = [json.loads((run / "results.json").read_text(encoding="utf-8")) for run in runs]
    assert [each["collapsed"] for each in records] == [True, True, False]
    assert all((run / "checkpoints" / "last.ckpt").is_file() for run in runs)
