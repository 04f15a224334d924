"""The front door: light to import, complete, and the same from every side."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import splinegeo as sg

ROOT = Path(__file__).parent.parent


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_importing_loads_nothing_heavy():
    """What it costs is paid when it is used: importing the package after torch takes milliseconds."""
    heavy = ("scipy", "networkx", "shapely", "matplotlib", "tqdm", "typer", "splinegeo.engine", "torch")
    code = f"import sys, splinegeo; print([m for m in {heavy} if m in sys.modules])"
    assert run("-c", code).stdout.strip() == "[]"


def test_computing_loads_no_statistics_and_no_pictures():
    code = (
        "import sys, splinegeo as sg; sg.compute_partition; print([m for m in ('scipy.stats', 'matplotlib', 'typer', "
        "'pandas', 'lightning') if m in sys.modules])"
    )
    assert run("-c", code).stdout.strip() == "[]"


def test_every_name_of_the_stub_is_there_and_no_other():
    names = set()
    for node in ast.parse((ROOT / "splinegeo/__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            assert all(alias.asname == alias.name for alias in node.names), "the stub re-exports explicitly"
            names |= {alias.name for alias in node.names}
    assert set(sg.__all__) == names
    assert names <= set(dir(sg))
    for name in names:
        value = getattr(sg, name)
        assert value.__doc__, f"{name} has no docstring"
        assert value.__name__ == name
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = sg.nothing_such


def test_the_version_is_said_by_the_package_and_by_the_command():
    assert sg.__version__.count(".") == 2
    result = run("-m", "splinegeo", "--version")
    assert (result.returncode, result.stdout) == (0, f"splinegeo {sg.__version__}\n")


def test_the_package_runs_as_a_module_with_one_line_for_what_is_wrong():
    result = run("-m", "splinegeo", "partition", "--model", "nothing", "--box", "0", "1", "0", "1")
    assert result.returncode == 1
    assert result.stderr.startswith("splinegeo: 'nothing' does not name a factory")
    assert result.stderr.count("\n") == 1
