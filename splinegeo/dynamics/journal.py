"""The table on disk while a training runs: what is recorded survives the process, and a torn end is cut off."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from splinegeo.errors import InvalidInputError

from ..writing import write_whole
from .table import COLUMNS, Row, csv_text, parse_row

FORMAT = "splinegeo-tracker-1"
_HEADER = csv_text([COLUMNS])
_APPEND = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)  # Windows would write other line breaks


class Journal:
    """A CSV file that grows by whole steps, and beside it ``<name>.json`` with the settings that it was made with.

    All rows of a step are appended in one write, and the last of them has a known place (`last`: quantity, probe,
    radius, layer). So a step is complete exactly when that row and its line break are there: what a process that was
    killed in the middle of a write left behind it is recognised, and cut off.
    """

    def __init__(self, path: str | PathLike[str], settings: dict[str, Any], last: tuple[str, str, float, str]) -> None:
        self._path, self._last = Path(path), last
        self._settings_path = self._path.with_name(self._path.name + ".json")
        settings = {"format": FORMAT, **settings}
        if self._path.exists():
            _require_same(self._path, self._settings_path, settings)
            self.rows, self._size = self._recover()
        else:
            text = json.dumps(settings, indent=1).encode()
            write_whole(self._settings_path, lambda stream: stream.write(text))
            write_whole(self._path, lambda stream: stream.write(_HEADER))
            self.rows, self._size = [], len(_HEADER)

    def append(self, rows: Sequence[Row]) -> None:
        """Write the rows of one step and wait until they are on the disk."""
        text = csv_text(rows)
        try:
            handle = os.open(self._path, _APPEND)
            try:
                if os.fstat(handle).st_size != self._size:
                    raise InvalidInputError(f"'{self._path}' was changed by somebody else while it was written to")
                _write_all(handle, text, self._size)
            finally:
                os.close(handle)
        except OSError as error:
            raise InvalidInputError(f"cannot write '{self._path}': {error.strerror or error}") from error
        self._size += len(text)

    def _recover(self) -> tuple[list[Row], int]:
        """Rows of the complete steps, and the size of the file that holds them alone."""
        content = self._path.read_bytes()
        if not content.startswith(_HEADER):
            raise InvalidInputError(f"'{self._path}' is not a tracker's table: its first line is not {COLUMNS}")
        rows: list[Row] = []
        step: list[Row] = []
        end = size = len(_HEADER)
        torn = False
        for line in content[size:].splitlines(keepends=True):
            end += len(line)
            row = _row_of(line)
            torn |= row is None or (bool(step) and row.step != step[0].step)
            if row is None or not self._is_last(row):
                step += [] if row is None else [row]
                continue
            if torn:
                raise InvalidInputError(f"'{self._path}' is damaged before step {row.step}, not only torn at its end")
            rows += [*step, row]
            step, size = [], end
        if size < len(content):
            os.truncate(self._path, size)
        return rows, size

    def _is_last(self, row: Row) -> bool:
        return (row.quantity, row.probe, row.radius, row.layer) == self._last


def _row_of(line: bytes) -> Row | None:
    """The row of a whole line; None for anything else."""
    try:
        (cells,) = csv.reader([line.decode()], strict=True)
        return parse_row(cells) if line.endswith(b"\n") else None
    except (ValueError, csv.Error):
        return None


def _write_all(handle: int, text: bytes, size: int) -> None:
    """Append and flush; on a disk that is full, take back what found room."""
    try:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


def _require_same(path: Path, settings_path: Path, settings: dict[str, Any]) -> None:
    """Refuse to go on with a table that was begun with other settings."""
    try:
        found = json.loads(settings_path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"'{path}' cannot be gone on with, because '{settings_path}' does not say what it was made with: {error}"
        ) from error
    for name, value in settings.items():
        if found.get(name) != value:
            raise InvalidInputError(
                f"'{path}' was made with {name} = {found.get(name)}, not {value}; take another path, or remove the file"
            )
