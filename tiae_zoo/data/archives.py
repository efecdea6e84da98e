"""Finding a dataset's files: in place, in an archive placed by hand, or by download."""

import hashlib
import shutil
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tiae_zoo.caching import cache_dir, exclusive
from tiae_zoo.data.errors import DataError, MissingFileError
from tiae_zoo.download import fetch, writable

ELSEWHERE = "set --data.root to a folder you may write"


@dataclass(frozen=True)
class RemoteFile:
    """One official file and what it brings.

    Attributes:
        name: Its official file name; placed by hand under this name, it is read as it is.
        what: What it is, in words.
        digest: `md5:...` or `sha256:...` of the official file. Only downloads are checked against it.
        urls: Where it is to be had; none if its host is gone.
        places: Paths, relative to the dataset's folder, of what it brings. The first is where a download (unpacked, if
            it is an archive) arrives; the others are accepted too.
    """

    name: str
    what: str
    digest: str
    urls: tuple[str, ...]
    places: tuple[str, ...]

    @property
    def source(self) -> str:
        """Where it is to be had and how to know it, for messages."""
        return f"{self.urls[0] if self.urls else f'a copy of {self.name}'} ({self.digest.replace(':', ' ')})"

    @property
    def is_archive(self) -> bool:
        """Whether it has to be unpacked."""
        return self.name.endswith((".tgz", ".tar.gz", ".tar"))


def provide(file: RemoteFile, folder: Path, download: bool = False, otherwise: str = "") -> Path:
    """Where the content of `file` lies; unpacked and downloaded first if need be.

    Args:
        file: What is wanted.
        folder: The dataset's folder.
        download: Fetch it if it is missing.
        otherwise: What the user can do without it, for the error.

    Raises:
        DataError: it is not there, or cannot be fetched or unpacked.
    """
    for place in file.places:
        if (folder / place).exists():
            return folder / place
    archive = folder / file.name
    if file.is_archive and archive.exists():
        return _unpack(archive, file.places[0])
    if not (download and file.urls):
        raise missing(file, folder, otherwise)
    target = archive if file.is_archive else folder / file.places[0]
    fetch(file.urls, target, file.digest, ELSEWHERE)
    return _unpack(archive, file.places[0]) if file.is_archive else target


def missing(file: RemoteFile, folder: Path, otherwise: str = "") -> MissingFileError:
    """The error that tells what was looked for, where, and the ways to get it."""
    looked_for = [*file.places, *([file.name] if file.is_archive else [])]
    name = file.name if file.is_archive else file.places[0]
    if file.urls:
        way = f"Add --data.download true to fetch it, or place {file.source} there by hand as {name}"
    else:
        way = f"It can no longer be downloaded: place {file.source} there by hand"
    return MissingFileError(
        f"Missing {file.what}: there is no {' and no '.join(looked_for)} in {folder.absolute()}. {way}"
        + (f"; {otherwise}." if otherwise else ".")
    )


def _unpack(archive: Path, brings: str) -> Path:
    """Unpack beside the archive, or in the cache if that folder is read-only; return where what it `brings` is."""
    destination = archive.parent
    if not writable(destination):
        stat = archive.stat()
        key = hashlib.sha256(f"{archive.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
        destination = cache_dir() / f"unpacked-{key}"
    target = destination / brings
    if target.exists():
        return target
    try:
        destination.mkdir(parents=True, exist_ok=True)
        with exclusive(destination / f".{archive.name}.lock", f"unpacks {archive.name}"):
            if not target.exists():
                _extract(archive, destination, brings)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(
            f"{archive} could not be unpacked into {destination.absolute()} ({error}). "
            "Fetch it again if it is damaged, or make room there."
        ) from error
    return target


def _extract(archive: Path, destination: Path, brings: str) -> None:
    for left_over in destination.glob(f".{archive.name}.tmp*"):  # of a killed run; we hold the lock
        shutil.rmtree(left_over, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{archive.name}.tmp", dir=destination))
    size, title = archive.stat().st_size, f"Unpacking {archive.name}"
    try:
        with (
            archive.open("rb") as raw,
            tqdm(total=size, desc=title, unit="B", unit_scale=True, disable=None) as bar,
            tarfile.open(fileobj=raw) as tar,
        ):
            for member in tar:
                tar.extract(member, temporary, filter="data")
                bar.update(raw.tell() - bar.n)
        if not (temporary / brings).exists():
            raise DataError(f"{archive} holds no {brings}, as the official file does. Remove it and fetch it again.")
        _move_into(temporary, destination, last=temporary / brings)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into(source: Path, destination: Path, last: Path) -> None:
    """Move the children of `source`, merging with folders that exist; `last` comes last, as the sign of completion."""
    for child in sorted(source.iterdir(), key=lambda path: (path == last or path in last.parents, path)):
        target = destination / child.name
        if child.is_dir() and target.is_dir():
            _move_into(child, target, last)
        else:
            child.replace(target)
