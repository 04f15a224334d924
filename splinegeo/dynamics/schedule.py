"""When to measure: steps that thin out towards a last one that nobody knows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from math import log, log10

from splinegeo.errors import InvalidInputError

PER_DECADE = 8
_DECADE, _DIGITS_PER_BIT = log(10), log10(2)
# The table of a run keeps steps in 64 bits.
_LARGEST_STEP = 2**63 - 1


def log_spaced(per_decade: int = PER_DECADE) -> Callable[[int], bool]:
    """The rule that measures at step 0 and then equally often in every factor of ten.

    A step s ≥ 1 is due when it is the first at or after some 10^(k/n), k = 0, 1, 2 …, for n = `per_decade`. The rule
    needs no last step, so it serves training that ends when its curve says so; and no state, so a training that is
    resumed measures at the steps of one that was not interrupted.

    Parameters
    ----------
    per_decade : int
        n; small steps, of which there are fewer than n in a decade, are all due.

    Examples
    --------
    >>> due = log_spaced()
    >>> [step for step in range(101) if due(step)]
    [0, 1, 2, 3, 4, 5, 6, 8, 10, 14, 18, 24, 32, 43, 57, 75, 100]
    """
    if isinstance(per_decade, bool) or not isinstance(per_decade, int) or per_decade < 1:
        raise InvalidInputError(f"per_decade must be a positive integer, not {per_decade!r}")

    def due(step: int) -> bool:
        # Of so few steps each passes a power: s > 1 lies a factor of more than exp(1/s) above s - 1.
        if step < 2 or per_decade >= _DECADE * step:
            return True
        return _passed(step, per_decade) > _passed(step - 1, per_decade)

    return due


def _passed(step: int, per_decade: int) -> int:
    """The largest k with 10^k ≤ step^n, in integers: a logarithm in floats misses powers of ten."""
    power = step**per_decade
    k = int((power.bit_length() - 1) * _DIGITS_PER_BIT)  # at most one too small
    return k + (10 ** (k + 1) <= power)


def schedule(steps: Iterable[int] | Callable[[int], bool] | None) -> Callable[[int], bool]:
    """The rule that an argument `steps` stands for: None, a collection of steps, or a rule already."""
    if steps is None:
        return log_spaced()
    if callable(steps):
        return steps
    if isinstance(steps, range):  # may be far too long to be written out
        wanted: range | frozenset[int] = steps
    else:
        wanted = frozenset(step_number(step) for step in steps)
    if not wanted:
        raise InvalidInputError("steps is empty, so that nothing would ever be measured")
    return lambda step: step in wanted


def step_number(step: object) -> int:
    """A step as a plain integer; anything else is refused."""
    try:
        number = -1 if isinstance(step, bool) else operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 0 <= number <= _LARGEST_STEP:
        raise InvalidInputError(f"a step must be a non-negative integer of at most 63 bits, not {step!r}")
    return number
