"""The callback in a real Trainer."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import splinegeo as sg

from .conftest import small_model

with warnings.catch_warnings():  # what Lightning's own imports warn of is not ours
    warnings.simplefilter("ignore")
    lightning = pytest.importorskip("pytorch_lightning")
    from splinegeo.dynamics import lightning as callbacks


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = small_model()

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.log("twice", 2 * loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def fit(module, probes, callbacks, n_steps=12, **options):
    torch.manual_seed(4)
    x = torch.randn(64, 6)
    data = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16, shuffle=True)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, max_steps=n_steps, callbacks=callbacks, **quiet, **options
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        # Lightning and PyTorch disagree about a name of PyTorch's; nothing of ours is in it
        warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated", category=FutureWarning)
        trainer.fit(module, data)
    return trainer


def test_the_callback_records_at_the_trainers_steps(probes):
    module, other = Module(), Module()
    tracker = sg.LocalComplexityTracker(module, probes, radius=0.5, dim=3)
    fit(module, probes, [callbacks.LocalComplexityCallback(tracker, log="twice")])
    steps, loss, _, _ = tracker.series("loss")
    assert steps.tolist() == [1, 2, 3, 4, 5, 6, 8, 10]
    assert tracker.series("local_complexity", "train").steps.tolist() == [0, *steps]
    assert tracker.series("twice").value == pytest.approx(2 * loss)
    assert {"net.2", "net.5", "total"} == set(tracker.table["layer"]) - {""}
    fit(other, probes, [])
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True))


def test_batches_without_a_step_are_not_recorded(probes):
    module = Module()
    tracker = sg.LocalComplexityTracker(module, probes, dim=2, steps=lambda step: True)
    fit(module, probes, [callbacks.LocalComplexityCallback(tracker)], n_steps=3, accumulate_grad_batches=2)
    assert sorted(set(tracker.table["step"])) == [0, 1, 2, 3]


def test_without_lightning_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(callbacks, "Callback", object)
    with pytest.raises(sg.InvalidInputError, match=r"pip install 'splinegeo\[lightning\]'"):
        callbacks.LocalComplexityCallback(None)
