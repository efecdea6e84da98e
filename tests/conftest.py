"""What every test finds: small data, a cache of its own, and no way to write outside pytest's folders."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import write_all
from tests.range_server import RangeServer, serve

PATIENCE = 120_000  # ms until a browser counts as hung: the machine may be busy
REAL_DATA = os.environ.get("TIAE_ZOO_DATA")


@pytest.fixture(scope="session")
def fake_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a miniature of every dataset; tests must not change it."""
    return write_all(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_folders(
    _cache: Path, fake_data: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Point cache and data root into pytest's folders; a test marked `realdata` keeps the true data root."""
    monkeypatch.setenv("TIAE_ZOO_CACHE", str(_cache))
    if request.node.get_closest_marker("realdata") is None:
        monkeypatch.setenv("TIAE_ZOO_DATA", str(fake_data))


@pytest.fixture(autouse=True)
def _keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that collapses must not replace the process that runs the tests."""

    def refuse(command: list[str], environment: dict[str, str]) -> None:
        raise AssertionError(f"would become {command}")

    monkeypatch.setattr("tiae_zoo.launch.restarts.replace_process", refuse)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """A server of files that can be told to break off."""
    monkeypatch.setattr("tiae_zoo.download.PAUSE", 0.0)
    with serve() as state:
        yield state


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The root of the true datasets, for tests marked `realdata`."""
    assert REAL_DATA is not None
    return Path(REAL_DATA)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, saying why."""
    if REAL_DATA is None:
        for item in items:
            if item.get_closest_marker("realdata"):
                item.add_marker(pytest.mark.skip(reason="needs TIAE_ZOO_DATA"))


@pytest.fixture(scope="module")  # its event loop is in the way of other tests
def browser() -> Iterator[Any]:
    """The system's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs a Chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=PATIENCE)
        yield chromium
        chromium.close()
