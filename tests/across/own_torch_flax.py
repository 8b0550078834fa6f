"""Models of users in PyTorch and Flax, for the tests of `user_models`; run in a worker."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen as nn
from torch import Tensor

from shared.errors import TriptychError
from shared.parity.user_models import assert_same_model, compare_models
from tests.examples.own_models import IMAGES, MAPPING, Flax, Torch

RANDOM = np.random.default_rng(5)
TOKENS = RANDOM.integers(0, 11, (3, 5))
PICTURES = RANDOM.normal(size=(3, 6, 8, 4))


def model(**changes: Any) -> torch.nn.Module:
    """The example's model, with no tensor that holds one value alone."""
    torch.manual_seed(3)
    module = Torch(**changes)
    shake(module)
    return module


def shake(module: torch.nn.Module) -> None:
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point() and name != "scale":
                tensor += 0.1 + 0.2 * torch.rand_like(tensor)


def variables_of(module: nn.Module, *inputs: Any, **mode: Any) -> tuple[nn.Module, Any]:
    return module, module.init(jax.random.key(0), *inputs, **mode)


def answer(a: Any, b: Any, inputs: Any, options: dict[str, Any]) -> dict[str, Any]:
    """A report as a dictionary with its text, or what the error says."""
    try:
        report = compare_models(a, b, inputs, **options)
    except TriptychError as error:
        return {"error": str(error), "kind": type(error).__name__}
    return {**report.to_dict(), "text": report.text}


