"""Loss, train step and evaluation step as PyTorch code usually has them.

The gradient is a side effect: `backward` leaves it on the parameters, and the optimizer, which
knows them, changes them in place. The mode is a state of the module. The tuned variant has the same
steps, with a module that `engine.tuning` wrote anew and fused optimizers, all weights in one call.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.boundary import by_name
from shared.specs import Settings, Task
from torch_impl.engine.precision import Mixed
from torch_impl.engine.tuning import tuned


def make_optimizer(
    module: nn.Module, settings: Settings, variant: str = "idiomatic"
) -> torch.optim.Optimizer:
    """The optimizer that the settings name, over all parameters."""
    parameters, rate = module.parameters(), settings.learning_rate
    fused = (
        True if variant == "tuned" else None
    )  # None leaves it to PyTorch, which does not on a CPU
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, rate, momentum=settings.momentum, nesterov=settings.nesterov, fused=fused
        )
    if settings.optimizer == "adamw":
        decay = settings.weight_decay
        return torch.optim.AdamW(
            parameters, rate, eps=settings.epsilon, weight_decay=decay, fused=fused
        )
    return torch.optim.Adam(parameters, rate, eps=settings.epsilon, fused=fused)


def make_schedule(
    optimizer: torch.optim.Optimizer, settings: Settings
) -> torch.optim.lr_scheduler.LRScheduler:
    """What changes the learning rate after every step: up in a line, down along half a cosine.

    PyTorch's own CosineAnnealingLR rises again after its end.
    """
    warmup, decay = settings.warmup_steps or 0, settings.decay_steps

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return (1 + math.cos(math.pi * min((step - warmup) / decay, 1))) / 2 if decay else 1.0

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def clip(module: nn.Module, settings: Settings) -> None:
    """Scale the gradients down to a global norm, where the settings have one."""
    if settings.clip_norm is None:
        return
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    # PyTorch adds 1e-6 to the norm, which the others do not.
    nn.utils.clip_grads_with_norm_(module.parameters(), settings.clip_norm, norm - 1e-6)


def classes_last(output: Tensor) -> Tensor:
    """Logits (B, ..., K): where there is one at every pixel, PyTorch has them as channels."""
    return output.movedim(1, -1) if output.ndim == 4 else output


def total_loss(task: Task, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """The sum of the objectives' means."""
    terms: list[Any] = []
    for objective in task.objectives:
        output, target = outputs[objective.output], targets[objective.target]
        if objective.loss == "cross_entropy":
            logits, labels = classes_last(output).flatten(0, -2), target.flatten().long()
            losses = F.cross_entropy(
                logits,
                labels.clamp(min=0),
                reduction="none",
                label_smoothing=objective.smoothing,
            )
            counts = labels >= 0
            term = (losses * counts).sum() / counts.sum().clamp(min=1)
        else:
            term = F.mse_loss(output, target)
        terms.append(objective.weight * term)
    return sum(terms)  # type: ignore[return-value]


def measure(
    task: Task, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The loss, and what the task's metrics are counted from."""
    return {"loss": total_loss(task, outputs, targets), **count(task, outputs, targets)}


def count(
    task: Task, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What the task's metrics are made of: sums that may be added up over batches."""
    first = task.objectives[0]
    logits, labels = classes_last(outputs[first.output]), targets[first.target]
    likeliest = logits.argmax(dim=-1)
    sums = {"correct": (likeliest == labels).sum(), "counted": (labels >= 0).sum()}
    if "mean_iou" in task.metrics:
        classes = torch.arange(logits.shape[-1], device=logits.device)
        predicted = (likeliest[..., None] == classes).flatten(0, -2)  # (labels, K)
        true = (labels[..., None] == classes).flatten(0, -2)
        sums["intersection"] = (predicted & true).sum(dim=0)
        sums["union"] = (predicted | true).sum(dim=0)
    if "left_early" in task.metrics:
        early = outputs[task.objectives[1].output]
        sums["left"] = (logits == early).all(dim=-1).sum()
    return sums


def count_decoded(
    task: Task, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], tokens: Tensor
) -> dict[str, Tensor]:
    """The digits in sequences, and how many of them are in their place in decoded tokens."""
    first = task.objectives[0]
    expected = targets[first.target]
    end = outputs[first.output].shape[-1] - 1  # the last class is the end of a sequence
    digits = (expected >= 0) & (expected < end)
    return {"digits": digits.sum(), "decoded": (digits & (tokens == expected)).sum()}


class Trainer:
    """A module with its optimizer. Seeds torch's global generator, which dropout draws from."""

    def __init__(
        self,
        module: nn.Module,
        outputs: list[str],
        task: Task,
        settings: Settings,
        seed: int,
        variant: str = "idiomatic",
        dtype: str = "float32",
    ) -> None:
        torch.manual_seed(seed)
        self.module = module
        self.when_training, self.when_evaluating = (
            (tuned(module.train()), tuned(module.eval()))
            if variant == "tuned"
            else (module, module)
        )
        self.decoding: Any = module
        if dtype == "bfloat16":
            self.when_training = Mixed(self.when_training)
            self.when_evaluating = Mixed(self.when_evaluating)
            self.decoding = Mixed(module)
        self.outputs = outputs
        self.task = task
        self.settings = settings
        self.optimizer = make_optimizer(module, settings, variant)
        self.schedule = make_schedule(self.optimizer, settings)
        dropouts = [layer for layer in module.modules() if isinstance(layer, nn.Dropout)]
        self.resting = [] if settings.dropout else dropouts

    def train_step(
        self, inputs: tuple[Tensor, ...], targets: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """One optimizer step."""
        self.module.train()
        for layer in self.resting:
            layer.eval()
        outputs = by_name(self.outputs, self.when_training(*inputs))
        result = measure(self.task, outputs, targets)
        self.optimizer.zero_grad()
        result["loss"].backward()
        clip(self.module, self.settings)
        self.optimizer.step()
        self.schedule.step()
        return {name: value.detach() for name, value in result.items()}

    def evaluation_step(
        self, inputs: tuple[Tensor, ...], targets: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The same figures in evaluation mode."""
        self.module.eval()
        with torch.no_grad():
            outputs = by_name(self.outputs, self.when_evaluating(*inputs))
            result = measure(self.task, outputs, targets)
            if "decoded_accuracy" in self.task.metrics:
                # Not told the last input, the tokens.
                tokens, _ = self.decoding.decode(*inputs[:-1])
                result |= count_decoded(self.task, outputs, targets, tokens)
            return result
