"""A network on a plane as a network with two inputs: what tools without slices can be given."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

import splinegeo as sg

AFFINE = (nn.Linear, nn.Conv2d, nn.Flatten)


def square_of(domain: sg.Slice) -> tuple[sg.Slice, float]:
    """The same plane in coordinates in which its window, a square, is [-s, s]²; and s.

    Raises
    ------
    ValueError
        If the window is not a square.
    """
    centre = domain.window.mean(axis=0)
    sides = np.diff(domain.window, axis=0, append=domain.window[:1])
    side = np.linalg.norm(sides[0])
    turn = sides[:2].T / side  # columns: the first two sides, of equal length and at a right angle
    if len(sides) != 4 or not np.allclose(turn.T @ turn, np.eye(2), atol=1e-9):
        raise ValueError(f"not a square: {domain.window.tolist()}")
    half = float(side) / 2
    if np.allclose(turn, np.eye(2), atol=1e-12):
        turn = np.eye(2)  # an upright square keeps its coordinates, bit for bit
    window = half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    origin = domain.origin + domain.basis @ centre if centre.any() else domain.origin
    return sg.Slice(origin, domain.basis @ turn, window, domain.input_shape), half


def on_plane(model: nn.Sequential, domain: sg.Slice) -> nn.Sequential:
    """The model on slice coordinates, in float64: its leading affine layers become one with two inputs."""
    layers = list(copy.deepcopy(model).double().requires_grad_(False))
    n_affine = next((k for k, layer in enumerate(layers) if not isinstance(layer, AFFINE)), len(layers))
    head, tail = nn.Sequential(*layers[:n_affine]), layers[n_affine:]
    origin = torch.from_numpy(np.array(domain.origin)).reshape(1, *domain.input_shape)
    columns = [torch.from_numpy(np.array(column)).reshape(origin.shape) for column in domain.basis.T]
    slopes = [torch.func.jvp(head, (origin,), (column,))[1] for column in columns]
    value = head(origin).detach()
    first = nn.Linear(2, value.numel()).double()
    with torch.no_grad():
        first.weight.copy_(torch.stack([slope.flatten() for slope in slopes], dim=1))
        first.bias.copy_(value.flatten())
    shape = [] if value.dim() == 2 else [nn.Unflatten(1, value.shape[1:])]
    return nn.Sequential(first, *shape, *tail).requires_grad_(False)


def is_plain(model: nn.Sequential) -> bool:
    """Whether a network on a plane has linear layers and ReLUs only."""
    return all(isinstance(layer, nn.Linear | nn.ReLU) for layer in model)
