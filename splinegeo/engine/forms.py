"""Tensors as exact affine forms: every value an integer combination of named columns over one power of two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from ..rational import AffineLayer, dyadic
from .coefficients import Coefficients

Row = dict[int, int]


@dataclass(frozen=True)
class Forms:
    """One row of a tensor: value i is ``(sum of rows[i][c] * column c, plus bias[i]) / 2**exponent``.

    Attributes
    ----------
    shape : of one row
    rows : (m,) dictionaries from columns to integers, without zeros
    bias : (m,) integers
    exponent : int
    """

    shape: tuple[int, ...]
    rows: Sequence[Row]
    bias: Sequence[int]
    exponent: int

    @classmethod
    def of_columns(cls, shape: tuple[int, ...], first: int, sign: int = 1) -> Forms:
        """The columns from `first` on themselves."""
        n = prod(shape)
        return cls(shape, [{first + i: sign} for i in range(n)], [0] * n, 0)

    def columns(self) -> set[int]:
        """All columns that occur."""
        return {column for row in self.rows for column in row}

    def layer(self, position: dict[int, int], passed: Sequence[int] = ()) -> AffineLayer:
        """The affine layer that computes these forms, and passes some columns on behind them.

        Parameters
        ----------
        position : of each column among the layer's inputs
        passed : columns
        """
        rows = [tuple((position[column], integer) for column, integer in row.items()) for row in self.rows]
        rows += [((position[column], 1 << self.exponent),) for column in passed]
        return AffineLayer(tuple(rows), (*self.bias, *[0] * len(passed)), self.exponent)


def compose(step: Coefficients, operands: Sequence[Forms]) -> Forms:
    """The forms of an affine operator's result, from those of its operands; nothing is rounded.

    Examples
    --------
    >>> import numpy as np
    >>> half = Coefficients((1,), np.array([0]), np.array([0]), np.array([0.5]), np.array([3.0]))
    >>> compose(half, [Forms.of_columns((1,), 7)])
    Forms(shape=(1,), rows=[{7: 1}], bias=[6], exponent=1)
    """
    before = max((forms.exponent for forms in operands), default=0)
    sources = [source for forms in operands for source in _scaled(forms, before)]
    integers, own = dyadic([*step.value.tolist(), *step.offset.tolist()])
    n_entries = len(step.value)
    bias = [offset << before for offset in integers[n_entries:]]
    rows: list[Row] = [{} for _ in bias]
    for i, j, factor in zip(step.row.tolist(), step.column.tolist(), integers[:n_entries], strict=True):
        source, constant = sources[j]
        bias[i] += factor * constant
        row = rows[i]
        for column, integer in source.items():
            row[column] = row.get(column, 0) + factor * integer
    rows = [{column: integer for column, integer in row.items() if integer} for row in rows]
    return Forms(step.shape, rows, bias, before + own)


def _scaled(forms: Forms, exponent: int) -> Iterable[tuple[Row, int]]:
    shift = exponent - forms.exponent
    if not shift:
        return zip(forms.rows, forms.bias, strict=True)
    rows = ({column: integer << shift for column, integer in row.items()} for row in forms.rows)
    return zip(rows, (constant << shift for constant in forms.bias), strict=True)
