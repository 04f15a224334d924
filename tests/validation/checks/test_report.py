"""The runner and the report: verdicts, failures, one page that parses, JSON without surprises."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from splinegeo.validation.checks import CHECKS, Finding, Picture, Rule, Table, run_validation
from splinegeo.validation.checks.report import show
from splinegeo.validation.checks.subjects import TrainingPlan
from splinegeo.validation.checks.suite import Check
from typer.testing import CliRunner

import splinegeo as sg
from splinegeo.cli import app
from splinegeo.cli import validate as command

TINY = TrainingPlan(mlp_steps=1, mlp_checkpoints=2, normalised_steps=1, cnn_steps=1, width=8)
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}


def finding(settings, subjects, rng):
    """A check whose settings are whether it holds."""
    return Finding(
        name="small",
        title="Small <title>",
        claim="One is less than two.",
        source="Arithmetic",
        text="Nothing to train.",
        rules=(Rule("1 < 2", "By counting.", "law", f"seed {rng}", bool(settings)),),
        tables=(Table("Numbers", ("n", "x", "y"), ((12345, np.float64(0.5), float("inf")), (1, None, "a & b"))),),
        pictures=(Picture(Figure(), "An empty figure.", "Nothing."),),
    )


def broken(settings, subjects, rng):
    raise ZeroDivisionError("nothing <left> to divide")


HOLDS, FAILS = Check("holds", finding, True, True), Check("fails", finding, False, True)
BROKEN = Check("broken", broken, None, None)


class Page(HTMLParser):
    """Checks that tags match, and gathers what the tests ask for."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.images, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.images += [values] if tag == "img" else []
        assert "src" not in values or values["src"].startswith("data:image/png;base64,")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(out):
    page = Page()
    page.feed((out / "report.html").read_text())
    assert page.open == []
    return page, json.loads((out / "report.json").read_text(), parse_constant=pytest.fail)


def run(out, *checks, **options):
    return run_validation(out, checks=checks, plan=TINY, **options)


def test_the_page_is_whole_and_needs_nothing_else(tmp_path):
    report = run(tmp_path, HOLDS, quick=True, seed=3)
    page, _ = read(tmp_path)
    text = "".join(page.text)
    assert report.ok
    assert page.links == ["#small"]
    assert "small" in page.ids
    assert [image["alt"] for image in page.images] == ["Nothing."]
    for part in ("Small <title>", "a & b", "12,345", "seed 3", "splinegeo validate --quick --seed 3 --only holds"):
        assert part in text, part


def test_json_says_the_same(tmp_path):
    run(tmp_path, HOLDS, FAILS, BROKEN, quick=True)
    _, data = read(tmp_path)
    assert data["format"] == "splinegeo-validation-1"
    assert (data["size"], data["seed"], data["ok"]) == ("quick", 0, False)
    assert {"splinegeo", "torch", "numpy"} <= data["versions"].keys()
    assert [f["verdict"] for f in data["findings"]] == ["pass", "fail", "fail"]
    first = data["findings"][0]
    assert first["rules"] == [
        {"statement": "1 < 2", "reason": "By counting.", "kind": "law", "measured": "seed 0", "holds": True}
    ]
    assert first["tables"][0]["rows"] == [[12345, 0.5, "inf"], [1, None, "a & b"]]


def test_one_failing_check_fails_the_run_and_the_others_go_on(tmp_path):
    report = run(tmp_path, BROKEN, FAILS, HOLDS, quick=True)
    page, data = read(tmp_path)
    assert report.failed == ("broken", "small")
    assert [entry.finding.verdict for entry in report.entries] == ["fail", "fail", "pass"]
    error = data["findings"][0]["error"]
    assert error.startswith("ZeroDivisionError: nothing <left> to divide (test_report.py, line ")
    assert error in "".join(page.text)
    assert run(tmp_path, FAILS).ok  # which it does in the quick run only


def test_an_interrupt_leaves_what_was_there(tmp_path):
    def interrupt(settings, subjects, rng):
        raise KeyboardInterrupt

    run(tmp_path, HOLDS, seed=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, HOLDS, Check("interrupted", interrupt, None, None), seed=2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert before.keys() == {"report.html", "report.json"}


def test_a_finding_without_rules_says_so():
    assert Finding("n", "t", "c", "s", "x").verdict == "measured"


def test_checks_are_chosen_by_name(tmp_path):
    assert [e.finding.name for e in run(tmp_path, HOLDS, BROKEN, only=["holds"]).entries] == ["small"]
    with pytest.raises(sg.InvalidInputError, match="no check 'hold'; the checks are holds, broken"):
        run(tmp_path, HOLDS, BROKEN, only=["hold"])
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names)) == 8


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (0.000123456, "0.0001235"), (54321.6, "54,322"), (float("nan"), "nan")],
)
def test_cells_read_well(value, text):
    assert show(value) == text


def test_the_command_tells_by_its_status(tmp_path, monkeypatch):
    def pretend(out, *, quick, seed, only, progress):
        return run(out, FAILS if quick else HOLDS, quick=quick, seed=seed)

    monkeypatch.setattr(command, "run_validation", pretend)
    good = CliRunner().invoke(app, ["validate", "--out", str(tmp_path)])
    assert good.exit_code == 0
    assert "pass      small" in good.output
    bad = CliRunner().invoke(app, ["validate", "--quick", "--out", str(tmp_path)])
    assert bad.exit_code == 1
    assert "fail      small" in bad.output


@pytest.mark.slow
def test_the_quick_run_passes(tmp_path):
    report = run_validation(tmp_path, quick=True)
    page, _ = read(tmp_path)
    assert report.ok, report.failed
    assert len(page.images) >= len(CHECKS)
