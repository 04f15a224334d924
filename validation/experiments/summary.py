"""What an experiment is remembered by: where accuracies end, when they rise, the phases; as numbers and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import splinegeo as sg

from .attacks import robust_name
from .measuring import PROBES, complexity_curve, curve
from .recipe import Recipe

# Below this, the difference between an accuracy's lowest and its last value counts as no rise.
LEAST_RISE = 0.05
INTERPOLATED = 0.999
SETTLED = 0.98
_PHASES = ("first_descent", "ascent", "second_descent")


@dataclass(frozen=True)
class Rise:
    """How an accuracy rises after the training error has vanished.

    Attributes
    ----------
    low, low_step : its least value from then on, and where
    final : its last value
    half_step : first recorded step behind `low_step` from which on it stays above the middle between `low` and
        `final`; None if it rises by less than 0.05
    """

    low: float
    low_step: int
    final: float
    half_step: int | None


def find_rise(series: sg.Series, start: int) -> Rise:
    """The rise of a curve behind the step `start`.

    Examples
    --------
    >>> import numpy as np
    >>> nothing = np.full(5, np.nan)
    >>> series = sg.Series(np.array([0, 1, 10, 100, 1000]), np.array([0.1, 0.5, 0.2, 0.3, 0.8]), nothing, nothing)
    >>> find_rise(series, 1)
    Rise(low=0.2, low_step=10, final=0.8, half_step=1000)
    """
    behind = series.steps >= start
    steps, value = series.steps[behind], series.value[behind]
    lowest = int(value.argmin())
    low, final = float(value[lowest]), float(value[-1])
    half = None
    if final - low >= LEAST_RISE:
        half = _since(steps[lowest:], value[lowest:] >= (low + final) / 2)
    return Rise(low, int(steps[lowest]), final, half)


def _since(steps: np.ndarray, holds: np.ndarray) -> int | None:
    """The first step from which on something holds to the end."""
    if not holds[-1]:
        return None
    fails = np.flatnonzero(~holds)
    return int(steps[fails[-1] + 1 if len(fails) else 0])


def summarise(table: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """The figures of one training, from its table."""
    train, test = curve(table, "train_accuracy"), curve(table, "test_accuracy")
    reached = np.flatnonzero(train.value >= INTERPOLATED)
    interpolation = int(train.steps[reached[0]]) if len(reached) else None
    start = 0 if interpolation is None else interpolation
    return {
        "last_step": int(train.steps[-1]),
        "interpolation": interpolation,
        "train_accuracy": float(train.value[-1]),
        "test_accuracy": float(test.value[-1]),
        "test_settled": _since(test.steps, test.value >= SETTLED * test.value[-1]),
        "robust_accuracy": {
            f"{eps:g}": asdict(find_rise(curve(table, robust_name(eps)), start)) for eps in budgets_of(table, recipe)
        },
        "migration": _migration(table),
        "local_complexity": {f"{radius:g}": _complexity(table, radius, start) for radius in recipe.radii},
    }


def budgets_of(table: np.ndarray, recipe: Recipe) -> list[float]:
    """The budgets that something is recorded of."""
    return [eps for eps in recipe.budgets if robust_name(eps) in table["quantity"]]


def last_profile(tables: Sequence[np.ndarray]) -> np.ndarray | None:
    """The migration profile at the last step, mean over the tables (one for each seed); None where there is none."""
    found = []
    for table in tables:
        last = table[table["step"] == table["step"].max()]
        found.append(last[(last["quantity"] == "migration_profile") & (last["layer"] == "total")]["value"])
    return np.mean(found, axis=0) if all(map(len, found)) else None


def _migration(table: np.ndarray) -> dict[str, float] | None:
    """The profile at the last step: at the data, at its greatest, at the boundary, and the ratio with its interval."""
    last = table[table["step"] == table["step"].max()]
    profile = last[(last["quantity"] == "migration_profile") & (last["layer"] == "total")]
    ratio = last[last["quantity"] == "migration_log2_ratio"]
    if not len(ratio):
        return None
    names = ("data", "greatest", "boundary", "log2_ratio", "low", "high")
    value = profile["value"]
    numbers = (value[0], value.max(), value[-1], *(ratio[end][0] for end in ("value", "low", "high")))
    return dict(zip(names, map(float, numbers), strict=True))


def flat(tables: Mapping[str, Mapping[int, np.ndarray]]) -> tuple[list[str], list[list[object]]]:
    """Header and rows of one table: a row for each variant, seed and step, a column for each total, four digits."""
    found: dict[tuple[str, int, int], dict[str, float]] = {}
    for name, of_seeds in tables.items():
        for seed, table in of_seeds.items():
            for row in table[np.isin(table["layer"], ("", "total"))]:
                known = found.setdefault((name, seed, int(row["step"])), {})
                radius = "" if np.isnan(row["radius"]) else f"/r={row['radius']:g}"
                label = row["quantity"] + (f"/{row['probe']}" if row["probe"] else "") + radius
                known[label] = row["value"]
                if row["quantity"] == "migration_log2_ratio":
                    known[f"{label}/low"], known[f"{label}/high"] = row["low"], row["high"]
    columns = list(dict.fromkeys(label for known in found.values() for label in known))
    rows = [[*place, *(f"{known[c]:.4g}" if c in known else "" for c in columns)] for place, known in found.items()]
    return ["variant", "seed", "step", *columns], rows


def _complexity(table: np.ndarray, radius: float, start: int) -> dict[str, Any]:
    """Values at the first and the last step and at the highest one from `start` on; phases around training points."""
    curves = {probe: complexity_curve(table, probe, radius) for probe in PROBES}
    phases = sg.find_phases(curves["train"].steps, curves["train"].value)
    peaks = {probe: _peak(found, start) for probe, found in curves.items()}
    return {
        "first": {probe: float(found.value[0]) for probe, found in curves.items()},
        "peak": {probe: value for probe, (_, value) in peaks.items()},
        "peak_step": {probe: step for probe, (step, _) in peaks.items()},
        "final": {probe: float(found.value[-1]) for probe, found in curves.items()},
        "phases": {name: _interval(getattr(phases, name)) for name in _PHASES},
    }


def _peak(series: sg.Series, start: int) -> tuple[int, float]:
    behind = series.steps >= start
    place = int(series.value[behind].argmax())
    return int(series.steps[behind][place]), float(series.value[behind][place])


def _interval(phase: Any) -> list[int] | None:
    return None if phase is None else [int(end) for end in phase]


def report(recipe: Recipe, summary: dict[str, Any]) -> str:
    """Markdown: accuracies first, then local complexity around training points."""
    runs = [
        (name, seed.removeprefix("seed "), figures)
        for name, of_seeds in summary["variants"].items()
        for seed, figures in of_seeds.items()
    ]
    budgets = list(runs[0][2]["robust_accuracy"])
    accuracies = [f"ε = {eps}: lowest → final (half-way at)" for eps in budgets]
    header = ("variant", "seed", "steps", "train = 1 at", "train", "test", *accuracies)
    complexities = ("variant", "seed", "r", "step 0", "peak (at)", "final", "first descent", "ascent", "second descent")
    return "\n".join(
        [
            f"## {recipe.title}",
            "",
            f"Claim: {recipe.claim}",
            "",
            *_table(header, [_accuracies(budgets, *run) for run in runs]),
            "",
            "Local complexity around training points: mean; peak since the training accuracy is 1; phases in steps.",
            "",
            *_table(complexities, [row for run in runs for row in _complexities(recipe, *run)]),
            "",
            *_migration_lines(runs),
        ]
    )


def _accuracies(budgets: Sequence[str], name: str, seed: str, figures: dict[str, Any]) -> tuple[str, ...]:
    rises = [figures["robust_accuracy"][eps] for eps in budgets]
    return (
        name,
        seed,
        f"{figures['last_step']:,}",
        _step(figures["interpolation"]),
        f"{figures['train_accuracy']:.3f}",
        f"{figures['test_accuracy']:.3f}",
        *(f"{rise['low']:.3f} → {rise['final']:.3f} ({_step(rise['half_step'])})" for rise in rises),
    )


def _complexities(recipe: Recipe, name: str, seed: str, figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for radius in recipe.radii:
        found = figures["local_complexity"][f"{radius:g}"]
        yield (
            name,
            seed,
            f"{radius:g}",
            f"{found['first']['train']:.2f}",
            f"{found['peak']['train']:.2f} ({_step(found['peak_step']['train'])})",
            f"{found['final']['train']:.2f}",
            *(_ends(found["phases"][phase]) for phase in _PHASES),
        )


def _migration_lines(runs: Sequence[tuple[str, str, dict[str, Any]]]) -> Iterator[str]:
    known = [(name, seed, found["migration"]) for name, seed, found in runs if found["migration"] is not None]
    if known:
        yield "Migration profile at the last step: local complexity by the way from the data to the boundary."
        yield ""
        header = ("variant", "seed", "at the data", "greatest", "at the boundary", "log2 boundary / data (99 %)")
        yield from _table(
            header,
            [
                (name, seed, *(f"{m[k]:.2f}" for k in ("data", "greatest", "boundary")), _ratio(m))
                for name, seed, m in known
            ],
        )
        yield ""


def _ratio(found: Mapping[str, float]) -> str:
    return f"{found['log2_ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def _step(step: int | None) -> str:
    return "-" if step is None else f"{step:,}"


def _ends(ends: list[int] | None) -> str:
    return "-" if ends is None else f"{ends[0]:,} to {ends[1]:,}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield "| " + " | ".join(row) + " |"
