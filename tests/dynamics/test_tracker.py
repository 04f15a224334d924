"""The tracker: what it measures is what the library measures, and the training does not notice."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

import splinegeo as sg

from .conftest import small_model, train


def nosy(model):
    """A metric that does everything a metric may do: random numbers of three kinds, gradients, modes."""
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
    x = torch.randn(4, 6, requires_grad=True)
    model.eval()
    model(x).sum().backward()
    model.train()
    return x.grad.abs().sum().item() + random.random() + np.random.rand()  # noqa: NPY002


def accuracy(model):
    assert not model.training
    return torch.tensor(0.25)


def test_training_with_a_tracker_is_bit_identical(probes, tmp_path):
    plain, tracked = small_model(), small_model()
    tracker = sg.LocalComplexityTracker(
        tracked,
        probes,
        radius=(0.1, 1.0),
        dim=4,
        metrics={"nosy": nosy, "accuracy": accuracy, "robust": lambda m: nosy(m)},
        path=tmp_path / "run.csv",
    )
    outside = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    losses = train(plain, 40)
    assert train(tracked, 40, lambda step, loss: tracker.record(step, loss=loss)) == losses
    for name, value in plain.state_dict().items():
        assert torch.equal(value, tracked.state_dict()[name]), name
    for a, b in zip(plain.parameters(), tracked.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    assert outside == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
    assert tracker.series("loss").value.tolist() == [losses[s] for s in tracker.series("loss").steps]


def test_modes_and_gradients_come_back_also_after_an_error(probes):
    model = small_model()
    model[0].eval()
    model[0].weight.grad = held = torch.ones_like(model[0].weight)
    modes, state = [m.training for m in model.modules()], torch.get_rng_state()

    def failing(model):
        nosy(model)
        raise KeyError("mine")

    tracker = sg.LocalComplexityTracker(model, probes, dim=2, metrics={"failing": failing})
    with pytest.raises(KeyError, match="mine"):
        tracker.record(0)
    assert modes == [m.training for m in model.modules()]
    assert model[0].weight.grad is held
    assert (held == 1).all()
    assert torch.equal(state, torch.get_rng_state())
    assert len(tracker.table) == 0
    assert tracker.due(0)


def test_numbers_are_those_of_local_complexity(probes):
    model = small_model()
    tracker = sg.LocalComplexityTracker(model, probes, radius=[0.05, 0.5], dim=3, rng=7, level=0.9, steps=[0, 4])
    models = {}

    def record(step, loss):
        if tracker.record(step):
            models[step] = copy.deepcopy(model).eval()

    train(model, 6, record)
    assert list(models) == [0, 4]
    for probe, x in probes.items():
        for radius in (0.05, 0.5):
            expected = [sg.local_complexity(m, x, radius=radius, dim=3, rng=7) for m in models.values()]
            for layer in ("2", "5", None):
                steps, value, low, high = tracker.series("local_complexity", probe, radius, layer or "total")
                assert steps.tolist() == [0, 4]
                assert value.tolist() == [e.mean(layer) for e in expected]
                assert [*zip(low, high, strict=True)] == [e.confidence_interval(0.9, layer) for e in expected]
    assert (tracker.series("local_complexity", "train", 0.5).value > 0).all()


def test_table_is_long(probes):
    tracker = sg.LocalComplexityTracker(
        small_model(), probes, radius=(0.1, 0.2), dim=2, metrics={"accuracy": accuracy}, steps=[0, 3]
    )
    done = [tracker.record(step, loss=1.5 / (step + 1)) for step in range(5)]
    assert done == [True, False, False, True, False]
    table = tracker.table
    assert table.dtype.names == ("step", "quantity", "probe", "radius", "layer", "value", "low", "high")
    assert len(table) == 2 * (2 + 2 * 2 * 3)
    rows = {row[:5] for row in table[table["quantity"] == "local_complexity"].tolist()}
    assert rows == {
        (step, "local_complexity", probe, radius, layer)
        for step in (0, 3)
        for probe in ("train", "random")
        for radius in (0.1, 0.2)
        for layer in ("2", "5", "total")
    }
    metric = table[table["quantity"] == "accuracy"]
    assert metric["value"].tolist() == [0.25, 0.25]
    assert (metric["probe"] == "").all()
    assert (metric["layer"] == "").all()
    assert all(np.isnan(metric[name]).all() for name in ("radius", "low", "high"))
    with pytest.raises(ValueError, match="read-only"):
        table["value"][0] = 1


def test_layers_can_be_chosen_and_probes_may_be_arrays(probes):
    tracker = sg.LocalComplexityTracker(small_model(), {"a": probes["train"].numpy()}, dim=2, layers=["5"])
    tracker.record(0)
    assert sorted(set(tracker.table["layer"])) == ["5", "total"]


def test_probes_are_copied(probes):
    model, x = small_model(), probes["train"].clone()
    tracker = sg.LocalComplexityTracker(model, {"train": x}, radius=1.0, dim=2, steps=lambda step: True)
    tracker.record(0)
    x.zero_()
    tracker.record(1)
    value = tracker.series("local_complexity").value
    assert value[0] == value[1] > 0


def test_series_sorts_the_steps_and_says_what_there_is(probes):
    tracker = sg.LocalComplexityTracker(small_model(), probes, radius=(0.1, 0.2), dim=2, steps=lambda step: True)
    for step in (5, 2, 9):
        tracker.record(step, loss=step)
    assert tracker.series("loss").steps.tolist() == [2, 5, 9]
    assert tracker.series("loss").value.tolist() == [2, 5, 9]
    wrong = {
        r"quantity 'accuracy'.*'loss', 'local_complexity'": ("accuracy",),
        r"several entries in 'probe'.*'train', 'random'": ("local_complexity",),
        r"several entries in 'radius'.*0\.1, 0\.2": ("local_complexity", "train"),
        r"no radius 0\.3": ("local_complexity", "train", 0.3),
        r"no layer 'x'": ("local_complexity", "train", 0.1, "x"),
        "belongs to no probe": ("loss", "train"),
    }
    for message, arguments in wrong.items():
        with pytest.raises(sg.InvalidInputError, match=message):
            tracker.series(*arguments)


def test_values_are_read_only_when_they_are_due(probes):
    class Loss(float):
        reads = 0

        def __float__(self):
            Loss.reads += 1
            return 1.0

    tracker = sg.LocalComplexityTracker(small_model(), probes, dim=2)
    for step in range(101):
        tracker.record(step, loss=Loss())
    assert Loss.reads == len(set(tracker.table["step"])) == 17


def test_a_generator_gives_one_seed_for_the_whole_run(probes):
    model = small_model()
    tracker = sg.LocalComplexityTracker(
        model, probes, radius=1.0, dim=2, rng=torch.Generator().manual_seed(3), steps=[0, 1]
    )
    tracker.record(0)
    tracker.record(1)
    value = tracker.series("local_complexity", "train").value
    assert value[0] == value[1] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probes": {}}, "probes is empty"),
        ({"probes": {"": torch.rand(3, 6)}}, "printable"),
        ({"probes": {"a\nb": torch.rand(3, 6)}}, "printable"),
        ({"probes": {"a": torch.rand(3, 7)}}, "does not run on inputs"),
        ({"probes": {"a": torch.full((3, 6), torch.nan)}}, "points contain NaN"),
        ({"radius": 0.0}, "radius"),
        ({"radius": ()}, "radius"),
        ({"radius": (0.1, 0.1)}, "radius"),
        ({"radius": "1"}, "radius"),
        ({"dim": 7}, "dim=7"),
        ({"layers": ["nope"]}, "nope"),
        ({"level": 1.0}, "level"),
        ({"rng": -1}, "rng"),
        ({"steps": []}, "steps"),
        ({"metrics": {"local_complexity": accuracy}}, "cannot be called"),
        ({"tensorboard": 3}, "add_scalar"),
        ({"path": "no/such/folder/run.csv"}, "cannot write"),
    ],
)
def test_bad_arguments_are_refused_before_the_training(probes, change, message):
    with pytest.raises(sg.SplineGeoError, match=message):
        sg.LocalComplexityTracker(small_model(), **{"probes": probes, "dim": 2, **change})


def test_a_layer_called_total_is_refused(probes):
    model = nn.Sequential()
    model.add_module("linear", nn.Linear(6, 4))
    model.add_module("total", nn.ReLU())
    with pytest.raises(sg.InvalidInputError, match="'total'"):
        sg.LocalComplexityTracker(model, probes, dim=2)


def test_bad_records_are_refused(probes):
    tracker = sg.LocalComplexityTracker(small_model(), probes, dim=2, metrics={"accuracy": accuracy})
    for step in (-1, 1.5, "1", True):
        with pytest.raises(sg.InvalidInputError, match="step"):
            tracker.record(step)
    for values in ({"loss": "low"}, {"loss": torch.zeros(2)}, {"accuracy": 1.0}, {"local_complexity": 1.0}):
        with pytest.raises(sg.InvalidInputError, match=next(iter(values))):
            tracker.record(0, **values)
    assert len(tracker.table) == 0
    assert tracker.record(np.int64(0), loss=float("nan"))


def test_a_training_that_diverges_is_told(probes):
    model = small_model()
    tracker = sg.LocalComplexityTracker(model, probes, dim=2)
    with torch.no_grad():
        model[0].weight.fill_(torch.nan)
    with pytest.raises(sg.NonFiniteError, match="weights"):
        tracker.record(0)
    assert model.training


class Board:
    def __init__(self):
        self.scalars = []

    def add_scalar(self, tag, value, step):
        self.scalars.append((tag, value, step))


def test_a_summary_writer_gets_every_number(probes):
    board = Board()
    tracker = sg.LocalComplexityTracker(small_model(), probes, radius=0.25, dim=2, tensorboard=board)
    tracker.record(0, loss=2.0)
    tracker.close()
    assert len(board.scalars) == len(tracker.table) == 7
    assert ("loss", 2.0, 0) in board.scalars
    total = tracker.series("local_complexity", "train").value[0]
    assert ("local_complexity/train/r=0.25", total, 0) in board.scalars
    assert "local_complexity/random/r=0.25/5" in {tag for tag, _, _ in board.scalars}


def classifier():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    x = torch.rand(60, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model[2].weight.mul_(20)
        model[2].bias.sub_(model(x).mean(0))  # so that every class wins somewhere
        y = model(x).argmax(1)
    assert len(y.unique()) == 3
    return model, x, y


def test_the_profile_is_recorded_with_its_ratio(tmp_path):
    model, x, y = classifier()
    options = {"radius": 0.2, "dim": 3, "profile": (x, y), "n_segments": 25, "path": tmp_path / "run.csv"}
    tracker = sg.LocalComplexityTracker(model, {"all": x}, **options)
    tracker.record(0)
    expected = sg.migration_profile(model, x, y, n_segments=25, radius=0.2, dim=3)
    table = sg.load_table(tmp_path / "run.csv")
    for fraction, mean, error in zip(expected.fractions, expected.mean, expected.standard_error, strict=True):
        _, (value,), (low,), (high,) = sg.select_series(table, "migration_profile", f"{fraction:g}")
        assert value == pytest.approx(mean)
        assert (high - low) / 2 == pytest.approx(2.797 * error, rel=1e-3)  # Student's, 24 degrees of freedom
        assert sg.select_series(table, "migration_profile", f"{fraction:g}", layer="1").value == pytest.approx(mean)
    ratio = sg.select_series(table, "migration_log2_ratio")
    assert [float(one[0]) for one in ratio[1:]] == pytest.approx(expected.log2_ratio_interval())
    with pytest.raises(sg.InvalidInputError, match="profile"):
        sg.LocalComplexityTracker(model, {"all": x}, **{**options, "profile": (x, (y + 1) % 3)})
    resumed = sg.LocalComplexityTracker(model, {"all": x}, **options)
    assert not resumed.record(0)


def test_rounding_and_collapse_are_recorded_for_labelled_probes_and_warned_of_once():
    model, x, y = classifier()
    optimizer = torch.optim.Adam(model.parameters())
    tracker = sg.LocalComplexityTracker(model, {"a": x, "b": x[:20]}, dim=2, labels={"a": y}, optimizer=optimizer)
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    tracker.record(0)
    with torch.no_grad():
        h = model[:2](x)
        rounding = sg.precision_diagnostics(model(x), y, model=model, optimizer=optimizer, features=h)
    collapse = sg.neural_collapse(h, y, model[2])
    for kind, numbers in (("precision", rounding.numbers()), ("collapse", collapse.numbers())):
        for name, value in numbers.items():
            assert tracker.series(f"{kind}/a/{name}").value == pytest.approx(value), name
    with torch.no_grad():
        model[2].weight.mul_(1000)
        model[2].bias.mul_(1000)
    with pytest.warns(sg.PrecisionWarning, match="step 1: the cross-entropy has left the range"):
        tracker.record(1)
    tracker.record(2)  # once is enough: a second warning would be an error here
    with pytest.raises(sg.InvalidInputError, match="none of the probes"):
        sg.LocalComplexityTracker(model, {"a": x}, dim=2, labels={"c": y})


def test_metrics_may_return_several_numbers():
    model, x, _ = classifier()
    tracker = sg.LocalComplexityTracker(model, {"a": x}, dim=2, metrics={"norm": lambda m: {"one": 1.0, "two": 2}})
    tracker.record(0)
    assert [tracker.series(f"norm/{name}").value.item() for name in ("one", "two")] == [1, 2]
