"""Loss, train step and evaluation step as PyTorch code usually has them.

The gradient is a side effect: `backward` leaves it on the parameters, and the optimizer, which
knows them, changes them in place. The mode is a state of the module.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.interface import by_name
from shared.specs import Settings, Task


def make_optimizer(module: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer that the settings name, over all parameters."""
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            module.parameters(), settings.learning_rate, momentum=settings.momentum, fused=True
        )
    return torch.optim.Adam(module.parameters(), settings.learning_rate, fused=True)


def total_loss(
    task: Task, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The sum of the objectives' batch means, and how many examples the first one gets right."""
    terms: list[Any] = []
    for objective in task.objectives:
        output, target = outputs[objective.output], targets[objective.target]
        if objective.loss == "cross_entropy":
            term = F.cross_entropy(output, target.long())
        else:
            term = F.mse_loss(output, target)
        terms.append(objective.weight * term)
    first = task.objectives[0]
    right = outputs[first.output].argmax(dim=-1) == targets[first.target]
    return {"loss": sum(terms), "correct": right.sum()}


class Trainer:
    """A module with its optimizer. Seeds torch's global generator, which dropout draws from."""

    def __init__(
        self, module: nn.Module, outputs: list[str], task: Task, settings: Settings, seed: int
    ) -> None:
        torch.manual_seed(seed)
        # Channels last: the memory order that the CPU's and the GPU's convolutions are best at.
        self.module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.outputs = outputs
        self.task = task
        self.optimizer = make_optimizer(module, settings)

    def train_step(
        self, inputs: tuple[Tensor, ...], targets: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """One optimizer step."""
        self.module.train()
        outputs = by_name(self.outputs, self.module(*inputs))
        result = total_loss(self.task, outputs, targets)
        self.optimizer.zero_grad()
        result["loss"].backward()
        self.optimizer.step()
        return {name: value.detach() for name, value in result.items()}

    def evaluation_step(
        self, inputs: tuple[Tensor, ...], targets: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The same figures in evaluation mode."""
        self.module.eval()
        with torch.no_grad():
            outputs = by_name(self.outputs, self.module(*inputs))
            return total_loss(self.task, outputs, targets)
