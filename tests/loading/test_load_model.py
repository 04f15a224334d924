"""Networks of other formats: what comes out computes what the file says, on batches, and can be captured."""

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import splinegeo as sg

# PyTorch's older exporter says on every call that there is a newer one; the files that people have come from it.
OPSETS = (11, 13, 17)


class Everything(nn.Module):
    """Conv, BatchNormalization, MaxPool, AveragePool, Add, Sub, Clip, Pad, ConvTranspose, Resize, Reshape, Concat, …"""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.second, self.up = nn.Conv2d(3, 3, 3, stride=2, padding=1), nn.ConvTranspose2d(3, 2, 2, stride=2)
        self.last = nn.Linear(2 * 100 + 27, 4)
        self.norm.running_mean.normal_()

    def forward(self, x):
        h = F.relu(self.norm(self.first(x)))
        h = torch.clamp(self.second(h) + F.max_pool2d(h, 2) - F.avg_pool2d(h, 2), -0.5, 0.8)
        wide = F.interpolate(F.pad(self.up(h), (1, 1, 1, 1)), scale_factor=1.25, mode="nearest")
        return self.last(torch.cat([wide.reshape(x.shape[0], -1), h.flatten(1)], 1))


def saved(model, shape, path, opset=13, free=False):
    x = torch.zeros(1, *shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (x,), str(path), opset_version=opset, dynamo=False, input_names=["x"],
            dynamic_axes={"x": {0: "n"}} if free else None,
        )  # fmt: skip
    return path


def by_onnxruntime(path, x):
    session = onnxruntime.InferenceSession(str(path))
    return np.concatenate([session.run(None, {"x": row.numpy()[None]})[0] for row in x])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Everything().eval()


@pytest.mark.parametrize("free", [False, True], ids=["batch of one", "free batch"])
@pytest.mark.parametrize("opset", OPSETS)
def test_onnx_files_compute_what_onnxruntime_does_and_have_the_partition_of_the_module(opset, free, model, tmp_path):
    path = saved(model, (1, 6, 6), tmp_path / "net.onnx", opset, free)
    loaded, x = sg.load_model(path), torch.randn(5, 1, 6, 6)
    with torch.no_grad():
        np.testing.assert_allclose(loaded(x).numpy(), by_onnxruntime(path, x), atol=1e-5)
    domain = sg.Slice.around(x[0], 1.0)
    part, expected = sg.compute_partition(loaded, domain), sg.compute_partition(model, domain)
    assert part.check().ok
    # The file has rounded the batch norm into the convolution before it: the same regions, up to that rounding.
    assert part.n_regions == pytest.approx(expected.n_regions, abs=3)
    u = np.random.default_rng(0).uniform(-0.7, 0.7, (50, 2))
    np.testing.assert_allclose(part.evaluate(u), expected.evaluate(u), atol=1e-4)


def test_fully_connected_nets_keep_their_weights(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 2))
    loaded = sg.load_model(saved(net, (2, 2), tmp_path / "net.onnx"))
    domain = sg.Slice.around(torch.zeros(2, 2), 3.0)
    assert sg.compute_partition(loaded, domain).n_regions == sg.compute_partition(net, domain).n_regions


def test_what_cannot_be_converted_is_one_sentence(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    (tmp_path / "cut.nnet").write_text("// cut\n2,2,1,3,\n2,3,1,\n0,\n")
    for name in ("broken.onnx", "cut.nnet", "none.onnx", "weights.pt"):
        with pytest.raises(sg.InvalidInputError) as caught:
            sg.load_model(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def nnet_text(weights, biases, mean, spread):
    """A file of the ACAS Xu format, written out number by number."""
    sizes = [weights[0].shape[1], *(len(b) for b in biases)]
    rows = [[len(weights), sizes[0], sizes[-1], max(sizes)], sizes, [0], [-1] * sizes[0], [1] * sizes[0], mean, spread]
    for weight, bias in zip(weights, biases, strict=True):
        rows += [*weight.tolist(), *([b] for b in bias.tolist())]
    return "// a network\n// in two lines of comment\n" + "".join(
        ",".join(repr(float(v)) if k > 4 else str(v) for v in row) + ",\n" for k, row in enumerate(rows)
    )


def test_nnet_files_are_in_the_units_of_the_user(tmp_path):
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape) for shape in ((7, 3), (6, 7), (2, 6))]
    biases = [rng.standard_normal(len(w)) for w in weights]
    mean, spread = [100.0, -3.0, 0.5, 7.0], [50.0, 2.0, 0.1, 30.0]
    path = tmp_path / "acas.nnet"
    path.write_text(nnet_text(weights, biases, mean, spread))
    model, x = sg.load_model(path), rng.standard_normal((20, 3)) * spread[:3] + mean[:3]
    h = (x - mean[:3]) / spread[:3]
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = h @ w.T + b if k == 2 else np.maximum(h @ w.T + b, 0)
    np.testing.assert_allclose(model(torch.from_numpy(x)).numpy(force=True), h * spread[3] + mean[3], rtol=1e-12)
    part = sg.compute_partition(model, sg.Slice.through(*torch.from_numpy(x[:3])))
    assert part.n_regions > 1
    assert part.check().ok
    path.write_text(path.read_text() + "1.0,\n")
    with pytest.raises(sg.InvalidInputError, match="lines, where its sizes"):
        sg.load_model(path)
