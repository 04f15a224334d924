"""Files appear whole or not at all, where their name leads, and only where writing is allowed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import IO

from .errors import InvalidInputError

# A temporary file that nobody has written to for so long belongs to a run that was killed.
_ABANDONED_AFTER = 3600.0  # seconds


def write_whole(path: str | PathLike[str], write: Callable[[IO[bytes]], object]) -> Path:
    """Call `write` on a temporary file beside `path`, then move it into place: whole or not at all.

    A symbolic link stays one: what it points to is written. A file that is there keeps its permissions. What killed
    runs have left of this file is removed.

    Raises
    ------
    InvalidInputError
        If the folder does not exist or cannot be written to, or if what is there is read-only or no file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_whole(f"{folder}/hello.txt", lambda stream: stream.write(b"hello")).read_bytes()
    b'hello'
    """
    path = Path(path)
    if "\0" in str(path):
        raise InvalidInputError(f"cannot write {str(path)!r}: a name contains no null character")
    place = Path(os.path.realpath(path))
    # The name is known before the file is there, so that no interrupt falls between its creation and its removal.
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
    try:
        _require_replaceable(place)
        _remove_abandoned(place)
        with open(temporary, "xb") as stream:
            write(stream)
        if place.exists():
            shutil.copymode(place, temporary)
        os.replace(temporary, place)
    except OSError as error:
        raise InvalidInputError(f"cannot write '{path}': {error.strerror or error}") from error
    finally:
        if os.path.lexists(temporary):
            temporary.unlink()
    return path


def _require_replaceable(place: Path) -> None:
    """Moving another file into its place asks the folder alone, neither the file nor what kind of thing it is."""
    if place.is_symlink():
        raise OSError("its links lead in a circle")
    if not place.exists():
        return
    mode = place.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError("it is there, and is no file")
    if not (mode & 0o222 and os.access(place, os.W_OK)):
        raise OSError("it is read-only")


def _remove_abandoned(place: Path) -> None:
    """Temporary files of this file, left by runs that were killed."""
    temporary, now = re.compile(rf"\.{re.escape(place.name)}\.[0-9a-f]{{16}}"), time.time()
    for name in os.listdir(place.parent):
        if temporary.fullmatch(name):
            with suppress(OSError):  # another process was faster, or it belongs to somebody else
                left = place.parent / name
                if now - left.stat().st_mtime > _ABANDONED_AFTER:
                    left.unlink()
