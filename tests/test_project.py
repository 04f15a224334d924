"""The files around the code say the same as the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

if not (ROOT / "pyproject.toml").exists():
    pytest.skip("only in the repository", allow_module_level=True)


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def matched(pattern, name):
    return re.search(pattern, text(name), re.MULTILINE).group(1)


def test_one_version():
    version = matched(r'^version = "(.+)"$', "pyproject.toml")
    assert matched(r"^version: (.+)$", "CITATION.cff") == version


def test_every_folder_of_code_ships():
    """Found anew at each build: a new folder is not forgotten, and no generic name enters site-packages."""
    listed = subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup = lambda packages: print(*packages)\n"
         "exec(compile(open('setup.py').read(), 'setup.py', 'exec'))"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    folders = [f.parent.relative_to(ROOT).parts for top in ("splinegeo", "viz", "validation")
               for f in (ROOT / top).rglob("__init__.py")]  # fmt: skip
    expected = {".".join(parts if parts[0] == "splinegeo" else ("splinegeo", *parts)) for parts in folders}
    assert set(listed.stdout.split()) == expected


def test_the_allowed_pythons_are_those_that_are_tested():
    oldest = matched(r'^requires-python = ">=(.+)"$', "pyproject.toml")
    said = re.findall(r"Programming Language :: Python :: (3\.\d+)", text("pyproject.toml"))
    assert said[0] == oldest
    assert re.findall(r"3\.\d+", matched(r"python: (\[.*\])", ".github/workflows/ci.yml")) == said
    assert matched(r"^OLDEST \?= python(.+)$", "Makefile") == oldest
    assert matched(r"Python (3\.\d+)\+", "README.md") == oldest


def test_make_explains_every_target():
    names = matched(r"^\.PHONY: (.+)$", "Makefile").split()
    explained = re.findall(r"^([a-z-]+):.*## .+$", text("Makefile"), re.MULTILINE)
    assert explained == names
