"""Local complexity during training, by one line in anybody's training loop."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError

from ..complexity import LocalComplexity, local_complexity
from ..complexity.frames import seed_of
from ..complexity.survey import check_points, check_radius
from ..given import real_tensor
from .classifier import checked, last_layer_of
from .collapse import neural_collapse
from .journal import Journal
from .precision import PrecisionWarning, precision_diagnostics
from .profile import migration_profile
from .schedule import schedule, step_number
from .table import COMPLEXITY, TOTAL, Row, Series, plain_row, save_table, select_series, to_table
from .tensorboard import TensorBoard
from .undisturbed import undisturbed

Metric = Callable[[nn.Module], float | Mapping[str, float]]

PROFILE = "migration_profile"
RATIO = "migration_log2_ratio"


class LocalComplexityTracker:
    """Record local complexity around probe points, and metrics, at some steps of a training.

    ``tracker.record(step)`` stands in the training loop and is called at every step; it measures when the step is
    due. The training does not notice: the model is measured in evaluation mode, and its modes, parameters, gradients
    and all random states are then what they were, so that the weights of a training with a tracker are bit for bit
    those of one without.

    Parameters
    ----------
    model : torch.nn.Module
        The module that is being trained, as `local_complexity` takes it.
    probes : mapping of name to Tensor or array, shape (N, *input shape)
        The points, for example training, test and random ones. They are copied.
    radius : float or sequence of floats
        One or more radii r (input space), each for all probes.
    dim : int
        P, the number of directions of the cross-polytopes.
    metrics : mapping of name to callable, optional
        Each is called with the model in evaluation mode and returns a number, or several by name, which are recorded as
        ``metric/name``. They may use gradients.
    steps : collection of int or callable(step) -> bool, optional
        The steps that are due. Default `log_spaced`: step 0, then 8 in every factor of ten.
    path : path, optional
        A ``.csv`` file that holds what was recorded, on disk before `record` returns. If the file exists, the
        recording is *resumed*: steps that are in it are not measured again, and what a process that was killed left
        half written is cut off. The file ``<path>.json`` beside it holds the settings; other ones are refused.
    layers : sequence of str, optional
        Names of the nonlinearities to count, default all; see `local_complexity`.
    rng : int or torch.Generator
        Of the frames, which are the same at every step: the curves show the network, not the frames.
    level : float
        Of the confidence intervals (Student's, of the mean over the points).
    labels : mapping of name to Tensor or array, optional
        Classes (N,) of the points of some probes: `precision_diagnostics` and `neural_collapse` of these are recorded,
        as ``precision/<probe>/<number>`` and ``collapse/<probe>/<number>``, and a `PrecisionWarning` says, once, if the
        cross-entropy of the logits has left their float format. Neural collapse is recorded where a linear layer makes
        the logits and every class has a point.
    optimizer : torch.optim.Optimizer, optional
        Adam or AdamW, for ``precision/<probe>/below_eps``.
    profile : (x, y), optional
        Points (N, *input shape) and their classes (N,): the `migration_profile` between them is recorded at the first
        radius, with the fraction in the column ``probe``, and its ratio as ``migration_log2_ratio``.
    n_segments : int
        Of the profile.
    tensorboard : path or object with ``add_scalar``, optional
        A folder for TensorBoard, or a ``SummaryWriter``.

    Raises
    ------
    InvalidInputError
        Arguments that do not fit, probes that do not fit the model, or a file at `path` that is no tracker's table or
        was made with other probes, radii, dim, layers, rng or level.

    See Also
    --------
    find_phases : the phases of a curve that was recorded.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    >>> x = torch.randn(64, 8)
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> tracker = LocalComplexityTracker(model, {"train": x}, radius=0.1, dim=4)
    >>> for step in range(20):
    ...     loss = model(x).square().mean()
    ...     _ = tracker.record(step, loss=loss)
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    >>> tracker.series("loss").steps
    array([ 0,  1,  2,  3,  4,  5,  6,  8, 10, 14, 18])
    >>> steps, value, low, high = tracker.series("local_complexity")
    >>> bool((low <= value).all() and (value <= high).all())
    True
    """

    def __init__(
        self,
        model: nn.Module,
        probes: Mapping[str, Tensor | ArrayLike],
        *,
        radius: float | Sequence[float] = 0.005,
        dim: int = 25,
        metrics: Mapping[str, Metric] | None = None,
        steps: Iterable[int] | Callable[[int], bool] | None = None,
        path: str | PathLike[str] | None = None,
        layers: Sequence[str] | None = None,
        rng: int | torch.Generator = 0,
        level: float = 0.99,
        labels: Mapping[str, Tensor | ArrayLike] | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        profile: tuple[Tensor | ArrayLike, Tensor | ArrayLike] | None = None,
        n_segments: int = 400,
        tensorboard: str | PathLike[str] | Any | None = None,
    ) -> None:
        self._model, self._dim, self._level = model, dim, level
        self._probes = {_named(name): _copied(points) for name, points in probes.items()}
        self._radii = _checked_radii(radius)
        self._metrics = {_named(name): metric for name, metric in (metrics or {}).items()}
        self._due = schedule(steps)
        self._layers, self._seed = layers, seed_of(rng)
        self._labels = {name: _copied(y) for name, y in (labels or {}).items()}
        self._optimizer, self._n_segments, self._warned = optimizer, n_segments, False
        self._profile = None if profile is None else (_copied(profile[0]), _copied(profile[1]))
        self._layer_names = self._try_out()
        self._journal = None if path is None else self._open(Path(path))
        self._rows = [] if self._journal is None else self._journal.rows
        self._recorded = {row.step for row in self._rows}
        self._board = None if tensorboard is None else TensorBoard(tensorboard)

    def due(self, step: int) -> bool:
        """Whether `record` would measure at this step: it is due and not recorded yet."""
        number = step_number(step)
        return number not in self._recorded and bool(self._due(number))

    def record(self, step: int, **values: float | Tensor) -> bool:
        """Measure if the step is due, and say whether it was.

        Parameters
        ----------
        step : int
            The number of optimiser steps so far.
        **values
            Further numbers to keep with those of this step, such as ``loss=loss``. They are read at steps that are
            due and at no others.

        Raises
        ------
        NonFiniteError
            If the weights are no longer finite: the training has diverged.
        InvalidInputError
            If a value or what a metric returns is no number, or the file cannot be written.
        """
        if not self.due(step):
            return False
        number = step_number(step)
        plain, labelled = self._plain_rows(number, values), self._labelled_rows(number)
        rows = [*plain, *labelled, *self._profile_rows(number), *self._complexity_rows(number)]
        if self._journal is not None:
            self._journal.append(rows)
        self._rows.extend(rows)
        self._recorded.add(number)
        if self._board is not None:
            self._board.add(rows)
        return True

    @property
    def table(self) -> NDArray[np.void]:
        """Everything recorded, as a read-only structured array in the order of recording.

        Columns step, quantity, probe, radius, layer, value, low, high. Local complexity has one row for each probe,
        radius and layer, with the sum of all layers as ``"total"``: value is the mean over the points, low and high
        are the ends of its confidence interval. Metrics and further values have an empty probe and layer, and NaN for
        radius, low and high.
        """
        return to_table(self._rows)

    def series(
        self, quantity: str, probe: str | None = None, radius: float | None = None, layer: str = TOTAL
    ) -> Series:
        """One curve, as (steps, value, low, high) with ascending steps.

        Parameters
        ----------
        quantity : str
            ``"local_complexity"``, or the name of a metric or a further value.
        probe, radius : optional
            Which, if there are several.
        layer : str
            The name of a layer, or ``"total"``.
        """
        return select_series(self.table, quantity, probe, radius, layer)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the table to a ``.csv`` or ``.parquet`` file, whole or not at all."""
        return save_table(self.table, path)

    def close(self) -> None:
        """Close the TensorBoard file that the tracker opened; nothing else stays open between records."""
        if self._board is not None:
            self._board.close()

    def _plain_rows(self, step: int, values: Mapping[str, float | Tensor]) -> list[Row]:
        twice = [name for name in values if name in self._metrics or name == COMPLEXITY]
        if twice:
            raise InvalidInputError(f"{twice} are values of record() and measured by the tracker too; rename them")
        rows = [plain_row(step, _named(name), _number(name, value)) for name, value in values.items()]
        for name, metric in self._metrics.items():
            with undisturbed(self._model):  # each on its own: none meets what another left behind
                found = metric(self._model)
            several = (
                {f"{name}/{one}": value for one, value in found.items()}
                if isinstance(found, Mapping)
                else {name: found}
            )
            rows += [plain_row(step, _named(one), _number(one, value)) for one, value in several.items()]
        return rows

    def _labelled_rows(self, step: int) -> list[Row]:
        """Rounding and neural collapse at the probes whose classes are known."""
        rows = []
        for probe, labels in self._labels.items():
            with undisturbed(self._model):
                x, y = checked(self._model, self._probes[probe], labels)
                z, features, last = last_layer_of(self._model, x, y)
            rounding = precision_diagnostics(z, y, model=self._model, optimizer=self._optimizer, features=features)
            rows += [plain_row(step, f"precision/{probe}/{name}", value) for name, value in rounding.numbers().items()]
            if rounding.warning and not self._warned:
                self._warned = True
                warnings.warn(f"step {step}: {rounding.warning}", PrecisionWarning, stacklevel=3)
            if features is not None and last is not None and len(y.unique()) == z.shape[1]:
                collapse = neural_collapse(features, y, last)
                rows += [
                    plain_row(step, f"collapse/{probe}/{name}", value) for name, value in collapse.numbers().items()
                ]
        return rows

    def _profile_rows(self, step: int) -> list[Row]:
        """Local complexity by fraction of the way to the boundary, and its ratio; NaN where there is no segment."""
        if self._profile is None:
            return []
        radius = self._radii[0]
        found = migration_profile(
            self._model,
            *self._profile,
            n_segments=self._n_segments,
            radius=radius,
            dim=self._dim,
            layers=self._layers,
            rng=self._seed,
        )
        half = student.ppf((1 + self._level) / 2, max(len(found.complexity) - 1, 1)) * found.standard_error
        rows = [
            Row(step, PROFILE, f"{fraction:g}", radius, layer, *map(float, values))
            for layer, means in ((TOTAL, found.mean), *((one, found.layer_mean(one)) for one in found.layer_names))
            for fraction, *values in zip(
                found.fractions,
                means,
                *((means - half, means + half) if layer == TOTAL else [means * np.nan] * 2),
                strict=True,
            )
        ]
        return [*rows, Row(step, RATIO, "", np.nan, "", *found.log2_ratio_interval(self._level))]

    def _complexity_rows(self, step: int) -> list[Row]:
        """The total comes last among the layers: it ends the step in the file."""
        rows = []
        for probe, points in self._probes.items():
            for radius in self._radii:
                found = self._measure(points, radius)
                for layer in (*found.layer_names, None):
                    ends = found.confidence_interval(self._level, layer)
                    where = COMPLEXITY, probe, radius, layer or TOTAL
                    rows.append(Row(step, *where, found.mean(layer), *ends))
        return rows

    def _measure(self, points: Tensor, radius: float) -> LocalComplexity:
        with undisturbed(self._model):
            return local_complexity(
                self._model, points, radius=radius, dim=self._dim, layers=self._layers, rng=self._seed
            )

    def _try_out(self) -> tuple[str, ...]:
        """Names of the layers; what does not fit shall be known before the training, not at its first record."""
        if not self._probes:
            raise InvalidInputError("probes is empty: there is nothing to measure local complexity around")
        if COMPLEXITY in self._metrics:
            raise InvalidInputError(f"a metric cannot be called '{COMPLEXITY}', which the tracker itself measures")
        for points in self._probes.values():
            check_points(self._model, points)
            found = self._measure(points[:1], self._radii[0])
        found.confidence_interval(self._level)
        for probe, y in self._labels.items():
            if probe not in self._probes:
                raise InvalidInputError(
                    f"labels are given for '{probe}', which is none of the probes {list(self._probes)}"
                )
            with undisturbed(self._model):
                last_layer_of(self._model, *checked(self._model, self._probes[probe], y))
        if self._profile is not None:
            migration_profile(self._model, *self._profile, n_segments=1, radius=self._radii[0], dim=self._dim)
        if TOTAL in found.layer_names:
            raise InvalidInputError(f"a layer called '{TOTAL}' would be taken for the sum of all: name it otherwise")
        return found.layer_names

    def _open(self, path: Path) -> Journal:
        settings = {
            "probes": [[name, _digest(points)] for name, points in self._probes.items()],
            "radii": self._radii,
            "dim": int(self._dim),
            "layers": list(self._layer_names),
            "rng": self._seed,
            "level": float(self._level),
        }
        if self._labels:
            settings["labels"] = [[name, _digest(y)] for name, y in self._labels.items()]
        if self._profile is not None:
            settings["profile"] = [*map(_digest, self._profile), int(self._n_segments)]
        return Journal(path, settings, (COMPLEXITY, list(self._probes)[-1], self._radii[-1], TOTAL))


def _named(name: object) -> str:
    """A name for a column of the table."""
    if not isinstance(name, str) or not name or not name.isprintable():
        raise InvalidInputError(f"names of probes, metrics and values must be printable text, not {name!r}")
    return name


def _copied(points: Tensor | ArrayLike) -> Tensor:
    return real_tensor(points, "points").clone()


def _checked_radii(radius: float | Sequence[float]) -> list[float]:
    several = radius if isinstance(radius, (Sequence, np.ndarray)) and not isinstance(radius, str) else [radius]
    radii = [check_radius(one) for one in several]
    if not radii or len(set(radii)) < len(radii):
        raise InvalidInputError(f"radius must be one radius or several different ones, not {radius!r}")
    return radii


def _number(name: str, value: object) -> float:
    """A value as a float; a loss is taken out of its graph."""
    try:
        return float(value.detach() if isinstance(value, Tensor) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidInputError(f"'{name}' must be a number, not {value!r}") from error


def _digest(points: Tensor) -> str:
    """Shape, format and a hash of the values."""
    flat = points.cpu().contiguous().flatten().view(torch.uint8)
    kind = str(points.dtype).removeprefix("torch.")
    return f"{list(points.shape)} {kind} {hashlib.sha256(flat.numpy().tobytes()).hexdigest()[:16]}"
