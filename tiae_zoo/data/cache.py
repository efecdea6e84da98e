"""Decoded samples as uint8 memory maps, so that training reads no image file twice.

A store is a folder of plain files: `images.u8` (N, C, S, S), `masks.u8` (N, S, S), and `index.json` with the rest.
It is written under a temporary name and renamed when complete; a lock lets one process build while others wait.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from PIL import Image
from tqdm import tqdm

from tiae_zoo.caching import cache_dir, exclusive
from tiae_zoo.data.decode import Bytes, DamagedImageError, Item, Resize, square
from tiae_zoo.data.errors import DataError
from tiae_zoo.messages import listed

FORMAT = 2  # raise it whenever decoding gives other pixels or refuses other files: old stores are then left alone


class Store:
    """A complete store, opened for reading.

    It pickles as its path alone: a memory map would travel to every spawned worker as a copy of all pictures.

    Attributes:
        names: One name a sample.
        labels: int64 (N), or None.
        damaged: What was left out: name -> reason.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        index = json.loads((path / "index.json").read_text(encoding="utf-8"))
        self.names: list[str] = index["names"]
        self.damaged: dict[str, str] = index["damaged"]
        self.labels = None if index["labels"] is None else np.asarray(index["labels"], dtype=np.int64)
        channels, size = index["channels"], index["size"]
        self.images = self._open("images.u8", (len(self), channels, size, size))
        self.masks = self._open("masks.u8", (len(self), size, size)) if index["masks"] else None

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[type["Store"], tuple[Path]]:
        return Store, (self.path,)

    def _open(self, name: str, shape: tuple[int, ...]) -> Bytes:
        return np.memmap(self.path / name, dtype=np.uint8, mode="r", shape=shape)


class StoreWriter:
    """Appends samples to a store that is being built.

    Attributes:
        names: One name a sample.
        labels: One class a sample, or none at all.
        damaged: What was left out: name -> reason.
        regions: Every value that occurs in a mask.
        highest: The highest value that occurs in each channel of the images.
    """

    def __init__(self, path: Path) -> None:
        self.names: list[str] = []
        self.regions: set[int] = set()
        self.highest: Bytes = np.zeros(1, np.uint8)
        self.labels: list[int] = []
        self.damaged: dict[str, str] = {}
        self._path = path
        self._image_shape: tuple[int, ...] = ()
        self._files = {name: (path / f"{name}.u8").open("wb") for name in ("images", "masks")}

    def add(self, name: str, image: Bytes, mask: Bytes | None = None, label: int | None = None) -> None:
        """Append one sample: image (C, S, S), mask (S, S). Either all samples have a mask (a label), or none."""
        self._image_shape = image.shape
        self.names.append(name)
        self.highest = np.maximum(self.highest, image.max(axis=(1, 2)))
        self._files["images"].write(np.ascontiguousarray(image).data)
        if mask is not None:
            self._files["masks"].write(np.ascontiguousarray(mask).data)
            self.regions.update(np.flatnonzero(np.bincount(mask.ravel())).tolist())
        if label is not None:
            self.labels.append(int(label))

    def close(self, about: Mapping[str, object]) -> None:
        """Write the index and let everything reach the disk."""
        with_masks = self._files["masks"].tell() > 0
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        channels, size = self._image_shape[:2]
        index = {
            "about": about,
            "channels": channels,
            "size": size,
            "masks": with_masks,
            "names": self.names,
            "labels": self.labels or None,
            "damaged": self.damaged,
        }
        with (self._path / "index.json").open("w", encoding="utf-8") as index_file:
            json.dump(index, index_file)
            index_file.flush()
            os.fsync(index_file.fileno())

    def abandon(self) -> None:
        """Close the files of an unfinished store."""
        for file in self._files.values():
            file.close()


