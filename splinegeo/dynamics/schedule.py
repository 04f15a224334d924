"""When to measure: steps that thin out towards a last one that nobody knows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable

from splinegeo.errors import InvalidInputError

PER_DECADE = 8


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
        if step < 2:
            return True
        return _passed(step, per_decade) > _passed(step - 1, per_decade)

    return due


def _passed(step: int, per_decade: int) -> int:
    """The largest k with 10^k ≤ step^n, in integers: a logarithm in floats misses powers of ten."""
    return len(str(step**per_decade)) - 1


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
    if number < 0:
        raise InvalidInputError(f"a step must be a non-negative integer, not {step!r}")
    return number
