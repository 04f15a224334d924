"""Regions by backtracking in fractions, which shares nothing with anything: run a network on one cell of the window
until a unit has both signs there, then cut the cell along that unit's zero set and start again on both parts."""

from fractions import Fraction

import numpy as np

ZERO = np.array([Fraction(0)] * 3, dtype=object)


class Cut(Exception):
    def __init__(self, form):
        super().__init__()
        self.form = form


class Cell:
    """A convex polygon, on which affine forms (p, q, r), p x + q y + r, have one sign or raise `Cut`."""

    def __init__(self, corners):
        self.corners = corners
        self.pattern = []
        self.entered = []

    def sign(self, form):
        values = [height(form, corner) for corner in self.corners]
        if min(values) < 0 < max(values):
            raise Cut(form)
        return (max(values) > 0) - (min(values) < 0)

    def relu(self, forms):
        flat = forms.reshape(-1, 3)
        self.entered.append(flat)
        signs = [self.sign(form) for form in flat]
        self.pattern += signs
        return np.array([f if s > 0 else ZERO for f, s in zip(flat, signs, strict=True)]).reshape(forms.shape)

    def largest(self, forms):
        """Of (units, candidates, 3)."""
        winners = []
        for group in forms:
            best = 0
            for k in range(1, len(group)):
                best = k if self.sign(group[k] - group[best]) > 0 else best
            winners.append(best)
        self.pattern += winners
        return np.array([group[best] for group, best in zip(forms, winners, strict=True)])


def cells(forward, domain):
    """All cells on which `forward(cell, forms)` meets one sign per unit; forms (D, 3) are the network's inputs."""
    plane = fractions(np.column_stack([domain.basis, domain.origin]))
    stack = [[tuple(map(Fraction, corner)) for corner in domain.window.tolist()]]
    found = []
    while stack:
        cell = Cell(stack.pop())
        try:
            cell.outputs = forward(cell, plane)
        except Cut as cut:
            stack += [part(cell.corners, sign * cut.form) for sign in (1, -1)]
        else:
            found.append(cell)
    return found


def fractions(array):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, dtype=np.float64))


def height(form, point):
    return form[0] * point[0] + form[1] * point[1] + form[2]


def part(corners, form):
    """The corners where a form is positive, and where the border crosses its zero set."""
    values = [height(form, corner) for corner in corners]
    kept = []
    for i, (a, at_a) in enumerate(zip(corners, values, strict=True)):
        b, at_b = corners[(i + 1) % len(corners)], values[(i + 1) % len(corners)]
        if at_a >= 0:
            kept.append(a)
        if at_a * at_b < 0:
            t = at_a / (at_a - at_b)
            kept.append((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])))
    return kept


def area(corners):
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return sum(a[0] * b[1] - a[1] * b[0] for a, b in pairs) / 2


def linear(layer, forms):
    """A linear layer of forms (in, 3)."""
    result = fractions(layer.weight.detach()) @ forms
    result[:, 2] += fractions(layer.bias.detach())
    return result


def convolution(layer, forms):
    """A convolution with stride 1 and zero padding, of forms (channels, height, width, 3)."""
    weight, bias, pad = fractions(layer.weight.detach()), fractions(layer.bias.detach()), layer.padding[0]
    n_out, _, k, _ = weight.shape
    n_in, rows, columns, _ = forms.shape
    padded = np.full((n_in, rows + 2 * pad, columns + 2 * pad, 3), Fraction(0), dtype=object)
    padded[:, pad : pad + rows, pad : pad + columns] = forms
    size = rows + 2 * pad - k + 1, columns + 2 * pad - k + 1
    result = np.full((n_out, *size, 3), Fraction(0), dtype=object)
    for i in range(size[0]):
        for j in range(size[1]):
            window = padded[:, i : i + k, j : j + k].reshape(-1, 3)
            result[:, i, j] = weight.reshape(n_out, -1) @ window
            result[:, i, j, 2] += bias
    return result
