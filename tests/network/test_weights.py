"""One loader for files, folders, checkpoints and state dicts; what does not fit is a table, and changes nothing."""

import copy
import json
import logging

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import splinegeo as sg
from splinegeo.network import weights


def network(width=16):
    return nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 3)).eval()


class Around(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.criterion = net, nn.Linear(1, 1)


@pytest.fixture
def trained():
    torch.manual_seed(1)
    return network()


@pytest.fixture(autouse=True)
def _words_are_new():
    weights._say.cache_clear()


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


FORMS = {
    "plain": lambda m: m.state_dict(),
    "DataParallel": lambda m: prefixed(m.state_dict(), "module."),
    "torch.compile": lambda m: prefixed(m.state_dict(), "_orig_mod."),
    "both": lambda m: prefixed(m.state_dict(), "module._orig_mod."),
    "compiled inside": lambda m: prefixed(m.state_dict(), "net._orig_mod."),
    "inside a module": lambda m: Around(m).state_dict(),
    "Lightning": lambda m: {"state_dict": Around(m).state_dict(), "epoch": 1, "hyper_parameters": {"lr": 0.1}},
    "loop": lambda m: {"model_state_dict": m.state_dict(), "optimizer_state_dict": {"state": {}}, "epoch": 2},
    "nested": lambda m: {"model": {"state_dict": m.state_dict()}, "ema": 0.9},
    "mixed": lambda m: {"model": m.state_dict(), "best": torch.tensor(0.5)},
    "arrays": lambda m: {name: value.numpy() for name, value in m.state_dict().items()},
}


def same(a, b):
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_state_dict_is_taken(form, trained):
    model = network()
    assert sg.load_weights(model, FORMS[form](trained)) is model
    assert same(model, trained)


def test_every_verb_with_states_takes_them_too(trained, tmp_path):
    domain, torch_file = sg.Slice.box((-1, 1), (-1, 1)), tmp_path / "run.pt"
    torch.save({"state_dict": prefixed(trained.state_dict(), "net.")}, torch_file)
    expected = sg.compute_partition(trained, domain).n_regions
    states = [*(form(trained) for form in FORMS.values()), torch_file, str(torch_file)]
    assert [p.n_regions for p in sg.compute_partitions(network(), domain, states=states)] == [expected] * len(states)
    captured = sg.capture(network(), domain).bind(torch_file)
    assert sg.compute_partition(captured, domain).n_regions == expected
    found = sg.sweep_partitions(network(), domain, states=[torch_file], reduce=lambda part: part.n_regions)
    assert found.stack().tolist() == [expected]


def test_names_that_lack_a_prefix_get_it(trained):
    around = Around(network())
    state = {**trained.state_dict(), "criterion.weight": torch.ones(1, 1), "criterion.bias": torch.ones(1)}
    with pytest.raises(sg.InvalidInputError, match=r"missing: criterion\.weight"):
        sg.load_weights(around, state)  # only some lack it
    whole = nn.Sequential(network())
    assert same(sg.load_weights(whole, trained.state_dict())[0], trained)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth", ".ckpt", ".bin"])
def test_files_and_folders(suffix, trained, tmp_path):
    path = tmp_path / f"some{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(trained.state_dict(), path)
    else:
        torch.save({"state_dict": trained.state_dict(), "epoch": 3}, path)
    for source in (path, str(path), tmp_path):
        assert same(sg.load_weights(network(), source), trained)


def test_a_folder_in_parts(trained, tmp_path):
    state = trained.state_dict()
    parts = {"a.safetensors": list(state)[:2], "b.safetensors": list(state)[2:]}
    for name, keys in parts.items():
        safetensors.torch.save_file({key: state[key] for key in keys}, tmp_path / name)
    index = {"weight_map": {key: name for name, keys in parts.items() for key in keys}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert same(sg.load_weights(network(), tmp_path), trained)
    index["weight_map"]["0.weight"] = "../outside.safetensors"
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(sg.InvalidInputError, match="outside its folder"):
        sg.load_weights(network(), tmp_path)


def test_a_word_is_said_once_where_names_change(trained, caplog):
    with caplog.at_level(logging.WARNING, "splinegeo"):
        for _ in range(3):
            sg.load_weights(network(), FORMS["inside a module"](trained))
    assert [record.message for record in caplog.records] == [
        "names of weights begin with 'net.', which the model does not know: it was taken off, "
        "and 2 others were left out"
    ]


def test_what_does_not_fit_is_a_table_and_changes_nothing(trained):
    model = network(width=12)
    before = copy.deepcopy(model)
    state = {**trained.state_dict(), "extra": torch.zeros(3)}
    del state["2.bias"]
    with pytest.raises(sg.InvalidInputError) as caught:
        sg.load_weights(model, state)
    assert str(caught.value).splitlines() == [
        "the weights do not fit Sequential:",
        "  missing: 2.bias",
        "  unexpected: extra",
        "  other shape: 0.weight: (16, 2), where the model has (12, 2), 0.bias: (16,), where the model has (12,), "
        "2.weight: (3, 16), where the model has (3, 12)",
    ]
    assert same(model, before)
    many = {f"layer{k}": torch.zeros(1) for k in range(30)}
    with pytest.raises(sg.InvalidInputError, match="and 22 more"):
        sg.load_weights(model, many)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "holds no state dict: it has nothing"),
        ({"epoch": 1, "loss": 0.5}, "it has 'epoch', 'loss'"),
        ("none.pt", "no such file"),
        ({1: torch.zeros(1)}, "names that are no text"),
    ],
)
def test_what_is_no_state_dict_is_one_sentence(source, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.load_weights(network(), source)


def test_files_of_other_kinds(tmp_path, trained):
    (tmp_path / "text.pt").write_text("hello")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    for name, message in (
        ("text.pt", "cannot load"),
        ("tensor.pt", "holds a Tensor"),
        ("cut.safetensors", "cannot load"),
    ):
        with pytest.raises(sg.InvalidInputError, match=message):
            sg.load_weights(network(), tmp_path / name)
    with pytest.raises(
        sg.InvalidInputError, match=r"one file of weights; it has cut\.safetensors, tensor\.pt, text\.pt"
    ):
        sg.load_weights(network(), tmp_path)


def test_batch_norm_of_old_files_needs_no_counter():
    norm = nn.BatchNorm1d(3)
    state = {k: v + 1 for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    assert np.allclose(sg.load_weights(norm, state).running_var, 2)
