import dataclasses
import hashlib
import shutil

import pytest

from tests.fakes import write_cub, write_lfw, write_tar
from tiae_zoo.data import CUB, LFW, DataError, cub, lfw
from tiae_zoo.data.archives import RemoteFile, provide

BOX = RemoteFile("box.tgz", "box of things", "md5:123", ("https://example.org/box.tgz",), ("box/things", "things"))


def contents(folder):
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and ".lock" not in path.name
    }


def pack(folder, name, path):
    """Make `folder / name` an archive of a path in it, and remove that path."""
    source = folder / path
    write_tar(
        folder / name,
        {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in sorted(source.rglob("*"))
            if file.is_file()
        },
    )
    shutil.rmtree(source)


def test_missing_file_names_what_where_and_both_ways(tmp_path):
    with pytest.raises(DataError) as caught:
        provide(BOX, tmp_path, otherwise="to go on without it, do so")
    message = str(caught.value)
    for part in (
        "box of things",
        "box/things",
        "box.tgz",
        str(tmp_path),
        "--data.download true",
        "md5 123",
        "to go on",
    ):
        assert part in message
    assert BOX.urls[0] in message


def test_file_without_a_living_host_can_only_be_placed_by_hand(tmp_path):
    gone = dataclasses.replace(BOX, urls=())
    with pytest.raises(DataError) as caught:
        provide(gone, tmp_path, download=True)
    assert "--data.download" not in str(caught.value)
    assert "place a copy of box.tgz (md5 123) there by hand" in str(caught.value)


def test_archive_is_unpacked_beside_itself_once(tmp_path):
    write_tar(tmp_path / "box.tgz", {"box/things/a": b"1", "box/list.txt": b"2"})
    assert provide(BOX, tmp_path) == tmp_path / "box/things"
    (tmp_path / "box/things/a").write_bytes(b"changed")
    provide(BOX, tmp_path)
    assert (tmp_path / "box/things/a").read_bytes() == b"changed"
    assert contents(tmp_path) == {"box.tgz", "box/things/a", "box/list.txt"}


def test_archive_joins_a_folder_that_is_there_already(tmp_path):
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "by_hand.txt").write_text("mine")
    write_tar(tmp_path / "box.tgz", {"box/things/a": b"1", "box/list.txt": b"2"})
    provide(BOX, tmp_path)
    assert contents(tmp_path) == {"box.tgz", "box/things/a", "box/list.txt", "box/by_hand.txt"}


def test_archive_in_a_read_only_root_goes_to_the_cache(tmp_path, own_cache):
    root = tmp_path / "root"
    write_tar(root / "box.tgz", {"box/things/a": b"1"})
    root.chmod(0o555)
    found = provide(BOX, root)
    assert found.is_relative_to(own_cache)
    assert (found / "a").read_bytes() == b"1"
    assert [path.name for path in root.iterdir()] == ["box.tgz"]
    assert provide(BOX, root) == found


def test_left_overs_of_a_killed_run_are_removed(tmp_path):
    write_tar(tmp_path / "box.tgz", {"box/things/a": b"1"})
    (tmp_path / ".box.tgz.tmpabc" / "box").mkdir(parents=True)
    provide(BOX, tmp_path)
    assert contents(tmp_path) == {"box.tgz", "box/things/a"}
    assert not list(tmp_path.glob(".box.tgz.tmp*"))


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"not an archive", lambda b: b[:20] + b"\0" * 50 + b[70:]]
)
def test_damaged_archive_is_told_and_leaves_nothing_half(tmp_path, damage):
    write_tar(tmp_path / "box.tgz", {"box/things/a": bytes(range(256)) * 400, "box/things/b": b"2"})
    (tmp_path / "box.tgz").write_bytes(damage((tmp_path / "box.tgz").read_bytes()))
    with pytest.raises(DataError, match=r"box\.tgz could not be unpacked"):
        provide(BOX, tmp_path)
    assert contents(tmp_path) == {"box.tgz"}


def test_wrong_archive_is_told(tmp_path):
    write_tar(tmp_path / "box.tgz", {"other/a": b"1"})
    with pytest.raises(DataError, match="holds no box/things"):
        provide(BOX, tmp_path)


def test_archive_cannot_write_outside(tmp_path):
    root = tmp_path / "root"
    write_tar(root / "box.tgz", {"../escaped": b"1", "box/things/a": b"1"})
    with pytest.raises(DataError):
        provide(BOX, root)
    assert not (tmp_path / "escaped").exists()


def test_faces_from_archives_placed_by_hand(tmp_path):
    folder = write_lfw(tmp_path)
    pack(folder, "lfw-funneled.tgz", "lfw_funneled")
    data = LFW(root=str(tmp_path), image_size=32)
    data.setup("test")
    assert len(data.dataset("test")) == 6
    assert "mask" in data.dataset("test")[0]


def test_birds_from_archives_in_a_read_only_root(tmp_path, own_cache):
    folder = write_cub(tmp_path)
    shutil.move(folder / "CUB_200_2011" / "segmentations", folder / "segmentations")
    shutil.move(folder / "CUB_200_2011" / "train_val_test_split.txt", folder / "train_val_test_split.txt")
    pack(folder, "segmentations.tgz", "segmentations")
    pack(folder, "CUB_200_2011.tgz", "CUB_200_2011")
    folder.chmod(0o555)
    data = CUB(root=str(tmp_path), image_size=32)
    data.setup("fit")
    assert len(data.dataset("train")) == 24
    assert "mask" in data.dataset("val")[0]
    assert contents(folder) == {"segmentations.tgz", "CUB_200_2011.tgz", "train_val_test_split.txt"}


def test_download_flag_fetches_unpacks_and_trains(tmp_path, server, monkeypatch):
    """Everything from a server into an empty root, as `--data.download true` does."""
    source = write_lfw(tmp_path / "source")
    pack(source, "lfw-funneled.tgz", "lfw_funneled")

    def served(file):
        server.files[file.name] = content = (source / file.name).read_bytes()
        digest = f"md5:{hashlib.md5(content).hexdigest()}"
        return dataclasses.replace(file, urls=(f"{server.url}/{file.name}",), digest=digest)

    for name, attribute in (("IMAGES", "images_file"), ("PARTS", "masks_file")):
        monkeypatch.setattr(lfw, name, file := served(getattr(lfw, name)))
        monkeypatch.setattr(LFW, attribute, file)
    monkeypatch.setattr(lfw, "LISTS", {split: served(file) for split, file in lfw.LISTS.items()})
    root = tmp_path / "root"
    data = LFW(root=str(root), image_size=32, download=True)
    data.prepare_data()
    asked = len(server.ranges)
    data.setup("fit")
    assert len(data.dataset("train")) == 24
    assert "mask" in data.dataset("val")[0]
    assert len(server.ranges) == asked == 5


def test_split_list_is_fetched_to_where_it_is_looked_for(tmp_path, server, monkeypatch):
    folder = write_cub(tmp_path)
    listing = folder / "CUB_200_2011" / "train_val_test_split.txt"
    server.files["list"] = content = listing.read_bytes()
    listing.unlink()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    monkeypatch.setattr(
        cub, "REDO_SPLIT", dataclasses.replace(cub.REDO_SPLIT, urls=(f"{server.url}/list",), digest=digest)
    )
    with pytest.raises(DataError, match="split list"):
        CUB(root=str(tmp_path), image_size=32).setup("fit")
    CUB(root=str(tmp_path), image_size=32, download=True).setup("fit")
    assert listing.read_bytes() == content
