"""Where the zoo keeps what it can make again, and one process at a time making it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Where stores lie: `$TIAE_ZOO_CACHE`, or the user's cache directory. Safe to delete at any time."""
    chosen = os.environ.get("TIAE_ZOO_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("tiae-zoo"))


@contextmanager
def exclusive(lock: Path, what: str) -> Iterator[None]:
    """Hold the lock; say so when another process has it and this one must wait."""
    holder = FileLock(lock)
    try:
        holder.acquire(timeout=1)
    except Timeout:
        _log.warning("Another process %s; waiting for it (%s).", what, lock)
        holder.acquire()
    try:
        yield
    finally:
        holder.release()
