"""`check` passes whole partitions and catches each way of corrupting one."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import splinegeo as sg


def corrupted(part, **arrays):
    """The same record with other arrays, maps computed before the corruption kept."""
    bad = replace(part, **arrays)
    for name in ("slope", "offset", "_slope_norm"):
        vars(bad)[name] = getattr(part, name)
    return bad


def test_a_whole_partition_passes(part, model):
    for report in (part.check(), part.check(model)):
        assert report.ok
        assert report.n_compared == part.n_regions


def test_a_float32_module_is_compared_in_float64_and_left_alone(part, model):
    single = copy.deepcopy(model).float()
    found = sg.compute_partition(single, part.domain)
    assert found.check(single).ok
    assert next(single.parameters()).dtype == torch.float32


def test_moved_vertex(part):
    inner = np.setdiff1d(np.arange(part.n_vertices), part.edges[part.edge_layer < 0])
    vertices = part.vertices.copy()
    vertices[inner[3]] += 0.05
    report = corrupted(part, vertices=vertices).check()
    assert not report.ok
    touched = {
        r for r in range(part.n_regions) if inner[3] in part.region_vertices[slice(*part.region_offsets[r : r + 2])]
    }
    assert touched & set(report.nonconvex.tolist()) or len(report.discontinuous)


def test_reversed_loop_has_negative_area(part):
    loops = part.region_vertices.copy()
    a, b = part.region_offsets[4:6]
    loops[a:b] = loops[a:b][::-1]
    report = corrupted(part, region_vertices=loops).check()
    assert 4 in report.nonpositive_area
    assert 4 in report.loops


def test_swapped_edge_sides(part):
    sides = part.edge_regions.copy()
    edge = np.flatnonzero((sides >= 0).all(axis=1))[10]
    sides[edge] = sides[edge][::-1]
    report = corrupted(part, edge_regions=sides).check()
    assert set(sides[edge]) <= set(report.loops.tolist())


def test_lost_vertex_breaks_euler(part):
    vertices = np.concatenate([part.vertices, [[0.0, 0.0]]])
    report = corrupted(part, vertices=vertices).check()
    assert report.euler == 2
    assert not report.ok


def test_wrong_area(part):
    domain = type(part.domain).box((-2, 3), (-1, 2.1))
    report = corrupted(part, domain=domain).check()
    assert report.area_error == pytest.approx(15 / 15.5 - 1)
    assert not report.ok


@pytest.mark.parametrize("name", ["slope", "offset"])
def test_wrong_map_is_discontinuous_and_disagrees(part, name):
    bad = corrupted(part)
    array = getattr(part, name).copy()
    array[11] += 1e-3
    vars(bad)[name] = array
    report = bad.check()
    assert 11 in report.disagreeing
    around = np.flatnonzero((part.edge_regions == 11).any(axis=1) & (part.edge_regions >= 0).all(axis=1))
    assert set(report.discontinuous.tolist()) <= set(around.tolist())
    assert len(report.discontinuous) == len(around)


def test_another_model_disagrees(part, model):
    other = torch.nn.Sequential(*[type(m)(m.in_features, m.out_features) if hasattr(m, "weight") else m for m in model])
    report = part.check(other.double())
    assert len(report.disagreeing) > 0.9 * part.n_regions
