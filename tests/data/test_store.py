import multiprocessing
import os
import pickle
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tiae_zoo.data import DataError
from tiae_zoo.data.cache import Store, StoreWriter, open_store

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)


def fill(writer: StoreWriter) -> None:
    for i, picture in enumerate(PICTURES):
        writer.add(f"picture_{i}", picture, mask=picture[0] % 2, label=i)


def forbidden(writer: StoreWriter) -> None:
    raise AssertionError("decoded twice")


def test_what_was_written_is_read(own_cache):
    store = open_store("it", {"size": 8}, [], fill)
    assert np.array_equal(store.images, PICTURES)
    assert np.array_equal(store.masks, PICTURES[:, 0] % 2)
    assert store.labels.tolist() == [0, 1, 2, 3, 4]
    assert store.names[3] == "picture_3"
    assert len(store) == 5


def test_second_opening_decodes_nothing(own_cache):
    open_store("it", {"size": 8}, [], fill)
    assert len(open_store("it", {"size": 8}, [], forbidden)) == 5


def test_other_settings_or_changed_files_decode_anew(own_cache, tmp_path):
    source = tmp_path / "a.jpg"
    source.write_bytes(b"1")
    first = open_store("it", {"size": 8}, [source], fill).path
    assert open_store("it", {"size": 16}, [source], fill).path != first
    source.write_bytes(b"22")
    second = open_store("it", {"size": 8}, [source], fill).path
    assert second != first
    os.utime(source, (0, 0))
    assert open_store("it", {"size": 8}, [source], fill).path not in (first, second)


def test_store_travels_as_its_path(own_cache):
    store = open_store("it", {"size": 8}, [], fill)
    packed = pickle.dumps(store)
    assert len(packed) < 500
    assert np.array_equal(pickle.loads(packed).images, PICTURES)


def test_failed_build_leaves_nothing(own_cache):
    def fails(writer: StoreWriter) -> None:
        fill(writer)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_store("it", {"size": 8}, [], fails)
    assert [path.suffix for path in own_cache.iterdir()] == [".lock"]
    assert len(open_store("it", {"size": 8}, [], fill)) == 5


def hang(writer: StoreWriter) -> None:
    fill(writer)
    time.sleep(60)


def build(cache: str, how, start=None) -> None:
    os.environ["TIAE_ZOO_CACHE"] = cache
    if start is not None:
        start.wait()
    open_store("it", {"size": 8}, [], how)


def test_killed_build_is_done_again(own_cache):
    victim = multiprocessing.get_context("fork").Process(target=build, args=(str(own_cache), hang))
    victim.start()
    while not list(own_cache.glob("it-*.tmp*/images.u8")):
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    assert len(open_store("it", {"size": 8}, [], fill)) == 5
    assert not list(own_cache.glob("*.tmp*"))


def count(writer: StoreWriter) -> None:
    fill(writer)
    with Path(os.environ["COUNT"]).open("a") as file:
        file.write("built\n")
    time.sleep(0.3)


def test_processes_that_come_together_build_once(own_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    context = multiprocessing.get_context("fork")
    start = context.Event()
    processes = [context.Process(target=build, args=(str(own_cache), count, start)) for _ in range(3)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "built\n"


def test_store_with_a_file_cleaned_away_is_built_again(own_cache):
    store = open_store("it", {"size": 8}, [], fill)
    (store.path / "images.u8").unlink()
    assert np.array_equal(open_store("it", {"size": 8}, [], fill).images, PICTURES)


def test_nothing_readable_is_an_error_that_says_why(own_cache):
    def none_readable(writer: StoreWriter) -> None:
        writer.damaged["a"] = "a.jpg: cut off"

    with pytest.raises(DataError, match=r"None of the 1 images of it can be read \(a\.jpg: cut off\)"):
        open_store("it", {"size": 8}, [], none_readable)


def test_unwritable_cache_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TIAE_ZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="TIAE_ZOO_CACHE"):
        open_store("it", {"size": 8}, [], fill)


def test_stores_are_read_only(own_cache):
    with pytest.raises(ValueError, match="read-only"):
        Store(open_store("it", {"size": 8}, [], fill).path).images[0] = 0
