"""Further mutations of the PyTorch panel; `further` says what each is and how it must be found."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.across.mutations import changed, instead
from torch_impl import attention, branching, inception, mlp, recurrent, seq2seq, training

# Layers and what stands between them


@contextmanager
def norm_epsilon_off_by_a_billionth() -> Iterator[None]:
    with instead(attention, "nn", LayerNorm=partial(nn.LayerNorm, eps=1e-5 + 1e-9)):
        yield


@contextmanager
def last_bias_left_out() -> Iterator[None]:
    class Unbiased(mlp.BasicNet):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fc3.register_forward_hook(lambda layer, _inputs, output: output - layer.bias)

    with changed(mlp, BasicNet=Unbiased):
        yield


@contextmanager
def embedding_scaled() -> Iterator[None]:
    class Scaled(nn.Embedding):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * math.sqrt(self.embedding_dim)

    with instead(seq2seq, "nn", Embedding=Scaled):
        yield


@contextmanager
def tanh_for_relu() -> Iterator[None]:
    with instead(branching, "F", relu=torch.tanh):
        yield


@contextmanager
def pool_of_another_size() -> Iterator[None]:
    def pool(x: Tensor, size: int, stride: int, padding: int = 0) -> Tensor:
        return F.max_pool2d(x, 1 if stride == 1 else size, stride, 0 if stride == 1 else padding)

    with instead(inception, "F", max_pool2d=pool):
        yield


@contextmanager
def softmax_over_heads() -> Iterator[None]:
    with instead(attention, "torch", softmax=lambda scores, dim: torch.softmax(scores, dim - 2)):
        yield


@contextmanager
def heads_joined_as_they_lie() -> Iterator[None]:
    class Joined(attention.MultiHeadAttention):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

            def before(_layer: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
                (x,) = inputs  # (B, T, N * d), joined step by step
                heads = x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
                return (heads.reshape(x.shape),)

            self.out.register_forward_pre_hook(before)

    with changed(attention, MultiHeadAttention=Joined):
        yield


@contextmanager
def reset_before_the_product() -> Iterator[None]:
    class Early(recurrent.GRUCell):
        def forward(self, x: Tensor, h: Tensor) -> Tensor:
            in_r, in_z, in_n = self.input_gates(x).chunk(3, dim=-1)
            h_r, h_z, _ = self.hidden_gates(h).chunk(3, dim=-1)
            r = torch.sigmoid(in_r + h_r)
            z = torch.sigmoid(in_z + h_z)
            weight = self.hidden_gates.weight.chunk(3)[2]
            n = torch.tanh(in_n + F.linear(r * h, weight, self.hidden_gates.bias.chunk(3)[2]))
            return (1 - z) * n + z * h

    with changed(recurrent, GRUCell=Early):
        yield


@contextmanager
def state_forgotten() -> Iterator[None]:
    class Forgetful(recurrent.GRUCell):
        def forward(self, x: Tensor, h: Tensor) -> Tensor:
            return super().forward(x, torch.zeros_like(h))

    with changed(recurrent, GRUCell=Forgetful):
        yield


@contextmanager
def last_log_softmax() -> Iterator[None]:
    class Normalised(mlp.BasicNet):
        def forward(self, x: Tensor) -> Tensor:
            return torch.log_softmax(super().forward(x), dim=-1)

    with changed(mlp, BasicNet=Normalised):
        yield


@contextmanager
def mask_of_one_example() -> Iterator[None]:
    class Shared(nn.Dropout):
        def forward(self, x: Tensor) -> Tensor:
            kept = torch.rand_like(x[:1]) >= self.p
            return x * kept / (1 - self.p) if self.training else x

    with instead(mlp, "nn", Dropout=Shared):
        yield


# Loss and gradients


@contextmanager
def _task(change: Any) -> Iterator[None]:
    """Another `total_loss`, of objectives that are changed."""
    original = training.total_loss

    def loss(task: Any, outputs: Any, targets: Any) -> Tensor:
        objectives = tuple(change(i, each) for i, each in enumerate(task.objectives))
        return original(replace(task, objectives=objectives), outputs, targets)

    with changed(training, total_loss=loss):
        yield


@contextmanager
def loss_in_bits() -> Iterator[None]:
    original = training.total_loss

    def bits(task: Any, outputs: Any, targets: Any) -> Tensor:
        return original(task, outputs, targets) / math.log(2)

    with changed(training, total_loss=bits):
        yield


@contextmanager
def smoothing_doubled() -> Iterator[None]:
    with _task(lambda _, each: replace(each, smoothing=2 * each.smoothing)):
        yield


@contextmanager
def first_objective_alone() -> Iterator[None]:
    with _task(lambda index, each: replace(each, weight=0.0 if index else each.weight)):
        yield


@contextmanager
def bias_detached() -> Iterator[None]:
    class Detached(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight, self.bias.detach())

    with instead(mlp, "nn", Linear=Detached):
        yield


# Optimizers


@contextmanager
def second_beta() -> Iterator[None]:
    with changed(torch.optim, Adam=partial(torch.optim.Adam, betas=(0.9, 0.99))):
        yield


@contextmanager
def largest_moment() -> Iterator[None]:
    class Largest(torch.optim.Adam):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "amsgrad": True})

        def step(self, closure: Any = None) -> Any:
            for state in self.state.values():  # one that was loaded has no largest moment
                state.setdefault("max_exp_avg_sq", torch.zeros_like(state["exp_avg_sq"]))
            return super().step(closure)

    with changed(torch.optim, Adam=Largest):
        yield


@contextmanager
def decay_of_vectors_alone() -> Iterator[None]:
    original = torch.optim.AdamW

    def vectors(parameters: Any, rate: float, **settings: Any) -> torch.optim.Optimizer:
        every = list(parameters)
        groups: list[dict[str, Any]] = [
            {"params": [p for p in every if p.ndim == 1]},
            {"params": [p for p in every if p.ndim > 1], "weight_decay": 0.0},
        ]
        return original(groups, rate, **settings)

    with changed(torch.optim, AdamW=vectors):
        yield


@contextmanager
def last_layer_not_decayed() -> Iterator[None]:
    original = torch.optim.AdamW

    def others(parameters: Any, rate: float, **settings: Any) -> torch.optim.Optimizer:
        every = list(parameters)
        groups: list[dict[str, Any]] = [
            {"params": every[:-2]},
            {"params": every[-2:], "weight_decay": 0.0},
        ]
        return original(groups, rate, **settings)

    with changed(torch.optim, AdamW=others):
        yield


@contextmanager
def _settings(**changes: Any) -> Iterator[None]:
    """Optimizers by settings of which some are others."""
    make, clip, plan = training.make_optimizer, training.clip, training.make_schedule

    def other(settings: Any) -> Any:
        return replace(settings, **{n: change(settings) for n, change in changes.items()})

    with changed(
        training,
        make_optimizer=lambda module, settings, *rest: make(module, other(settings), *rest),
        clip=lambda module, settings: clip(module, other(settings)),
        make_schedule=lambda optimizer, settings: plan(optimizer, other(settings)),
    ):
        yield


@contextmanager
def decay_doubled() -> Iterator[None]:
    with _settings(weight_decay=lambda settings: 2 * settings.weight_decay):
        yield


@contextmanager
def momentum_of_eight_tenths() -> Iterator[None]:
    with _settings(momentum=lambda _: 0.8):
        yield


@contextmanager
def clipped_to_another_norm() -> Iterator[None]:
    with _settings(clip_norm=lambda settings: settings.clip_norm and 0.3):
        yield


@contextmanager
def warm_up_a_step_shorter() -> Iterator[None]:
    with _settings(warmup_steps=lambda settings: settings.warmup_steps - 1):
        yield


@contextmanager
def clipped_where_nothing_is() -> Iterator[None]:
    with _settings(clip_norm=lambda _: 0.25):
        yield
