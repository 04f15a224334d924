"""Event files, read back by TensorBoard itself."""

import importlib

import pytest

import splinegeo as sg

from .conftest import small_model

pytest.importorskip("tensorboard")


def test_a_folder_becomes_event_files(probes, tmp_path):
    tracker = sg.LocalComplexityTracker(
        small_model(), probes, radius=0.5, dim=2, steps=lambda step: True, tensorboard=tmp_path / "board"
    )
    for step in (0, 7):
        tracker.record(step, loss=step + 0.5)
    tracker.close()
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(0, 0.5), (7, 7.5)]
    found = [e.value for e in events.Scalars("local_complexity/random/r=0.5")]
    assert found == pytest.approx(tracker.series("local_complexity", "random").value)


def test_without_tensorboard_the_error_says_what_to_install(probes, monkeypatch, tmp_path):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(sg.InvalidInputError, match=r"pip install 'splinegeo\[tensorboard\]'"):
        sg.LocalComplexityTracker(small_model(), probes, dim=2, tensorboard=tmp_path)
