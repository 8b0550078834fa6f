"""Mutations of the PyTorch panel; `catalogue` says what each is and how it must be found."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.across.mutations import changed, instead
from torch_impl import (
    attention,
    branching,
    early_exit,
    inception,
    inference,
    mlp,
    mnist_cnn,
    recurrent,
    residual,
    seq2seq,
    skip,
    training,
    unet,
)
from torch_impl.engine import model, weights

# Norms


@contextmanager
def momentum_inverted() -> Iterator[None]:
    with instead(residual, "nn", BatchNorm2d=partial(nn.BatchNorm2d, momentum=0.9)):
        yield


@contextmanager
def running_variance_biased() -> Iterator[None]:
    class Biased(nn.BatchNorm2d):
        running_var: Tensor

        def forward(self, x: Tensor) -> Tensor:
            before = self.running_var.clone()
            out = super().forward(x)
            if self.training:
                kept = (1 - (self.momentum or 0)) * before
                count = x.numel() / x.shape[1]
                # `data`: the backward pass wants what it saved to be as it was.
                new = kept + (self.running_var - kept) * (count - 1) / count
                self.running_var.data.copy_(new)
            return out

    with instead(residual, "nn", BatchNorm2d=Biased):
        yield


@contextmanager
def norm_scale_left_out() -> Iterator[None]:
    class Unscaled(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            mean, variance, momentum = self.running_mean, self.running_var, self.momentum or 0
            return F.batch_norm(
                x, mean, variance, None, self.bias, self.training, momentum, self.eps
            )

    with instead(unet, "nn", BatchNorm2d=Unscaled):
        yield


@contextmanager
def layer_norm_over_steps() -> Iterator[None]:
    class Wide(nn.LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(x, x.shape[1:], eps=self.eps) * self.weight + self.bias

    with instead(attention, "nn", LayerNorm=Wide):
        yield


# Layers


@contextmanager
def kernel_flipped() -> Iterator[None]:
    class Flipped(nn.Conv2d):
        def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            return super()._conv_forward(x, weight.flip(2, 3), bias)

    with instead(branching, "nn", Conv2d=Flipped):
        yield


@contextmanager
def bias_left_out() -> Iterator[None]:
    class Unbiased(nn.Conv2d):
        def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            del bias
            return super()._conv_forward(x, weight, None)

    with instead(inception, "nn", Conv2d=Unbiased):
        yield


@contextmanager
def bias_too_many() -> Iterator[None]:
    class Biased(branching.BranchingNet):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.extra = nn.Linear(1, 1)

    with changed(branching, BranchingNet=Biased):
        yield


@contextmanager
def layer_in_float32() -> Iterator[None]:
    class Single(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x.float(), self.weight.float(), self.bias.float()).to(x.dtype)

    with instead(mlp, "nn", Linear=Single):
        yield


# Between layers


@contextmanager
def gelu_for_relu() -> Iterator[None]:
    with instead(mlp, "F", relu=partial(F.gelu, approximate="tanh")):
        yield


@contextmanager
def skip_left_out() -> Iterator[None]:
    class Plain(skip.SkipMLP):
        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.first(torch.flatten(x, 1)))
            for layer in self.hidden:
                x = torch.relu(layer(x))
            return self.fc(x)

    with changed(skip, SkipMLP=Plain):
        yield


@contextmanager
def average_for_max_pool() -> Iterator[None]:
    with instead(unet, "F", max_pool2d=F.avg_pool2d):
        yield


@contextmanager
def not_a_number() -> Iterator[None]:
    class Broken(mlp.BasicNet):
        def forward(self, x: Tensor) -> Tensor:
            logits = super().forward(x)
            return torch.where(torch.arange(logits.shape[1]) == 0, torch.nan, logits)

    with changed(mlp, BasicNet=Broken):
        yield


@contextmanager
def gates_in_another_order() -> Iterator[None]:
    class Swapped(recurrent.GRUCell):
        def forward(self, x: Tensor, h: Tensor) -> Tensor:
            in_z, in_r, in_n = self.input_gates(x).chunk(3, dim=-1)
            h_z, h_r, h_n = self.hidden_gates(h).chunk(3, dim=-1)
            z = torch.sigmoid(in_z + h_z)
            n = torch.tanh(in_n + torch.sigmoid(in_r + h_r) * h_n)
            return (1 - z) * n + z * h

    with changed(recurrent, GRUCell=Swapped):
        yield


@contextmanager
def scores_unscaled() -> Iterator[None]:
    def softmax(scores: Tensor, dim: int) -> Tensor:
        return torch.softmax(2 * scores, dim)  # the root of a head's width, where it is 4

    with instead(attention, "torch", softmax=softmax):
        yield


@contextmanager
def softmax_over_queries() -> Iterator[None]:
    with instead(attention, "torch", softmax=lambda scores, dim: torch.softmax(scores, dim - 1)):
        yield


@contextmanager
def positions_from_one() -> Iterator[None]:
    original = seq2seq.positions

    def later(length: int, embed_dim: int) -> np.ndarray:
        return original(length + 1, embed_dim)[1:]

    with changed(seq2seq, positions=later):
        yield


@contextmanager
def dropout_unscaled() -> Iterator[None]:
    class Unscaled(nn.Dropout):
        def forward(self, x: Tensor) -> Tensor:
            return x * (torch.rand_like(x) >= self.p) if self.training else x

    with instead(mlp, "nn", Dropout=Unscaled):
        yield


# Loss and gradients


@contextmanager
def loss_summed() -> Iterator[None]:
    original = training.total_loss

    def summed(task: Any, outputs: Any, targets: Any) -> Tensor:
        return original(task, outputs, targets) * len(next(iter(targets.values())))

    with changed(training, total_loss=summed):
        yield


@contextmanager
def loss_over_labels_that_do_not_count() -> Iterator[None]:
    original = training.total_loss

    def diluted(task: Any, outputs: Any, targets: Any) -> Tensor:
        labels = targets[task.objectives[0].target]
        loss = original(task, outputs, targets)
        return loss * (labels >= 0).sum() / labels.numel()

    with changed(training, total_loss=diluted):
        yield


@contextmanager
def branch_detached() -> Iterator[None]:
    class Detached(branching.BranchingNet):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.conv3b.register_forward_hook(lambda _layer, _inputs, output: output.detach())

    with changed(branching, BranchingNet=Detached):
        yield


# Optimizers


@contextmanager
def bias_of_moments_uncorrected() -> Iterator[None]:
    class Uncorrected(torch.optim.Adam):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for group in self.param_groups:
                for p in group["params"]:
                    zeros = torch.zeros_like(p)
                    # After so many steps there is nothing left to correct.
                    self.state[p] = {
                        "step": torch.tensor(1e6),
                        "exp_avg": zeros,
                        "exp_avg_sq": zeros.clone(),
                    }

    with changed(torch.optim, Adam=Uncorrected):
        yield


@contextmanager
def decay_coupled() -> Iterator[None]:
    def coupled(parameters: Any, rate: float, **settings: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, rate, **settings)

    with changed(torch.optim, AdamW=coupled):
        yield


@contextmanager
def decay_of_matrices_alone() -> Iterator[None]:
    original = torch.optim.AdamW

    def matrices(parameters: Any, rate: float, **settings: Any) -> torch.optim.Optimizer:
        every = list(parameters)
        groups: list[dict[str, Any]] = [
            {"params": [p for p in every if p.ndim > 1]},
            {"params": [p for p in every if p.ndim == 1], "weight_decay": 0.0},
        ]
        return original(groups, rate, **settings)

    with changed(torch.optim, AdamW=matrices):
        yield


@contextmanager
def momentum_damped() -> Iterator[None]:
    original = torch.optim.SGD

    def damped(parameters: Any, rate: float, **settings: Any) -> torch.optim.Optimizer:
        return original(parameters, rate, **settings, dampening=settings["momentum"])

    with changed(torch.optim, SGD=damped):
        yield


@contextmanager
def rate_halved() -> Iterator[None]:
    original = training.make_optimizer

    def halved(module: nn.Module, settings: Any) -> torch.optim.Optimizer:
        return original(module, replace(settings, learning_rate=settings.learning_rate / 2))

    with changed(training, make_optimizer=halved):
        yield


@contextmanager
def clipped_with_a_small_number() -> Iterator[None]:
    def clip(module: nn.Module, settings: Any) -> None:
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)

    with changed(training, clip=clip):
        yield


# Edges


@contextmanager
def exit_above_the_threshold() -> Iterator[None]:
    def above(self: Any, early_logits: Tensor) -> Tensor:
        return (torch.softmax(early_logits, dim=-1).amax(dim=-1) > self.threshold).all()

    with changed(early_exit.EarlyExitNet, is_confident=above):
        yield


@contextmanager
def last_of_those_alike() -> Iterator[None]:
    original = inference.InferenceModel.predict

    def predict(self: Any, x: Any, return_confidence: bool = False) -> Any:
        _, confidence = original(self, x, True)
        logits = self(*x) if isinstance(x, tuple) else self(x)
        classes = logits.shape[-1] - 1 - logits.flip(-1).argmax(dim=-1)
        return (classes, confidence) if return_confidence else classes

    with changed(inference.InferenceModel, predict=predict):
        yield


@contextmanager
def mean_of_no_label() -> Iterator[None]:
    original = training.total_loss

    def divided(task: Any, outputs: Any, targets: Any) -> Tensor:
        counts = (targets[task.objectives[0].target] >= 0).sum()
        return original(task, outputs, targets) * counts / counts

    with changed(training, total_loss=divided):
        yield


@contextmanager
def input_changed_in_place() -> Iterator[None]:
    original = inference.InferenceModel.forward

    def forward(self: Any, *inputs: Tensor) -> Any:
        outputs = original(self, *inputs)
        inputs[0].relu_()
        return outputs

    with changed(inference.InferenceModel, forward=forward):
        yield


# Trainers


@contextmanager
def gradients_not_zeroed() -> Iterator[None]:
    with changed(torch.optim.Optimizer, zero_grad=lambda *_, **__: None):
        yield


@contextmanager
def trained_in_evaluation_mode() -> Iterator[None]:
    original = training.Trainer.train_step
    train = nn.Module.train

    def train_step(self: Any, inputs: Any, targets: Any) -> Any:
        with changed(nn.Module, train=lambda module, mode=True: train(module, False)):  # noqa: ARG005
            return original(self, inputs, targets)

    with changed(training.Trainer, train_step=train_step):
        yield


@contextmanager
def evaluated_in_training_mode() -> Iterator[None]:
    original = training.Trainer.evaluation_step

    def evaluation_step(self: Any, inputs: Any, targets: Any) -> Any:
        with changed(nn.Module, eval=nn.Module.train):
            return original(self, inputs, targets)

    with changed(training.Trainer, evaluation_step=evaluation_step):
        yield


@contextmanager
def clipping_forgotten() -> Iterator[None]:
    with changed(training, clip=lambda *_: None):
        yield


@contextmanager
def schedule_forgotten() -> Iterator[None]:
    def constant(optimizer: Any, _: Any) -> Any:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)

    with changed(training, make_schedule=constant):
        yield


@contextmanager
def seed_of_dropout_forgotten() -> Iterator[None]:
    with instead(training, "torch", manual_seed=lambda _: None):
        yield


@contextmanager
def all_labels_counted() -> Iterator[None]:
    original = training.count

    def count(task: Any, outputs: Any, targets: Any) -> Any:
        labels = targets[task.objectives[0].target]
        return {**original(task, outputs, targets), "counted": torch.tensor(labels.numel())}

    with changed(training, count=count):
        yield


@contextmanager
def rate_of_the_tuned_variant() -> Iterator[None]:
    original = training.make_optimizer

    def faster(module: nn.Module, settings: Any, variant: str = "idiomatic") -> Any:
        by = 1.001 if variant == "tuned" else 1.0
        changed_rate = replace(settings, learning_rate=settings.learning_rate * by)
        return original(module, changed_rate, variant)

    with changed(training, make_optimizer=faster):
        yield


@contextmanager
def mode_of_the_last_evaluation() -> Iterator[None]:
    original, train = training.Trainer.train_step, nn.Module.train

    def train_step(self: Any, inputs: Any, targets: Any) -> Any:
        begun = self.schedule.last_epoch > 0
        with changed(nn.Module, train=(lambda module, _=True: module) if begun else train):
            return original(self, inputs, targets)

    with changed(training.Trainer, train_step=train_step):
        yield


@contextmanager
def mode_of_the_last_step() -> Iterator[None]:
    original, evaluate = training.Trainer.evaluation_step, nn.Module.eval

    def evaluation_step(self: Any, inputs: Any, targets: Any) -> Any:
        begun = self.schedule.last_epoch > 0
        with changed(nn.Module, eval=(lambda module: module) if begun else evaluate):
            return original(self, inputs, targets)

    with changed(training.Trainer, evaluation_step=evaluation_step):
        yield


@contextmanager
def no_step_with_dropout() -> Iterator[None]:
    original = training.Trainer.train_step

    def train_step(self: Any, inputs: Any, targets: Any) -> Any:
        skipped = changed(self.optimizer, step=lambda: None)
        with skipped if self.settings.dropout else nullcontext():
            return original(self, inputs, targets)

    with changed(training.Trainer, train_step=train_step):
        yield


@contextmanager
def clipped_by_division() -> Iterator[None]:
    def clip(module: nn.Module, settings: Any) -> None:
        if settings.clip_norm is None:
            return
        norm = nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad *= norm.clamp(max=settings.clip_norm) / norm

    with changed(training, clip=clip):
        yield


@contextmanager
def confidence_of_the_tuned_variant() -> Iterator[None]:
    original = model.TorchModel.predict

    def predict(self: Any, inputs: Any) -> Any:
        classes, confidence = original(self, inputs)
        return classes, 0 * confidence if self.variant == "tuned" else confidence

    with changed(model.TorchModel, predict=predict):
        yield


@contextmanager
def tenth_example_of_the_tuned_variant() -> Iterator[None]:
    original = model.TorchModel.__call__

    def call(self: Any, inputs: Any) -> Any:
        outputs = original(self, inputs)
        if self.variant == "tuned":
            for array in outputs.values():
                array[9:10] *= 2
        return outputs

    with changed(model.TorchModel, __call__=call):
        yield


# Weights


@contextmanager
def weights_through_float32() -> Iterator[None]:
    original = weights.from_canonical

    def rounded(module: nn.Module, arrays: Any) -> None:
        original(module, {name: a.astype(np.float32) for name, a in arrays.items()})

    with changed(weights, from_canonical=rounded):
        yield


# Methods


@contextmanager
def softmax_over_examples() -> Iterator[None]:
    def softmax(logits: Tensor, dim: int) -> Tensor:
        del dim
        return torch.softmax(logits, dim=0)

    with instead(inference, "torch", softmax=softmax):
        yield


@contextmanager
def decode_starts_with_a_digit() -> Iterator[None]:
    def full(shape: Any, value: int, **options: Any) -> Tensor:
        del value
        return torch.full(shape, 0, **options)

    with instead(seq2seq, "torch", full=full):
        yield


@contextmanager
def writes_after_the_end() -> Iterator[None]:
    with instead(seq2seq, "torch", where=lambda condition, end, tokens: tokens):  # noqa: ARG005
        yield


@contextmanager
def gradient_through_features() -> Iterator[None]:
    kind = mnist_cnn.MNISTClassifier
    with changed(kind, extract_features=kind.flat_features):
        yield


@contextmanager
def accuracies_swapped() -> Iterator[None]:
    original = mnist_cnn.MNISTClassifier.record_epoch

    def swapped(self: Any, loss: float, train_accuracy: float, val_accuracy: float) -> None:
        original(self, loss, val_accuracy, train_accuracy)

    with changed(mnist_cnn.MNISTClassifier, record_epoch=swapped):
        yield


@contextmanager
def sizes_swapped() -> Iterator[None]:
    original = mlp.BasicNet.get_config

    def swapped(self: Any) -> dict[str, Any]:
        config = original(self)
        sizes = {"input_size": config["output_size"], "output_size": config["input_size"]}
        return {**config, **sizes}

    with changed(mlp.BasicNet, get_config=swapped):
        yield


@contextmanager
def gradient_through_the_wrapper() -> Iterator[None]:
    with instead(inference, "torch", no_grad=nullcontext):
        yield


@contextmanager
def bias_not_read() -> Iterator[None]:
    def load(self: Any, state: dict[str, Tensor]) -> Any:
        rest = {name: tensor for name, tensor in state.items() if name != "fc3.bias"}
        return nn.Module.load_state_dict(self, rest, strict=False)

    with changed(mlp.BasicNet, load_state_dict=load):
        yield
