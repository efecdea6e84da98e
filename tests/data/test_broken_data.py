"""Files that are missing, damaged or too few."""

import errno
import gzip
import shutil
from types import SimpleNamespace

import pytest
from PIL import Image

from tests.data.modules import MODULES, SMALL
from tests.fakes import write_cub, write_flowers, write_lfw, write_mnist
from tiae_zoo.data import CUB, LFW, MNIST, DataError, Flowers


def test_damaged_images_are_named_counted_and_left_out(tmp_path):
    folder = write_lfw(tmp_path)
    for name in ("Person_No_0/Person_No_0_0001", "Person_No_1/Person_No_1_0002"):
        (folder / "lfw_funneled" / f"{name}.jpg").write_bytes(b"damaged")
    for _ in range(2):  # at the first decoding, and from the cache
        data = LFW(root=str(tmp_path), **SMALL)
        with pytest.warns(
            UserWarning, match=r"2 of 24 images of lfw/train are damaged.*Person_No_0_0001 \(.*Person_No_1_0002"
        ):
            data.setup("fit")
        assert len(data.names("train")) == 22
        assert "Person_No_0_0001" not in data.names("train")


def test_images_the_system_refuses_once_are_there_the_next_time(tmp_path, monkeypatch):
    write_lfw(tmp_path)
    opened = Image.open

    def refuse(path, *args, **kwargs):
        if path.name == "Person_No_1_0002.jpg":
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", refuse)
        with pytest.raises(DataError, match=r"Person_No_1_0002\.jpg cannot be read \(Too many open files\)"):
            LFW(root=str(tmp_path), **SMALL).names("train")
    assert len(LFW(root=str(tmp_path), **SMALL).names("train")) == 24


def test_listed_but_absent_images_are_counted(tmp_path):
    folder = write_cub(tmp_path)
    shutil.rmtree(folder / "CUB_200_2011" / "images" / "002.Bird_2")
    data = CUB(root=str(tmp_path), **SMALL)
    with pytest.warns(UserWarning, match=r"12 of 24 images of cub/train are not there: Bird_2_0002_1002"):
        assert len(data.names("train")) == 12
    shutil.rmtree(folder / "CUB_200_2011" / "images" / "001.Bird_1")
    with pytest.raises(DataError, match=r"None of the 24 images of cub/train is there.*CUB_200_2011\.tgz \(sha256"):
        CUB(root=str(tmp_path), **SMALL).names("train")


@pytest.mark.parametrize("kind", ["mnist", "lfw", "flowers", "cub"])
def test_empty_root_names_the_file_and_both_ways(kind, tmp_path):
    with pytest.raises(DataError) as caught:
        MODULES[kind](root=str(tmp_path)).setup("fit")
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "--data.download true" in message
    assert "by hand" in message
    assert "https://" in message


def test_cut_off_idx_file_is_told(tmp_path):
    raw = write_mnist(tmp_path) / "MNIST" / "raw"
    path = raw / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        MNIST(root=str(tmp_path)).setup("fit")


def test_damaged_idx_file_is_told(tmp_path):
    path = write_mnist(tmp_path) / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    content = bytearray(gzip.compress(gzip.decompress(path.read_bytes())))
    content[10] ^= 255  # the first byte behind the header: nothing is missing, and no stream begins so
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        MNIST(root=str(tmp_path)).setup("fit")


def test_damaged_split_files_are_told(tmp_path):
    folder = write_flowers(tmp_path)
    (folder / "setid.mat").write_bytes(b"not a matlab file")
    with pytest.raises(DataError, match=r"setid\.mat cannot be read"):
        Flowers(root=str(tmp_path)).setup("fit")
    folder = write_lfw(tmp_path)
    (folder / "val.txt").write_text("<html>\n404 Not Found here\n")
    with pytest.raises(DataError, match=r"val\.txt has a line"):
        LFW(root=str(tmp_path)).setup("fit")


def test_fewer_images_than_a_batch_is_told():
    with pytest.raises(DataError, match=r"24 images, fewer than one batch of 25.*--data\.batch_size"):
        LFW(image_size=32, batch_size=25).setup("fit")
    data = LFW(image_size=32, batch_size=13)
    data.trainer = SimpleNamespace(world_size=2)
    with pytest.raises(DataError, match="one batch of 13 for each of 2 processes"):
        data.setup("fit")


def test_lists_without_images_are_told(tmp_path):
    (write_lfw(tmp_path) / "val.txt").write_text("\n")
    with pytest.raises(DataError, match="name no image for lfw/val"):
        LFW(root=str(tmp_path), **SMALL).setup("fit")
