"""Folders of the user's own: where they are and which pictures lie in them."""

from pathlib import Path

from tiae_zoo.data.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".jp2", ".ppm", ".pgm", ".tga")


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
    path = Path(given).expanduser()
    candidates = [path] if path.is_absolute() else [path, data_root / path]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    looked = " or ".join(str(candidate.absolute()) for candidate in candidates)
    raise DataError(f"There is no folder {looked}. Point {option} to the folder of your {what}.")


def pictures(folder: Path) -> list[Path]:
    """Picture files below a folder, sorted; hidden ones (thumbnails of other systems) do not count."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
