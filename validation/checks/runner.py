"""`run_validation`: every check in turn, one report at the end."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

import splinegeo as sg

from .finding import Finding
from .report import Entry, Report, save_report
from .subjects import Subjects, TrainingPlan
from .suite import CHECKS, FULL, QUICK, Check


def run_validation(
    out: Path,
    *,
    quick: bool = False,
    seed: int = 0,
    only: Sequence[str] = (),
    progress: bool = False,
    checks: Sequence[Check] = CHECKS,
    plan: TrainingPlan | None = None,
) -> Report:
    """Hold splinegeo against the paper and against laws; writes ``report.html`` and ``report.json`` into `out`.

    A check that raises is reported as failed, with its error, and the others go on. Nothing is written before all
    have ended, and each file whole or not at all.

    Parameters
    ----------
    out : folder; made if it does not exist
    quick : small settings (a minute and a half of CPU time) instead of the full ones (about ten minutes)
    seed : of everything random
    only : names of the checks to run; none means all
    progress : whether bars are shown
    checks, plan : what there is to run, and how long networks are trained

    Raises
    ------
    InvalidInputError
        For an unknown name; the message lists the known ones.
    """
    chosen = _choose(checks, only)
    out.mkdir(parents=True, exist_ok=True)
    subjects = Subjects(plan or (QUICK if quick else FULL), seed, progress)
    entries = []
    with tqdm(chosen, desc="validate", unit="check", disable=not progress) as bar:
        for check in bar:
            bar.set_postfix_str(check.name)
            entries.append(_run(check, subjects, quick, seed))
    report = Report(tuple(entries), "quick" if quick else "full", seed)
    save_report(out, report)
    return report


def _choose(checks: Sequence[Check], only: Sequence[str]) -> list[Check]:
    known = [check.name for check in checks]
    unknown = [name for name in only if name not in known]
    if unknown:
        raise sg.InvalidInputError(f"there is no check '{unknown[0]}'; the checks are {', '.join(known)}")
    return [check for check in checks if not only or check.name in only]


def _run(check: Check, subjects: Subjects, quick: bool, seed: int) -> Entry:
    start = time.perf_counter()
    try:
        finding = check.run(check.quick if quick else check.full, subjects, seed)
    except Exception as error:  # whatever it is: it is what the report must say
        finding = _failed(check.name, error)
    command = f"splinegeo validate {'--quick ' if quick else ''}--seed {seed} --only {check.name}"
    return Entry(finding, time.perf_counter() - start, command)


def _failed(name: str, error: Exception) -> Finding:
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = str(error).strip() or "no message"
    return Finding(
        name=name,
        title=name.replace("-", " ").capitalize(),
        claim="The check ended with an error before it could say anything.",
        source="",
        text="",
        error=f"{type(error).__name__}: {said} ({Path(place.filename).name}, line {place.lineno})",
    )
