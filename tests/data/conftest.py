import pytest


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache folder for this test alone."""
    monkeypatch.setenv("TIAE_ZOO_CACHE", str(tmp_path / "own_cache"))
    return tmp_path / "own_cache"
