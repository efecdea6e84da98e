"""Folders of the user's own: where they are and which pictures lie in them."""

from pathlib import Path

from tiae_zoo.data.errors import DataError

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".avif",
    ".heic",
    ".jp2",
    ".ppm",
    ".pgm",
    ".tga",
)
WILDCARDS = frozenset("*?[")


def find_folder(given: str, data_root: Path, option: str, what: str) -> Path:
    """The folder itself: as it is, relative to the working directory, or below the root of all data.

    Args:
        given: What the user wrote.
        data_root: The folder of all datasets.
        option: Where the user wrote it, such as `--data.images`.
        what: What lies in it, in words.

    Raises:
        DataError: there is none; the message says where it was looked for.
    """
    for candidate in places(given, data_root):
        if candidate.is_dir():
            return candidate
    raise DataError(f"There is no folder {all_places(given, data_root)}. Point {option} to the folder of your {what}.")


def find_pictures(given: str, data_root: Path, option: str) -> tuple[Path, list[Path]]:
    """The folder that names start from, and the pictures that a folder, a file or a pattern such as `*.jpg` means.

    Args:
        given: What the user wrote; of a pattern, files that are no pictures do not count.
        data_root: The folder of all datasets.
        option: Where the user wrote it, such as `--data.images`.

    Raises:
        DataError: there is no such place; the message says where it was looked for.
    """
    for place in places(given, data_root):
        if place.is_dir():
            return place, pictures(place)
        if place.is_file():
            return place.parent, [place]
        start = next(parent for parent in place.parents if not WILDCARDS & set(str(parent)))
        pattern = place.relative_to(start).as_posix()
        if WILDCARDS & set(pattern) and (found := [path for path in sorted(start.glob(pattern)) if is_picture(path)]):
            return start, found
    if WILDCARDS & set(given):
        raise DataError(
            f"No picture matches {all_places(given, data_root)}. Correct {option}, and quote it so that it is not the "
            "shell that reads the pattern."
        )
    raise DataError(f"There is no folder or file {all_places(given, data_root)}. Point {option} to your pictures.")


def places(given: str, data_root: Path) -> list[Path]:
    """Where a path of the user's is looked for: as it is, relative to the working directory, below the data root."""
    path = Path(given).expanduser()
    return [path] if path.is_absolute() else [path, data_root / path]


def all_places(given: str, data_root: Path) -> str:
    """The places of `places` in words."""
    return " or ".join(str(place.absolute()) for place in places(given, data_root))


def pictures(folder: Path) -> list[Path]:
    """Picture files below a folder, sorted; hidden ones (thumbnails of other systems) do not count."""
    return sorted(
        path
        for path in folder.rglob("*")
        if is_picture(path) and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def is_picture(path: Path) -> bool:
    """Whether it is a file whose ending is one of a picture."""
    return path.suffix.lower() in SUFFIXES and path.is_file()
