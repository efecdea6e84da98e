"""Addresses several datasets share."""

from tiae_zoo.data.archives import RemoteFile

# The split lists of the ReDO authors are CC BY-NC: fetched when needed, never shipped
_REDO = "mickaelChen/ReDO", "d6542528ca97c5c533694c4095ba003cb7a95d4c"


def redo_list(path: str, sha256: str, places: tuple[str, ...] = ()) -> RemoteFile:
    """A split list of the ReDO authors' repository.

    Args:
        path: Below its `datasplits/`.
        sha256: Hexadecimal digest.
        places: Where it may lie in the dataset's folder; default its own name.
    """
    name = path.rpartition("/")[2]
    repository, commit = _REDO
    return RemoteFile(
        name=name,
        what=f"split list {name} of the ReDO authors",
        digest=f"sha256:{sha256}",
        urls=(
            f"https://raw.githubusercontent.com/{repository}/{commit}/datasplits/{path}",
            f"https://cdn.jsdelivr.net/gh/{repository}@{commit}/datasplits/{path}",
        ),
        places=places or (name,),
    )
