"""The one ruler: how close to zero is zero, and how close together is one point.

Both lengths are derived from the float format alone. They travel as one frozen value and are recorded in the
certificate of every result; no other module holds a tolerance of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Tolerance:
    """Relative tolerances of the exact engine.

    Attributes
    ----------
    value : float
        A pre-activation counts as zero when it is at most `value` times the magnitudes that entered it
        (for a linear unit ``max|a| · |w| + |b|``): rounding cannot tell it from zero.
    length : float
        Two crossings on one line closer than `length` half-widths of the window are one vertex.

    Examples
    --------
    >>> Tolerance.of(torch.float64).value < 1e-12
    True
    >>> Tolerance.of(torch.int64)
    Traceback (most recent call last):
    ...
    TypeError: a partition is computed in float64 or float32, not torch.int64
    """

    value: float
    length: float

    @classmethod
    def of(cls, dtype: torch.dtype) -> Tolerance:
        """Tolerances for a float format, in units in the last place: 2¹² of a value, 2¹⁶ of a length, for float64.

        A dot product of n terms errs by at most n units, and by about √n in practice; interpolation adds a few
        at every layer. 2¹² leaves room for both. A position is a quotient of two such values, hence the larger
        factor. Float32 has no such room: 2⁵ and 2⁸, and the certificate says how often they were needed.
        """
        if dtype not in _UNITS:
            raise TypeError(f"a partition is computed in float64 or float32, not {dtype}")
        eps = torch.finfo(dtype).eps
        value, length = _UNITS[dtype]
        return cls(value * eps, length * eps)


_UNITS = {torch.float64: (2**12, 2**16), torch.float32: (2**5, 2**8)}
