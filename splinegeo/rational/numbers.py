"""Floats are rationals: every one is an integer over a power of two."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import NonFiniteError


def dyadic(values: Sequence[float]) -> tuple[list[int], int]:
    """Write floats as integers over one power of two.

    Parameters
    ----------
    values : (n,) floats

    Returns
    -------
    integers : list of int
    exponent : int
        ``values[i] == integers[i] / 2**exponent``, exactly; the smallest exponent that is not negative.

    Raises
    ------
    NonFiniteError
        For NaN or infinity.

    Examples
    --------
    >>> dyadic([0.75, -2.0])
    ([3, -8], 2)
    """
    try:
        ratios = [float(value).as_integer_ratio() for value in values]
    except (ValueError, OverflowError) as error:
        raise NonFiniteError("a weight is NaN or infinite") from error
    exponents = [denominator.bit_length() - 1 for _, denominator in ratios]
    exponent = max(exponents, default=0)
    return [n << (exponent - k) for (n, _), k in zip(ratios, exponents, strict=True)], exponent