def example(changes: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The example's model against its port."""
    inputs = options.pop("inputs", IMAGES)
    port = variables_of(Flax(**{"approximate": False, **changes}), IMAGES)
    return answer(model(), port, inputs, {"mapping": MAPPING, **options})


def fresh() -> dict[str, Any]:
    """Models as they are made, with scales of 1 and biases of 0."""
    return answer(Torch(), variables_of(Flax(), IMAGES), IMAGES, {"mapping": MAPPING})


def backwards() -> dict[str, Any]:
    """The port first, the original second, with the mapping the other way round."""
    mapping = {theirs: ours for ours, theirs in MAPPING.items()}
    return answer(variables_of(Flax(), IMAGES), model(), IMAGES, {"mapping": mapping})


def own_weights(same: bool) -> dict[str, Any]:
    """Each with weights of its own, which may be the same."""
    first, second = model(), model()
    if not same:
        with torch.no_grad():
            second.head.weight[2, 3] += 1e-6  # type: ignore[index, operator, union-attr]
    return answer(first, second, IMAGES, {"copy_weights": False})


def unchanged() -> dict[str, bool]:
    """Whether both models are as they were after a comparison."""
    first, port = model(), variables_of(Flax(), IMAGES)
    first.train()
    first.drop.eval()  # type: ignore[union-attr, operator]
    before = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    modes = [part.training for part in first.modules()]
    theirs = jax.tree.map(np.array, port[1])
    answer(first, port, IMAGES, {"mapping": MAPPING, "dtype": "float32"})
    same = jax.tree.map(lambda x, y: x.dtype == y.dtype and np.array_equal(x, y), theirs, port[1])
    return {
        "tensors": all(torch.equal(before[n], t) for n, t in first.state_dict().items()),
        "dtype": first.head.weight.dtype == torch.float32,  # type: ignore[union-attr]
        "modes": modes == [part.training for part in first.modules()],
        "gradients": all(p.grad is None for p in first.parameters()),
        "hooks": not any(part._forward_hooks for part in first.modules()),
        "variables": all(jax.tree.leaves(same)),
        "x64": jnp.ones(1).dtype == jnp.float32,
    }


# Two inputs and two outputs, group norm, constants, layers that overwrite


class TwoTorch(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(11, 4)
        self.parts = torch.nn.ModuleList([torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(2)])
        self.act = torch.nn.ReLU(inplace=True)
        self.group = torch.nn.GroupNorm(2, 4)
        self.head = torch.nn.Linear(4, 3, bias=False)
        self.register_buffer("scale", torch.tensor([0.5, 1.0, 2.0, 4.0]))

    def forward(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        for part in self.parts:
            x = self.act(part(x))
        x = self.group(x)
        words = self.embed(tokens).mean(dim=1) * self.scale
        return x, self.head(x.mean(dim=(2, 3)) + words)


class TwoFlax(nn.Module):
    groups: int = 2

    @nn.compact
    def __call__(self, x: jax.Array, tokens: jax.Array, *, deterministic: bool) -> Any:
        del deterministic
        for _ in range(2):
            x = nn.relu(nn.Conv(4, (3, 3))(x))
        x = nn.GroupNorm(self.groups, epsilon=1e-5)(x)
        words = nn.Embed(11, 4)(tokens).mean(axis=1) * jnp.array([0.5, 1.0, 2.0, 4.0])
        return x, nn.Dense(3, use_bias=False)(x.mean(axis=(1, 2)) + words)


TWO = {
    "Conv_0": "parts.0",
    "Conv_1": "parts.1",
    "GroupNorm_0": "group",
    "Embed_0": "embed",
    "Dense_0.weight": "head.weight",
}


def two(groups: int = 2, **options: Any) -> dict[str, Any]:
    """Pictures and tokens in, a picture and scores out."""
    first = TwoTorch()
    shake(first)
    port = variables_of(TwoFlax(groups), PICTURES, TOKENS, deterministic=True)
    inputs = {"pictures": PICTURES, "tokens": TOKENS}
    return answer(first, port, inputs, {"mapping": TWO, **options})


# Dropout, modes, and what is no layer


class Plain(torch.nn.Module):
    """A dense layer and dropout, as a layer or as a function."""

    def __init__(self, rate: float | None = 0.5) -> None:
        super().__init__()
        self.body = torch.nn.Linear(4, 6)
        self.drop = torch.nn.Identity() if rate is None else torch.nn.Dropout(rate, True)
        self.norm = torch.nn.BatchNorm1d(6)
        self.functional = rate is None

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.drop(self.body(x)))
        return torch.nn.functional.dropout(x, 0.5, self.training) if self.functional else x


class Field(nn.Module):
    """The same; whether it is trained is a field of the module."""

    training: bool = False
    rate: float = 0.5
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Dense(6, name="body")(x)
        x = nn.Dropout(self.rate)(x, not self.training)
        return nn.BatchNorm(not self.training, momentum=self.momentum, name="norm")(x)


VECTORS = RANDOM.normal(size=(5, 4)).astype("float32")


def plain(rate: float | None, changes: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A dense layer, dropout and batch norm; the port's mode is a field."""
    first = Plain(rate)
    shake(first)
    return answer(first, variables_of(Field(**changes), VECTORS), VECTORS, options)


class StepsTorch(torch.nn.Module):
    """A convolution over the steps of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Conv1d(4, 6, 3, padding=1)
        self.norm = torch.nn.BatchNorm1d(6)
        self.act = torch.nn.ReLU()
        self.head = torch.nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.body(x.transpose(1, 2))))
        return self.head(x.transpose(1, 2))


class StepsFlax(nn.Module):
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = nn.Conv(6, (3,), padding=self.padding, name="body")(x)
        x = nn.BatchNorm(not train, momentum=0.9, name="norm")(x)
        return nn.Dense(2, name="head")(nn.relu(x))


def steps(**changes: Any) -> dict[str, Any]:
    first = StepsTorch()
    shake(first)
    x = RANDOM.normal(size=(3, 7, 4))
    return answer(first, variables_of(StepsFlax(**changes), x, train=False), x, {})


class MaximaTorch(torch.nn.Module):
    """What is compared with a maximum: over steps, with 0, and with the third largest value."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.GroupNorm(1, 6, eps=1e-3)
        self.head = torch.nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        x = torch.where(x >= x.topk(3).values[..., -1:], x, 0.1 * x)
        return torch.maximum(self.head(x.amax(1)), torch.tensor(0.0))


class MaximaFlax(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.GroupNorm(1, epsilon=1e-3, name="norm")(x)
        x = jnp.where(x >= jax.lax.top_k(x, 3)[0][..., -1:], x, 0.1 * x)
        return jnp.maximum(nn.Dense(4, name="head")(x.max(1)), 0)


def maxima() -> dict[str, Any]:
    first = MaximaTorch()
    shake(first)
    x = RANDOM.normal(size=(3, 5, 6))
    return answer(first, variables_of(MaximaFlax(), x), x, {})


def other_things(what: str) -> dict[str, Any]:
    """Arguments that are no models, or whose tensors lie outside of layers."""
    module, variables = variables_of(Field(), VECTORS)
    first: Any = Plain()
    second: Any = (module, variables)
    if what == "no variables":
        second = module
    elif what == "parameters alone":
        second = (module, variables["params"])
    elif what == "a text":
        first = "resnet"
    elif what == "no statistics":
        second = (module, {"params": variables["params"]})
    elif what == "a layer alone":
        first, second = torch.nn.Linear(4, 6), variables_of(nn.Dense(6), VECTORS)
    elif what == "a fixed dtype":
        second = variables_of(nn.Sequential([nn.Dense(6, dtype=jnp.float32)]), VECTORS)
        first = torch.nn.Sequential(torch.nn.Linear(4, 6))
    return answer(first, second, VECTORS, {"mapping": {"layers.0": "0"}} if "dtype" in what else {})


def raised() -> str:
    """What `assert_same_model` says."""
    try:
        assert_same_model(model(), variables_of(Flax(), IMAGES), IMAGES, mapping=MAPPING)
    except AssertionError as error:
        return str(error)
    return ""
