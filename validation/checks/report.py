"""The report: one HTML page that needs nothing else, and the same as JSON."""

from __future__ import annotations

import base64
import io
import json
import math
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure

import splinegeo as sg

from .finding import Cell, Finding, Table

FORMAT = "splinegeo-validation-1"
DPI = 150


@dataclass(frozen=True)
class Entry:
    """A finding, the seconds that it took, and the command that repeats it."""

    finding: Finding
    seconds: float
    command: str


@dataclass(frozen=True)
class Report:
    """All findings of one run; `size` is ``"quick"`` or ``"full"``."""

    entries: tuple[Entry, ...]
    size: str
    seed: int

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(entry.finding.name for entry in self.entries if entry.finding.verdict == "fail")

    @property
    def ok(self) -> bool:
        """Whether none did."""
        return not self.failed


def save_report(out: Path, report: Report) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json``, each whole or not at all."""
    page, data = render(report).encode(), json.dumps(as_json(report), indent=1, allow_nan=False).encode()
    return (
        sg.write_whole(out / "report.html", lambda stream: stream.write(page)),
        sg.write_whole(out / "report.json", lambda stream: stream.write(data)),
    )


def as_json(report: Report) -> dict[str, Any]:
    """What the page says, for programs; the pictures by their captions only."""
    return {
        "format": FORMAT,
        "size": report.size,
        "seed": report.seed,
        "ok": report.ok,
        "failed": list(report.failed),
        "versions": versions(),
        "findings": [_finding(entry) for entry in report.entries],
    }


def render(report: Report) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"show": show, "png": data_uri}
    return environment.get_template("report.html").render(report=report, versions=versions())


def versions() -> dict[str, str]:
    """Of what computed the numbers."""
    packages = {name: version(name) for name in ("splinegeo", "torch", "numpy", "scipy", "shapely")}
    return {**packages, "python": platform.python_version()}


def show(value: Cell) -> str:
    """A cell as text: four significant digits, thousands apart.

    >>> show(12345), show(0.123456), show(1e-9), show(True), show(None)
    ('12,345', '0.1235', '1e-09', 'yes', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return value


def data_uri(figure: Figure) -> str:
    """A figure as a PNG within the page."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _finding(entry: Entry) -> dict[str, Any]:
    finding = entry.finding
    return {
        "name": finding.name,
        "title": finding.title,
        "verdict": finding.verdict,
        "claim": finding.claim,
        "source": finding.source,
        "text": finding.text,
        "error": finding.error,
        "rules": [{**asdict(rule), "holds": bool(rule.holds)} for rule in finding.rules],
        "tables": [_table(table) for table in finding.tables],
        "pictures": [picture.caption for picture in finding.pictures],
        "seconds": round(entry.seconds, 1),
        "command": entry.command,
    }


def _table(table: Table) -> dict[str, Any]:
    rows = [[_number(cell) for cell in row] for row in table.rows]
    return {"caption": table.caption, "header": list(table.header), "rows": rows}


def _number(cell: Cell) -> Cell:
    """JSON knows no infinity and no NaN: they become text."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    return str(cell) if isinstance(cell, float) and not math.isfinite(cell) else cell
