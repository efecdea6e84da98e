"""Tiny datasets in the true on-disk formats, for everybody's tests.

Each writer takes the data root (what `TIAE_ZOO_DATA` names) and returns the dataset's folder in it. Pictures show one
bright ellipse on a dark, noisy ground, so that a mask is easy to check and a method has something to find.
"""

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image, ImageDraw, ImageFont

WARM, COLD = (0.55, 0.95), (0.05, 0.35)


def scene(rng: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo, uint8 (height, width, 3), and where its object is, bool (height, width)."""
    y, x = np.mgrid[:height, :width]
    cx, cy = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6)
    rx, ry = min(width, height) * rng.uniform(0.2, 0.35, size=2)
    inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
    colours = np.where(inside[..., None], rng.uniform(*WARM, size=3), rng.uniform(*COLD, size=3))
    photo = colours + rng.normal(0, 0.02, size=(height, width, 3))
    return (photo.clip(0.02, 0.98) * 255).astype(np.uint8), inside


def write_mnist(root: str | Path, train: int = 240, test: int = 24, seed: int = 0) -> Path:
    """The four gzipped idx files; the last twelfth of `train` becomes the validation split."""
    folder = Path(root) / "mnist"
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for name, count in (("train", train), ("t10k", test)):
        labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
        pictures = np.stack([_digit(int(label), rng) for label in labels])
        _write_idx(raw / f"{name}-images-idx3-ubyte.gz", pictures)
        _write_idx(raw / f"{name}-labels-idx1-ubyte.gz", labels)
    return folder


def _digit(label: int, rng: np.random.Generator) -> np.ndarray:
    picture = Image.new("L", (28, 28))
    where = (8 + rng.uniform(-1, 1), 0 + rng.uniform(-1, 1))
    ImageDraw.Draw(picture).text(where, str(label), fill=255, font=ImageFont.load_default(size=22))
    return np.asarray(picture)


def _write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))


def write_lfw(root: str | Path, train: int = 24, val: int = 6, test: int = 6, seed: int = 0) -> Path:
    """Photos in a folder per person, the three split lists, part labels (val and test) as an unopened .tgz of ppm."""
    folder = Path(root) / "lfw"
    rng = np.random.default_rng(seed)
    parts: dict[str, bytes] = {}
    number = 0
    for split, count in (("train", train), ("val", val), ("test", test)):
        lines = []
        for _ in range(count):
            person = f"Person_No_{number // 2}"
            name = f"{person}_{number % 2 + 1:04d}"
            number += 1
            photo, inside = scene(rng, 50, 50)
            _save(photo, folder / "lfw_funneled" / person / f"{name}.jpg")
            lines.append(f"{person} {name}\n")
            if split != "train":
                hair = inside & (np.arange(50)[:, None] < 20)
                colours = np.where(inside[..., None], (0, 255, 0), (0, 0, 255))
                colours[hair] = (255, 0, 0)
                buffer = io.BytesIO()
                Image.fromarray(colours.astype(np.uint8)).save(buffer, "PPM")
                parts[f"parts_lfw_funneled_gt_images/{name}.ppm"] = buffer.getvalue()
        (folder / f"{split}.txt").write_text("".join(lines))
    write_tar(folder / "parts_lfw_funneled_gt_images.tgz", parts)
    return folder


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    """A gzipped tar archive of the given members; the same bytes each time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_flowers(root: str | Path, train: int = 24, val: int = 6, test: int = 6, seed: int = 0) -> Path:
    """Photos, `segmim` with blue grounds, `setid.mat` and `imagelabels.mat`; `tstid`, the largest, has `train`."""
    folder = Path(root) / "flowers"
    rng = np.random.default_rng(seed)
    count = train + val + test
    for i in range(1, count + 1):
        photo, inside = scene(rng, *((60, 48) if i % 2 else (48, 64)))
        _save(photo, folder / "jpg" / f"image_{i:05d}.jpg")
        masked = np.where(inside[..., None], photo, np.array((0, 0, 254), np.uint8))
        _save(masked, folder / "segmim" / f"segmim_{i:05d}.jpg")
    ids = rng.permutation(np.arange(1, count + 1)).astype(np.uint16)[None]
    parts = np.split(np.sort(ids), [train, train + val], axis=1)
    scipy.io.savemat(folder / "setid.mat", dict(zip(("tstid", "valid", "trnid"), parts, strict=True)))
    labels = (np.arange(count) % 3 + 1).astype(np.uint8)[None]
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": labels})
    return folder


def write_cub(root: str | Path, train: int = 24, val: int = 6, test: int = 6, seed: int = 0) -> Path:
    """`CUB_200_2011` with the official lists, ReDO's split list, and `segmentations` of grey votes.

    As in the official set, the second photo is grey and the second mask has several channels.
    """
    folder = Path(root) / "cub"
    base = folder / "CUB_200_2011"
    rng = np.random.default_rng(seed)
    lists: dict[str, list[str]] = {}
    for i in range(1, train + val + test + 1):
        species = (i - 1) % 2 + 1
        name = f"{species:03d}.Bird_{species}/Bird_{species}_{i:04d}_{1000 + i}"
        photo, inside = scene(rng, *((64, 50) if i % 2 else (50, 60)))
        votes = np.where(inside, rng.choice((153, 204, 255)), rng.choice((0, 51, 102))).astype(np.uint8)
        _save(photo[..., 0] if i == 2 else photo, base / "images" / f"{name}.jpg")
        mask = np.dstack([votes, np.full_like(votes, 255)]) if i == 2 else votes
        _save(mask, base / "segmentations" / f"{name}.png")
        redo = 0 if i <= train else 1 if i <= train + val else 2
        for file, entry in (
            ("images.txt", f"{name}.jpg"),
            ("image_class_labels.txt", species),
            ("train_test_split.txt", i % 2),
            ("train_val_test_split.txt", redo),
            ("bounding_boxes.txt", "1.0 1.0 40.0 40.0"),
        ):
            lists.setdefault(file, []).append(f"{i} {entry}\n")
    lists["classes.txt"] = ["1 001.Bird_1\n", "2 002.Bird_2\n"]
    for file, lines in lists.items():
        (base / file).write_text("".join(lines))
    return folder


def write_folder(root: str | Path, count: int = 24, seed: int = 0) -> Path:
    """A user's own `images` (JPEG and PNG, several sizes, one in a subfolder) and `masks` (PNG, 0 and 255)."""
    folder = Path(root) / "folder"
    rng = np.random.default_rng(seed)
    for i in range(count):
        photo, inside = scene(rng, 48 + 4 * (i % 5), 56)
        stem = f"trip/picture_{i:03d}" if i == 0 else f"picture_{i:03d}"
        _save(photo, folder / "images" / f"{stem}.{'png' if i % 3 else 'jpg'}")
        _save((inside * 255).astype(np.uint8), folder / "masks" / f"{stem}.png")
    return folder


def write_rooms(root: str | Path, train: int = 12, test: int = 3, seed: int = 0) -> Path:
    """Photos for backgrounds in `train` and `test`, one each in a subfolder; training photos are brighter."""
    folder = Path(root) / "rooms"
    rng = np.random.default_rng(seed)
    for split, count, floor in (("train", train, 140), ("test", test, 0)):
        for i in range(count):
            photo = floor + rng.integers(0, 100, (60, 80, 3), dtype=np.uint8)
            _save(photo, folder / split / ("hall" if i == 0 else "") / f"room_{i:03d}.png")
    return folder


def write_grasps(root: str | Path, count: int = 24, seed: int = 0) -> Path:
    """Label maps as palette PNGs, several sizes, one in a subfolder: ground 0, hand 1, object 2."""
    folder = Path(root) / "grasps"
    rng = np.random.default_rng(seed)
    for i in range(count):
        _, thing = scene(rng, 48 + 4 * (i % 5), 56)
        numbers = np.where(thing, 2, 0).astype(np.uint8)
        numbers[np.roll(thing, 12, axis=1) & ~thing] = 1
        label_map = Image.fromarray(numbers)
        label_map.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        path = folder / ("cups" if i == 0 else "") / f"grasp_{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        label_map.save(path)
    return folder


def write_depths(root: str | Path, count: int = 24, seed: int = 0) -> Path:
    """Depths in millimetres as 16-bit PNGs: an object before a wall at 1500, and 0 where nothing was measured."""
    folder = Path(root) / "depths"
    rng = np.random.default_rng(seed)
    for i in range(count):
        _, thing = scene(rng, 48, 56)
        depth = np.where(thing, rng.integers(600, 900), 1500)
        depth[rng.random(depth.shape) < 0.02] = 0
        _save(depth.astype(np.uint16), folder / f"depth_{i:03d}.png")
    return folder


def write_document(root: str | Path, seed: int = 0) -> Path:
    """A photo of a page, `page.png`: three lines of dark letters on paper that lies in a shadow at the left."""
    folder = Path(root) / "documents"
    page = Image.new("L", (160, 96), 255)
    for line, text in enumerate(("on one page", "no two are one", "page on page")):
        ImageDraw.Draw(page).text((10, 8 + 26 * line), text, fill=40, font=ImageFont.load_default(size=18))
    light = np.linspace(0.5, 0.9, page.width) + np.random.default_rng(seed).normal(0, 0.01, (page.height, page.width))
    _save((np.asarray(page) * light).clip(0, 255).astype(np.uint8), folder / "page.png")
    return folder


def write_mnist_cluttered(root: str | Path, train: int = 24, test: int = 8, seed: int = 0) -> Path:
    """The public file of cluttered digits: pictures as rows of 40 * 40 numbers in [0, 1], labels in a column."""
    folder = Path(root) / "mnist_cluttered"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", train), ("valid", test), ("test", test)):
        labels = np.arange(count) % 10
        pictures = np.stack([np.pad(_digit(int(label), rng), 6) for label in labels]).astype(np.float32) / 255
        arrays |= {f"X_{part}": pictures.reshape(count, -1), f"y_{part}": labels[:, None].astype(np.int32)}
    np.savez(folder / "mnist_sequence1_sample_5distortions5x5.npz", **arrays)
    return folder


WRITERS = (
    write_mnist,
    write_mnist_cluttered,
    write_lfw,
    write_flowers,
    write_cub,
    write_folder,
    write_rooms,
    write_grasps,
    write_depths,
    write_document,
)


def write_all(root: str | Path) -> Path:
    """Every dataset; returns the root."""
    for write in WRITERS:
        write(root)
    return Path(root)


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}))
