"""The networks that the checks look at: trained once, on real digits, shared by all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor, nn

from ..data import Samples, load_digits
from ..networks import Cnn, Mlp
from ..training import TrainingRun, log_spaced_steps, train

DEPTH = 3


@dataclass(frozen=True)
class TrainingPlan:
    """How long the networks are trained.

    Attributes
    ----------
    mlp_steps, mlp_checkpoints : of the fully connected network
    normalised_steps : of its sibling with batch norm
    cnn_steps : of the convolutional network
    width : of the three hidden layers of the first two
    """

    mlp_steps: int
    mlp_checkpoints: int
    normalised_steps: int
    cnn_steps: int
    width: int = 200


class Subjects:
    """Digits and the networks trained on 1 000 of them, each trained when it is first asked for.

    Parameters
    ----------
    plan : TrainingPlan
    seed : of the split of the digits, the initialisations and the batches
    progress : whether trainings show a bar
    """

    def __init__(self, plan: TrainingPlan, seed: int = 0, progress: bool = False) -> None:
        self.plan, self.seed, self.progress = plan, seed, progress

    @cached_property
    def digits(self) -> Samples:
        """1 000 digits to train on, 4 000 others."""
        return load_digits(seed=self.seed)

    @property
    def _network(self) -> Mlp:
        return Mlp((self.plan.width,) * DEPTH)

    @property
    def shape(self) -> str:
        """The fully connected network in words: 784-200-200-200-10."""
        network = self._network
        return "-".join(map(str, (network.n_in, *network.hidden, network.n_out)))

    @cached_property
    def run(self) -> TrainingRun:
        """The training of the fully connected network, log-spaced checkpoints."""
        steps = log_spaced_steps(self.plan.mlp_steps, self.plan.mlp_checkpoints)
        return self._train(self._network.build(self.seed), steps)

    @cached_property
    def mlp(self) -> nn.Sequential:
        """The fully connected network at the end of its training."""
        return self.mlp_at(self.run.states[-1])

    def mlp_at(self, state: dict[str, Tensor]) -> nn.Sequential:
        """The fully connected network at one of the run's states."""
        model = self._network.build(0)
        model.load_state_dict(state)
        return model.eval()

    @cached_property
    def normalised(self) -> nn.Sequential:
        """Its sibling with batch norm, trained, in evaluation mode."""
        model = replace(self._network, batch_norm=True).build(self.seed)
        self._train(model, [self.plan.normalised_steps])
        return model.eval()

    @cached_property
    def cnn(self) -> nn.Sequential:
        """Five convolutions and two linear layers for flat images, trained, without batch norm."""
        network = Cnn(channels=(16,) * 5, strides=(2, 2, 1, 1, 1), width=100)
        model = nn.Sequential(nn.Unflatten(1, (1, 28, 28)), *network.build(self.seed))
        self._train(model, [self.plan.cnn_steps])
        return model.eval()

    def _train(self, model: nn.Module, steps: list[int]) -> TrainingRun:
        return train(model, self.digits, steps, seed=self.seed, progress=self.progress)
