"""The page's code: files of plain JavaScript, joined to the one module that every host runs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "page"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)


@cache
def module() -> str:
    """One ES module, without imports: a file after the files that it imports from.

    A page that was opened from disk, a notebook's cell and a server then run the very same text. The files share one
    scope, so no two of them may declare the same name at their top level.
    """
    return "\n".join(_IMPORT.sub("", _EXPORT.sub("", _text(name))) for name in _order("explorer"))


def style() -> str:
    """The page's style sheet."""
    return (_FOLDER / "explorer.css").read_text(encoding="utf-8")


def page(title: str, start: str, *, content: str = "", connect: str = "'none'") -> str:
    """A whole page: the module, a line that starts it, and what else it holds.

    Its content policy forbids everything that is not in the page itself, and every connection but `connect`.
    """
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    template = (_FOLDER / "page.html").read_text(encoding="utf-8")
    parts = {
        "title": escaped,
        "style": style(),
        "module": module(),
        "start": start,
        "content": content,
        "connect": connect,
    }
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: parts[found[1]], template)


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.js").read_text(encoding="utf-8")


def _order(last: str) -> list[str]:
    order: list[str] = []

    def visit(name: str, path: tuple[str, ...] = ()) -> None:
        if name in order or name in path:
            return
        for imported in _IMPORT.findall(_text(name)):
            visit(imported, (*path, name))
        order.append(name)

    visit(last)
    return order
