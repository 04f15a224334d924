"""The house is as `docs/design.md` says: each room imports only rooms of a lower rank."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| (\d+) \| `([^`]+)` \|", re.MULTILINE)
RANKS = {path.rstrip("/"): int(rank) for rank, path in ROW.findall((ROOT / "docs/design.md").read_text())}
PACKAGES = {"splinegeo": "splinegeo", "splinegeo.viz": "viz", "splinegeo.validation": "validation"}
SOURCES = sorted(p for d in ("splinegeo", "viz", "validation") for p in (ROOT / d).rglob("*.py"))


def room_of(path: Path) -> str | None:
    """The room that a file belongs to; None for the front door (`splinegeo/__init__.py`)."""
    relative = path.relative_to(ROOT).as_posix()
    return next((room for room in RANKS if relative == room or relative.startswith(room + "/")), None)


def imported_files(path: Path):
    """Files of this project that `path` imports anywhere in its text, relative imports resolved."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.parent
                for _ in range(node.level - 1):
                    package = package.parent
                yield from resolve(package.joinpath(*base.split(".")) if base else package, node.names)
            elif base.split(".")[0] == "splinegeo":
                yield from resolve(locate(base), node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "splinegeo":
                    yield from resolve(locate(alias.name), [])


def locate(module: str) -> Path:
    for package in sorted(PACKAGES, key=len, reverse=True):
        if module == package or module.startswith(package + "."):
            return ROOT.joinpath(PACKAGES[package], *module[len(package) :].strip(".").split("."))
    raise AssertionError(module)


def resolve(target: Path, names):
    """`from target import names`: submodules where they are, else the module itself."""
    if target.with_suffix(".py").exists():
        yield target.with_suffix(".py")
        return
    for alias in names or [None]:
        submodule = target / f"{alias.name}.py" if alias else None
        mapped = ROOT / alias.name if alias and target == ROOT / "splinegeo" else None
        if submodule and submodule.exists():
            yield submodule
        elif alias and (target / alias.name).is_dir():
            yield target / alias.name / "__init__.py"
        elif mapped and mapped.is_dir() and alias.name in ("viz", "validation"):
            yield mapped / "__init__.py"
        else:
            yield target / "__init__.py"


def test_every_source_file_has_a_room():
    homeless = [p.relative_to(ROOT).as_posix() for p in SOURCES if room_of(p) is None]
    assert homeless == ["splinegeo/__init__.py"]


def test_every_room_of_the_table_exists():
    assert all((ROOT / room).exists() for room in RANKS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_flow_one_way(path):
    here = room_of(path)
    if here is None:
        return  # the front door opens every room
    for target in imported_files(path):
        there = room_of(target)
        if here in ("viz", "validation"):
            assert there is None or there == here or there in ("viz", "splinegeo/testing"), (
                f"{path} may use the front door only, not {target}"
            )
        elif here == "splinegeo/cli":
            continue
        else:
            assert there is not None, f"{path} imports the front door; import the room itself"
            assert there == here or RANKS[there] < RANKS[here], f"{path} must not import {target}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_import_hides_inside_a_function(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            hidden = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not hidden, f"{path}: {node.name} imports inside its body"
