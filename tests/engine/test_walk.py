"""Walking in tiles, on several threads and within a budget leads to the same partition as walking in one piece."""

import re
from itertools import pairwise

import pytest
import torch
from torch import nn

import splinegeo as sg
from splinegeo.engine import front
from splinegeo.engine.crew import Crew
from splinegeo.testing import NETWORK_KINDS, assert_same_partition, assert_valid_partition, random_network

from .zoo import ZOO


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(front, "_REGIONS_PER_TILE", 4)
    monkeypatch.setattr(front, "_ELEMENTS_PER_TILE", 2**8)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def square(s):
    return sg.Slice.box((-s, s), (-s, s))


def mlp(*widths, seed=0):
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def test_tiles_change_nothing(small_tiles, monkeypatch):
    model = mlp(2, 16, 16, 16, 3)
    tiled = sg.compute_partition(model, square(3))
    assert_valid_partition(tiled, model)
    monkeypatch.undo()
    assert_same_partition(tiled, sg.compute_partition(model, square(3)))


def test_threads_change_nothing(small_tiles, two_threads):
    model = mlp(2, 16, 16, 16, 3)
    parallel = sg.compute_partition(model, square(3))
    torch.set_num_threads(1)
    alone = sg.compute_partition(model, square(3))
    assert_same_partition(parallel, alone)
    assert parallel.certificate.n_zero == alone.certificate.n_zero


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_degenerate_networks_in_tiles_and_in_a_budget(kind, small_tiles, monkeypatch):
    model, window = random_network(kind, 3)
    domain = sg.Slice.polygon(window)
    tiled = sg.compute_partition(model, domain)
    budgeted = sg.compute_partition(model, domain, max_memory=2**14)
    monkeypatch.undo()
    whole = sg.compute_partition(model, domain)
    assert_same_partition(tiled, whole)
    assert_same_partition(budgeted, whole)


def test_several_slices_in_tiles(small_tiles):
    model = mlp(2, 12, 12, 1)
    domains = [sg.Slice.box((x, x + 2), (-1, 1)) for x in (-3, -1, 1)]
    for part, domain in zip(sg.compute_partitions(model, domains), domains, strict=True):
        assert_valid_partition(part, model)
        assert_same_partition(part, sg.compute_partition(model, domain))


@pytest.mark.parametrize("budget", [2**22, 2**19, 2**16])
def test_a_budget_changes_nothing(budget):
    model = mlp(2, 40, 40, 1)
    part = sg.compute_partition(model, square(2), max_memory=budget)
    assert_valid_partition(part, model)
    assert_same_partition(part, sg.compute_partition(model, square(2)))


def test_a_budget_for_residual_convolutions():
    torch.manual_seed(0)

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(1, 4, 3, padding=1)
            self.one = nn.Conv2d(4, 4, 3, padding=1)
            self.two = nn.Conv2d(4, 4, 3, padding=1)
            self.head = nn.Linear(4 * 4, 3)

        def forward(self, x):
            x = self.stem(x)
            x = x + self.two(torch.relu(self.one(torch.relu(x))))
            return self.head(torch.nn.functional.max_pool2d(torch.relu(x), 2).flatten(1))

    model = Residual()
    domain = sg.Slice.around(torch.randn(1, 4, 4), 1.0)
    part = sg.compute_partition(model, domain, max_memory=2**17)
    assert_same_partition(part, sg.compute_partition(model, domain))


@pytest.mark.parametrize("budget", [2**21, 2**20])
def test_zeros_are_zero_also_where_values_are_computed_anew(budget):
    """Around an image of zeros a maximum has many exact ties: rounding in what is behind a ReLU would break them."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 2), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3)),
    )
    domain = sg.Slice.around(torch.zeros(1, 8, 8), 3.0, 0)
    whole = sg.compute_partition(model, domain)
    budgeted = sg.compute_partition(model, domain, max_memory=budget)
    assert_same_partition(budgeted, whole)
    assert budgeted.certificate.n_snapped <= whole.certificate.n_snapped + 20


def test_what_cannot_fit_is_refused_with_what_would():
    model, domain = mlp(2, 50, 200, 50, 1), square(1)
    enough, refusals = as_advised(model, domain, 2**10)
    assert 1 <= len(refusals) <= 3
    assert not any("\n" in refusal for refusal in refusals)
    assert_same_partition(enough, sg.compute_partition(model, domain))


@pytest.mark.parametrize("seed", [4, 5])
@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_whatever_budget_does_gives_the_same(kind, seed):
    """Tiles of a few regions, on some of which all units of a layer are zero but for rounding."""
    model, window = random_network(kind, seed)
    domain = sg.Slice.polygon(window)
    budgeted, _ = as_advised(model, domain, 400)
    assert_same_partition(budgeted, sg.compute_partition(model, domain))


def as_advised(model, domain, budget):
    """The partition within the least budget that does, following the advice from a too small one; and the refusals."""
    refusals = []
    while True:
        try:
            return sg.compute_partition(model, domain, max_memory=budget), refusals
        except sg.MemoryBudgetError as error:
            refusals.append(str(error))
        budget *= int(re.search(r"allow at least (\d+) times as much", refusals[-1]).group(1))


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf"), "4 GiB"])
def test_a_budget_is_a_number_of_bytes(budget):
    with pytest.raises(sg.InvalidInputError, match="number of bytes, at least 1, not"):
        sg.compute_partition(mlp(2, 3, 1), square(1), max_memory=budget)
    with pytest.raises(sg.MemoryBudgetError):
        sg.compute_partition(mlp(2, 3, 1), square(1), max_memory=1)


def test_a_budget_may_be_written_as_a_power_of_ten():
    assert sg.compute_partition(mlp(2, 8, 1), square(1), max_memory=1e9).n_regions > 1


def test_an_error_in_one_tile_stops_the_others():
    crew, done = Crew(2), []

    def work(item):
        crew.require_wanted()
        if item == 0:
            raise ValueError("tile 0")
        done.append(item)

    with pytest.raises(ValueError, match="tile 0"):
        crew.each(work, range(1000))
    with pytest.raises(InterruptedError):
        crew.require_wanted()
    assert len(done) < 999


@pytest.mark.parametrize("widths", [(2, 8, 8, 1), (2, 400, 400, 1)], ids=["small", "large"])
def test_the_number_of_threads_is_left_as_it_was(widths, two_threads):
    sg.compute_partition(mlp(*widths), square(0.2))
    assert torch.get_num_threads() == 2


def test_a_crew_leaves_the_number_of_threads_as_it_was(two_threads):
    assert Crew(2).each(lambda item: (item, torch.get_num_threads(), torch.is_grad_enabled()), range(3)) == [
        (item, 1, False) for item in range(3)
    ]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("max_memory", [20_000, 60_000])
def test_rows_that_are_folded_between_nonlinearities_are_never_cut(max_memory):
    factory, _, _ = ZOO["rows folded in between"]
    torch.manual_seed(0)
    model = factory().double()
    whole = sg.compute_partition(model, square(3))
    budgeted = sg.compute_partition(model, square(3), max_memory=max_memory)
    assert budgeted.check(model).ok
    assert_same_partition(whole, budgeted)
