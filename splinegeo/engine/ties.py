"""Ties that a maximum lost: edges between regions on which every unit has the same winner."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..chunks import rows_at_once
from ..mesh import Subdivision, as_array, as_tensor, dissolve
from ..network import Network
from ..tolerance import Tolerance
from .front import Front


def dissolve_lost_ties(network: Network, here: Front, tolerance: Tolerance, n_fixed: int) -> Subdivision:
    """Keep of a maximum's edges only those across which a winner changes: the borders of its argmax cells.

    Parameters
    ----------
    here : before a maximum, its mesh refined by all rounds of the tournament; of its values, the rows of vertices that
        vanish are removed in place
    n_fixed : number of vertices before the first round
    """
    mesh = here.mesh
    winner = _winners(network, here, tolerance)
    own = torch.nonzero(as_tensor(mesh.edge_layer) == (network.steps[here.step].layer or 0))[:, 0]
    left, right = as_tensor(mesh.edge_regions())[own].unbind(1)
    fingerprint = _fingerprint(winner)
    lost = fingerprint[left] == fingerprint[right]
    unit = as_tensor(mesh.edge_unit).clone()
    unit[own] = _deciding_units(winner, left, right, unit[own], ~lost)
    drop = torch.zeros(len(mesh.edges), dtype=torch.bool, device=own.device)
    drop[own] = lost
    result = dissolve(replace(mesh, edge_unit=as_array(unit)), as_array(drop), n_fixed)
    kept = as_tensor(result.kept_vertices)
    for name, value in here.values.items():
        here.values[name] = value.index_select(0, kept)
    return result.mesh


def _winners(network: Network, here: Front, tolerance: Tolerance) -> Tensor:
    """(R, n_units) winner of every unit on every region, taken at the mean of the region's corners."""
    step, mesh = network.steps[here.step], here.mesh
    (name,) = step.inputs()
    x = here.values[name].reshape(len(mesh.vertices), -1)
    all_offsets, corner = as_tensor(mesh.offsets), as_tensor(mesh.loop_vertices())
    step_size = rows_at_once(x, x.shape[1])
    winners = []
    for start in range(0, mesh.n_regions, step_size):
        offsets = all_offsets[start : start + step_size + 1]
        rows = corner[offsets[0] : offsets[-1]]
        owner = torch.repeat_interleave(offsets.diff())
        total = x.new_zeros((len(offsets) - 1, x.shape[1])).index_add_(0, owner, x[rows])
        mean = (total / offsets.diff()[:, None]).reshape(-1, *here.values[name].shape[1:])
        winners.append(network.winners(step, {name: mean}, here.magnitudes, tolerance.value).to(torch.int32))
    return torch.cat(winners)


def _fingerprint(winner: Tensor) -> Tensor:
    """(R,) one word for each row of winners: a random linear form modulo 2⁶⁴."""
    generator = torch.Generator().manual_seed(0)
    factor = torch.randint(-(2**62), 2**62, (winner.shape[1],), generator=generator).to(winner.device)
    chunks = winner.split(rows_at_once(winner, winner.shape[1]))
    return torch.cat([(chunk * factor).sum(dim=1) for chunk in chunks])


def _deciding_units(winner: Tensor, left: Tensor, right: Tensor, unit: Tensor, kept: Tensor) -> Tensor:
    """The unit whose winner changes across each edge: the labelled one, or else the lowest.

    Where several units tie along one segment, the label may name one of which the tie was lost.
    """
    rows = torch.arange(len(unit), device=unit.device)
    wrong = rows[kept & (winner[left, unit] == winner[right, unit])]
    unit = unit.clone()
    step = rows_at_once(winner, winner.shape[1])
    for start in range(0, len(wrong), step):
        some = wrong[start : start + step]
        unit[some] = (winner[left[some]] != winner[right[some]]).int().argmax(dim=1)
    return unit
