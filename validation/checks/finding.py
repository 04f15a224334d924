"""What a check hands back: statements that hold or do not, the numbers behind them, and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from matplotlib.figure import Figure

Kind = Literal["law", "paper"]
Verdict = Literal["pass", "fail", "measured"]
Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Rule:
    """One statement with a yes or a no.

    Attributes
    ----------
    statement : what must hold
    reason : why it must, or, for a threshold, where it comes from
    kind : ``"law"``: a theorem, one counterexample is a bug; ``"paper"``: an observation of the paper on its data,
        which another network may contradict
    measured : what was found, with the number of cases that were looked at
    holds : bool
    """

    statement: str
    reason: str
    kind: Kind
    measured: str
    holds: bool


@dataclass(frozen=True)
class Table:
    """Numbers under column names; `caption` says what a row is, with units."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A figure; `caption` describes it to those who see it, `alt` to those who do not."""

    figure: Figure
    caption: str
    alt: str


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes
    ----------
    name : the word that `splinegeo validate --only` takes
    title : str
    claim : one sentence
    source : figure, equation or section of the paper, or the law
    text : the experiment: network, points, settings
    rules : what decides the verdict
    tables, pictures : what the rules were read from
    error : the exception that ended the check, if one did
    """

    name: str
    title: str
    claim: str
    source: str
    text: str
    rules: tuple[Rule, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    error: str | None = None

    @property
    def verdict(self) -> Verdict:
        """``"pass"`` if every rule holds; ``"measured"`` if there is none; an error fails.

        >>> rule = Rule("1 < 2", "arithmetic", "law", "1 and 2", True)
        >>> Finding("order", "Order", "One is less than two.", "Peano", "", (rule,)).verdict
        'pass'
        >>> Finding("order", "Order", "One is less than two.", "Peano", "", (rule,), error="OSError: disk").verdict
        'fail'
        """
        if self.error is not None or not all(rule.holds for rule in self.rules):
            return "fail"
        return "pass" if self.rules else "measured"
