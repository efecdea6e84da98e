"""Downloads that resume, are verified, and appear under their name only when complete."""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from lightning.pytorch.utilities import rank_zero_info
from tqdm import tqdm

from tiae_zoo import __version__
from tiae_zoo.caching import exclusive
from tiae_zoo.messages import UserError

USER_AGENT = f"tiae-zoo/{__version__}"  # data.caltech.edu refuses requests without one
TIMEOUT = 60.0  # seconds without a byte
CHUNK = 1 << 18  # bytes
ATTEMPTS = 4  # per address, each resuming where the last broke off
PAUSE = 2.0  # seconds between them


class _BrokenOffError(Exception):
    """The connection ended early; what came is kept."""


class _RefusedError(Exception):
    """This address will not give the file."""


def fetch(urls: Sequence[str], target: Path, digest: str, elsewhere: str) -> None:
    """Download `target` from the first address that works.

    What has arrived is kept as `<target>.part` and continued by the next attempt, even in another run or from another
    address; the file takes its name only after its digest is verified.

    Args:
        urls: Addresses of the same file.
        target: Where to put it; does nothing if it exists.
        digest: `md5:<hex>` or `sha256:<hex>` of the whole file.
        elsewhere: How the user can choose another folder, as an imperative.

    Raises:
        UserError: no address works, with the reason of each; or the folder cannot be written.
    """
    rank_zero_info(f"Downloading {urls[0]} to {target}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not writable(target.parent):
            raise PermissionError(f"{target.parent} is read-only")
        with exclusive(target.with_name(f".{target.name}.lock"), f"downloads {target.name}"):
            if target.exists():
                return
            reasons = []
            for url in urls:
                reason = _fetch_from(url, target, digest)
                if reason is None:
                    return
                reasons.append(f"{url}: {reason}")
    except OSError as error:
        raise UserError(f"{target} could not be written ({error}). Free disk space, or {elsewhere}.") from error
    raise UserError(
        f"{target.name} could not be downloaded ({'; '.join(reasons)}). Run again to continue, or place the file "
        f"({digest.replace(':', ' ')}) at {target.absolute()} by hand."
    )


def _fetch_from(url: str, target: Path, digest: str) -> str | None:
    """Try one address; None on success, else why not."""
    part = target.with_name(f"{target.name}.part")
    reason = ""
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE if attempt else 0)
        resumed = part.exists() and part.stat().st_size > 0
        try:
            _receive(url, part)
        except _BrokenOffError as error:
            reason = str(error)
            continue
        except _RefusedError as error:
            return str(error)
        found = file_digest(part, digest.partition(":")[0])
        if found == digest:
            part.replace(target)
            return None
        part.unlink()
        reason = f"its digest is {found} instead of {digest}"
        if not resumed:  # a whole file that is another one: asking again gives the same
            return reason
    return reason


def _receive(url: str, part: Path) -> None:
    """Append to `part` what it lacks of `url`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # there is nothing beyond `have`: complete, or another file's; the digest tells
            return
        if error.code in (429, 500, 502, 503, 504):
            raise _BrokenOffError(f"the server answered {error.code} {error.reason}") from error
        raise _RefusedError(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        kind = _BrokenOffError if isinstance(error.reason, (TimeoutError, ConnectionResetError)) else _RefusedError
        host = urlsplit(url).hostname
        raise kind(f"no connection to {host} ({error.reason})" if host else str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(f"the connection broke ({error!r})") from error
    with response:
        if response.status != 206:  # the server sends all of it, whatever was asked
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        _write(response, part, have, total)


def _write(response: http.client.HTTPResponse, part: Path, have: int, total: int | None) -> None:
    name = part.name.removesuffix(".part")
    with (
        part.open("r+b" if have else "wb") as file,
        tqdm(total=total, initial=have, desc=name, unit="B", unit_scale=True, unit_divisor=1024, disable=None) as bar,
    ):
        file.seek(have)
        while True:
            try:
                chunk = response.read(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _BrokenOffError(f"the connection broke after {file.tell()} bytes ({error!r})") from error
            if not chunk:
                break
            file.write(chunk)
            bar.update(len(chunk))
        if total is not None and file.tell() < total:
            raise _BrokenOffError(f"the connection ended after {file.tell()} of {total} bytes")
        file.flush()
        os.fsync(file.fileno())


def file_digest(path: Path, algorithm: str) -> str:
    """`<algorithm>:<hex>` of a file's content."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, partial(hashlib.new, algorithm, usedforsecurity=False))
    return f"{algorithm}:{digest.hexdigest()}"


def writable(folder: Path) -> bool:
    """Whether files may be added; a folder without any write permission is left alone even by root."""
    return os.access(folder, os.W_OK) and folder.stat().st_mode & 0o222 != 0
