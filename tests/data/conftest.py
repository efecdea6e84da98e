from collections.abc import Iterator

import pytest

from tests.data.range_server import RangeServer, serve
from tiae_zoo.data import download


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with serve() as state:
        yield state


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache folder for this test alone."""
    monkeypatch.setenv("TIAE_ZOO_CACHE", str(tmp_path / "own_cache"))
    return tmp_path / "own_cache"
