"""A network on a plane: everything before the first nonlinearity is one affine map of two coordinates.

On the plane ``x = origin + basis @ v`` the values that enter the first nonlinearity are ``base + slopes @ v``. Base
and slopes come from one value and two tangents, never from differences of values, so that small windows far from
the origin lose no digits, and inputs of any dimension cost as little as two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from ..ambient import TRACING
from ..chunks import rows_at_once
from .full_precision import full_precision
from .program import Environment, Program, Step

# Share of the magnitudes of the input-space computation that may be rounding in a plane's base point.
_BASE_SHARE = 2.0**-8


@dataclass(frozen=True)
class Section:
    """A network restricted to one or many planes.

    Attributes
    ----------
    network : Program
        With only the steps from the first nonlinearity on.
    base : results that these steps need, at each plane's origin: (K, ...) each
    slopes : their derivatives along the two coordinates: two (K, ...) each
    magnitude : (K, ...) each: what entered the computation of `base`
    entry : the steps before the first nonlinearity
    """

    network: Program
    base: Environment
    slopes: tuple[Environment, Environment]
    magnitude: Environment
    entry: tuple[Step, ...] = ()

    def at(self, v: Tensor, plane: Tensor) -> Environment:
        """Everything that the first nonlinearity and later steps need, at points (n, 2) of planes (n,)."""
        first, second = self.slopes
        env = {}
        for name, base in self.base.items():
            v0, v1 = (column.reshape(-1, *[1] * (base.ndim - 1)) for column in v.to(base.dtype).unbind(1))
            env[name] = torch.addcmul(base[plane], first[name][plane], v0).addcmul_(second[name][plane], v1)
        return env

    def entry_magnitudes(self) -> Environment:
        """(1, ...) each: the magnitudes that enter the first nonlinearity, over all windows, which reach to 1."""
        return {name: sizes.amax(0, keepdim=True) for name, sizes in self.entry_magnitudes_by_plane().items()}

    def entry_magnitudes_by_plane(self) -> Environment:
        """(K, ...) each: the magnitudes that enter the first nonlinearity, plane by plane, on windows that reach to 1.

        Of what entered the base point only a share counts: rounding in it moves a line as a whole, so only
        coincidences of several lines can notice.
        """
        first, second = self.slopes
        return {
            name: base.abs() + first[name].abs() + second[name].abs() + _BASE_SHARE * self.magnitude[name]
            for name, base in self.base.items()
        }

    def live(self, v: Tensor, plane: Tensor, n_steps: int, tolerances: Mapping[int, Tensor]) -> Environment:
        """What the steps after the first `n_steps` need, at points (n, 2) of planes (n,).

        The events of some layers have tolerances (m,); closer to zero they are zero.
        """
        widest = max(1, *(c[:1].numel() for c in self.base.values()), *map(prod, self.network.unit_shapes))
        rows = rows_at_once(v, widest)
        live: Environment = {}
        for start in range(0, len(v), rows):
            some = slice(start, min(start + rows, len(v)))
            env = self.at(v[some], plane[some])
            for index, step in enumerate(self.network.steps[: n_steps + 1]):
                if step.layer is not None and step.layer in tolerances:
                    self.network.snap(step, env, some.stop - start, tolerances[step.layer])
                if index < n_steps:
                    self.network.execute_in_chunks(step, env, some.stop - start)
                    self.network.release(step, env)
            live = live or {name: value.new_zeros((len(v), *value.shape[1:])) for name, value in env.items()}
            for name, value in env.items():
                live[name][some] = value
        return live

    def __call__(self, v: Tensor, plane: Tensor) -> Tensor:
        """Outputs (n, ...) at points (n, 2) of planes (n,)."""
        with full_precision(self.network.dtype, v.device):
            return self._run(self.at(v, plane), len(v))

    def affine_maps(self, v: Tensor, plane: Tensor) -> tuple[Tensor, Tensor]:
        """Value (n, out) and slope (n, out, 2) at points inside regions: one forward pass, two tangents.

        The activation pattern is that of the point itself; the tangents go through it unchanged.
        """
        widest = max(1, *(c[:1].numel() for c in self.base.values()))
        step = rows_at_once(v, widest)
        chunks = [slice(start, start + step) for start in range(0, len(v), step)]
        with TRACING, full_precision(self.network.dtype, v.device):
            values, slopes = zip(*(self._map_rows(v[rows], plane[rows]) for rows in chunks), strict=True)
        return torch.cat(values), torch.cat(slopes)

    def _map_rows(self, v: Tensor, plane: Tensor) -> tuple[Tensor, Tensor]:
        env = self.at(v, plane)
        names = list(env)

        def run(*values: Tensor) -> Tensor:
            return self._run(dict(zip(names, values, strict=True)), len(v)).reshape(len(v), -1)

        def tangent(*tangents: Tensor) -> tuple[Tensor, Tensor]:
            value, slope = torch.func.jvp(run, tuple(env.values()), tangents)[:2]
            return value, slope

        pairs = [torch.stack([slopes[name][plane] for slopes in self.slopes]) for name in names]
        value, slope = torch.func.vmap(tangent, out_dims=(None, 0))(*pairs)  # type: ignore[arg-type]
        return value, slope.permute(1, 2, 0)

    def _run(self, env: Environment, n_rows: int) -> Tensor:
        for step in self.network.steps:
            self.network.execute(step, env, n_rows)
            self.network.release(step, env)
        return env[self.network.output]


def restrict(network: Program, origins: Tensor, bases: Tensor) -> Section:
    """Restrict a network to planes ``origins[k] + v[0] * bases[0, k] + v[1] * bases[1, k]``.

    Parameters
    ----------
    origins : (K, *input_shape)
    bases : (2, K, *input_shape)
    """
    n_prefix = next((i for i, step in enumerate(network.steps) if step.layer is not None), len(network.steps))
    prefix, rest = network.steps[:n_prefix], network.steps[n_prefix:]
    known = {*network.constants, *network.row_constants}
    wanted = {name for step in rest for name in step.inputs() if name not in known} | {network.output}
    wanted -= {step.name for step in rest}

    def enter(x: Tensor) -> Environment:
        env: Environment = {network.input: x}
        for step in prefix:
            network.execute(step, env, len(x))
        return {name: value for name, value in env.items() if name in wanted and isinstance(value, Tensor)}

    with torch.no_grad(), TRACING:
        # Both directions in one batch: forward mode costs a small network more than its arithmetic does.
        twice = torch.cat([origins, origins])
        values, tangents = torch.func.jvp(enter, (twice,), (bases.reshape(twice.shape),))[:2]
        magnitude = _magnitudes(network, prefix, origins.abs())
    return Section(
        network=replace(network, steps=rest),
        base={name: value[: len(origins)] for name, value in values.items()},
        slopes=(
            {name: tangent[: len(origins)] for name, tangent in tangents.items()},
            {name: tangent[len(origins) :] for name, tangent in tangents.items()},
        ),
        magnitude={name: magnitude[name] for name in values},
        entry=prefix,
    )


def _magnitudes(network: Program, steps: tuple[Step, ...], x: Tensor) -> Environment:
    env: Environment = {network.input: x}
    for step in steps:
        network.magnitude(step, env, len(x))
    return env
