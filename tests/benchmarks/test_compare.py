"""The comparison itself: contestants count the same regions; ratios are taken repeat by repeat."""

import json
import math
import subprocess
import sys

import pytest
import torch

import splinegeo as sg
from benchmarks import compare, scaling
from benchmarks.floor import Floor, Speeds
from benchmarks.relatives import by_regioncam, by_relucent, whole
from benchmarks.timing import Spread, Times, in_turn
from benchmarks.workloads import DIAMOND, Workload, random_network


def test_ratios_are_taken_repeat_by_repeat():
    times = Times({"a": [2.0, 9.0, 4.0], "b": [1.0, 3.0, 1.0]}, {})
    assert times.ratio("a", "b") == Spread(3.0, 2.0, 4.0)
    assert times.spread("a") == Spread(4.0, 2.0, 9.0)


def test_everybody_runs_once_in_every_repeat_and_nobody_always_first():
    order = []
    times = in_turn({name: lambda name=name: order.append(name) or len(order) for name in "abc"}, 3)
    assert order == list("abcbcacab")
    assert {name: len(seconds) for name, seconds in times.seconds.items()} == {"a": 3, "b": 3, "c": 3}
    assert times.results["a"] == [1, 6, 8]


def test_contestants_find_the_same_regions():
    pytest.importorskip("regioncam")
    torch.manual_seed(0)
    plane = sg.Slice.around(torch.rand(20), 1.0)
    model = torch.nn.Sequential(torch.nn.Linear(20, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8), torch.nn.ReLU())
    domains = [sg.Slice(plane.origin, plane.basis, size * DIAMOND, (20,)) for size in (1.0, 5.0)]
    states = [model.state_dict(), {name: 2 * value + 0.1 for name, value in model.state_dict().items()}]
    for workload in (random_network((2, 12, 12, 1), 1), Workload("two by two", model, domains, states)):
        assert by_regioncam(workload)() == whole(workload)() > 20


@pytest.mark.slow
def test_relucent_finds_them_too():
    pytest.importorskip("relucent")
    row = random_network((2, 6, 6, 1), 1)
    assert by_relucent(row, 1)() == whole(row)()


def test_what_relatives_cannot_take_is_left_out():
    conv = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten())
    workload = Workload.of("conv", conv, [sg.Slice.around(torch.rand(1, 5, 5), 1.0)])
    assert by_regioncam(workload) is None
    assert by_relucent(workload, 1) is None
    assert {"whole", "bare", "floor"} == set(compare.contestants(workload, 1000, 1))


def test_a_difference_of_counts_is_shown(capsys):
    times = Times({"whole": [1.0], "bare": [1.0], "floor": [1.0], "peer": [4.0]},
                  {"whole": [7], "bare": [7], "floor": [9], "peer": [8]})  # fmt: skip
    row = compare.report("a row", times)
    assert "but {'whole': [7], 'bare': [7], 'peer': [8]}" in capsys.readouterr().out
    assert row["ratios"]["peer / whole"] == {"median": 4.0, "smallest": 4.0, "largest": 4.0}


def test_the_floor_counts_bytes_and_operations():
    row = random_network((2, 8, 5), 1)
    parts = sg.compute_partitions(row.model, row.domains, states=row.states)
    n, never = parts[0][0].n_vertices, math.inf
    floor = Floor(row, parts)
    # 8 values after the first layer, 8 after the ReLU, 5 in the end: written once, read once
    assert floor.at(Speeds("", bytes=1.0, operations=never)) == n * 2 * 8 * (8 + 8 + 5)
    assert floor.at(Speeds("", bytes=never, operations=1.0)) == n * 2 * (2 * 8 + 8 * 5)
    assert floor() == n


def test_speeds_are_measured():
    speeds = Speeds.of("cpu", 2**16, 64)
    assert speeds.bytes > 1e7
    assert speeds.operations > 1e6


def test_slopes_are_exponents():
    points = [{"regions": 10**k, "seconds": 3 * 10 ** (1.5 * k)} for k in range(2, 8)]
    assert scaling.slope(points, "regions", "seconds") == pytest.approx(1.5)
    assert math.isnan(scaling.slope(points[:3], "regions", "seconds"))


@pytest.mark.slow
def test_the_commands_run(tmp_path):
    for module, arguments in (
        ("compare", ["--rows", "1", "--repeats", "2", "--relucent", "0"]),
        ("scaling", ["--most", "12000", "--budget", "1", "--picture", tmp_path / "scaling.png"]),
    ):
        path = tmp_path / f"{module}.json"
        command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments), "--json", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        assert json.loads(path.read_text())
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