def open_store(
    name: str, about: Mapping[str, object], sources: Iterable[Path], fill: Callable[[StoreWriter], None]
) -> Store:
    """Open the store of this content; build it first if nobody has yet.

    Args:
        name: Readable beginning of its folder's name, such as `lfw-train`.
        about: What decides the pixels beside the files: size, resize, mask rule, names, labels, ...
        sources: The files it is made of; their names, sizes and times are part of the key, so that changed files
            are decoded anew.
        fill: Writes the samples.

    Raises:
        DataError: the cache folder cannot be written, or not one sample could be read; or one of `fill`.
    """
    path = cache_dir() / f"{name}-{_key(about, sources)}"
    if not _is_complete(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(path.with_name(path.name + ".lock"), f"decodes {name}"):
                if not _is_complete(path):
                    _build(path, about, fill)
        except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
            raise DataError(
                f"The cache of decoded images {path} could not be written ({error}). Set TIAE_ZOO_CACHE to a local "
                "folder with enough room."
            ) from error
    return Store(path)


def _key(about: Mapping[str, object], sources: Iterable[Path]) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, about], sort_keys=True).encode())
    for path in sources:
        stat = path.stat()
        # Whole seconds: copies by some tools and file systems keep no more
        digest.update(f"{path.parent.name}/{path.name} {stat.st_size} {int(stat.st_mtime)}\n".encode())
    return digest.hexdigest()[:16]


def _is_complete(path: Path) -> bool:
    """Whether all files are there; some systems clean old files out of caches one by one."""
    return all((path / name).is_file() for name in ("index.json", "images.u8", "masks.u8"))


def _build(path: Path, about: Mapping[str, object], fill: Callable[[StoreWriter], None]) -> None:
    shutil.rmtree(path, ignore_errors=True)
    for left_over in path.parent.glob(f"{path.name}.tmp*"):  # a killed build's; we hold the lock
        shutil.rmtree(left_over, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{path.name}.tmp", dir=path.parent))
    writer = StoreWriter(temporary)
    try:
        fill(writer)
        if not writer.names:
            raise DataError(
                f"None of the {len(writer.damaged)} images of {path.name.rpartition('-')[0]} can be read "
                f"({next(iter(writer.damaged.values()), 'there are none')}). Fetch or copy them again."
            )
        writer.close(about)
        temporary.chmod(0o755)
        temporary.replace(path)
    finally:
        writer.abandon()
        shutil.rmtree(temporary, ignore_errors=True)


def warn_of_damaged(store: Store, what: str) -> None:
    """Count and name the images that were left out, if there are any."""
    if store.damaged:
        reasons = [f"{name} ({reason})" for name, reason in store.damaged.items()]
        total = len(store) + len(reasons)
        rank_zero_warn(f"{len(reasons)} of {total} images of {what} are damaged and left out: {listed(reasons)}.")


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def add_greys(
    writer: StoreWriter, part: str, pictures: Bytes, labels: npt.NDArray[np.int64], size: int, resize: Resize
) -> None:
    """Write the pictures of a file that holds many, as squares of one channel.

    Args:
        writer: Takes them.
        part: The beginning of their names.
        pictures: Grey, (N, H, W).
        labels: One class a picture.
        size: Side of the squares in pixels.
        resize: How they are interpolated.
    """
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        small = np.asarray(square(Image.fromarray(picture), size, resize))
        writer.add(f"{part}_{i:05d}", small[None], label=int(label))


def decode_all(
    writer: StoreWriter, items: list[Item], decode: Callable[[Item], tuple[Bytes, Bytes | None]], what: str
) -> None:
    """Decode `items` by several threads, in order, with a progress bar; damaged ones are noted and left out.

    Threads, not processes: Pillow decodes and resizes without the interpreter lock, and threads are safe beside CUDA,
    spawn and scripts without a main guard.
    """
    rank_zero_info(f"Decoding {len(items)} images of {what} into {cache_dir()}, once.")

    def attempt(item: Item) -> tuple[Bytes, Bytes | None] | str:
        try:
            return decode(item)
        except DamagedImageError as damage:
            return str(damage)

    with (
        ThreadPoolExecutor(cores()) as pool,
        tqdm(total=len(items), desc=f"Decoding {what}", unit="img", disable=None) as bar,
    ):
        for start in range(0, len(items), 256):  # not all at once: results would pile up before a slow disk
            batch = items[start : start + 256]
            for item, result in zip(batch, pool.map(attempt, batch), strict=True):
                if isinstance(result, str):
                    writer.damaged[item.name] = result
                else:
                    writer.add(item.name, *result, item.label)
                bar.update()
