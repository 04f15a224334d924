"""Which operators can be taken exactly: those whose coefficients are the given floats themselves.

An operator that computes its coefficients first (a batch norm divides by a square root) is refused by name.
"""

from __future__ import annotations

import numpy as np
import torch

from ..errors import InvalidInputError
from ..network import (
    ACTIVATIONS,
    AFFINE,
    COMPARISONS,
    CREATES,
    MAXIMA,
    SHAPED,
    Architecture,
    Coefficients,
    Network,
    Step,
)

_KNOWN_NUMBERS = {Coefficients.MOVES, Coefficients.WEIGHS, Coefficients.DIVIDES}
# Written with coefficients of their own, such as the sixth of a hardsigmoid, or with several operators.
_COMPUTED = frozenset({"hardsigmoid", "rrelu", "rrelu_with_noise", "softshrink"})


def has_known_coefficients(operator: str) -> bool:
    """Whether an affine operator's coefficients are given numbers."""
    return operator in AFFINE and AFFINE[operator].coefficients in _KNOWN_NUMBERS


def moves(operator: str) -> bool:
    """Whether each of an affine operator's values is one of its operands', its negative, or a constant."""
    return AFFINE[operator].coefficients is Coefficients.MOVES


def divides(operator: str) -> bool:
    """Whether an affine operator's coefficients are quotients."""
    return AFFINE[operator].coefficients is Coefficients.DIVIDES


def _is_known_piecewise(operator: str) -> bool:
    return operator in MAXIMA or operator in COMPARISONS or (operator in ACTIVATIONS and operator not in _COMPUTED)


def require_exact(architecture: Architecture, dtype: torch.dtype = torch.float64) -> None:
    """Refuse a network whose coefficients are not exactly the given floats, as far as its operators tell.

    Parameters
    ----------
    dtype : the float format of the engine, which must hold the given weights

    Raises
    ------
    InvalidInputError
        Names the operator and its module. Operators after the last nonlinearity move no edge and are not asked.
    """
    if dtype != torch.float64:
        raise InvalidInputError(f"exact=True settles what float64 leaves open: leave dtype={dtype} out")
    network = architecture.program
    head = network.steps[: last_nonlinearity(network) + 1]
    for step in head:
        if not (has_known_coefficients if step.layer is None else _is_known_piecewise)(step.operator):
            raise refusal(step)
        numbers = [step.kwargs.get(name, 1) for name in ("alpha", "beta")]
        if any(abs(np.frexp(number)[0]) != 0.5 for number in numbers):
            raise refusal(step)
    needed = {name for step in head for name in step.inputs()}
    for step in reversed([*architecture.constant_steps, *network.row_constants.values()]):
        if step.name in needed:
            needed.update(step.inputs())
            if not (step.operator in CREATES | SHAPED.keys() or (step.operator in AFFINE and moves(step.operator))):
                raise refusal(step)


def last_nonlinearity(network: Network) -> int:
    """Position of the last nonlinearity among the steps; -1 without any."""
    return max((i for i, step in enumerate(network.steps) if step.layer is not None), default=-1)


def refusal(step: Step, why: str = "computes new ones") -> InvalidInputError:
    """The sentence that an operator without exact coefficients gets."""
    where = f" in module '{step.module}'" if step.module else ""
    return InvalidInputError(
        f"exact=True needs coefficients that are exactly the given floats, and operator '{step.operator}'{where} "
        f"{why}: fold it into the layer beside it, or leave exact=True out"
    )
