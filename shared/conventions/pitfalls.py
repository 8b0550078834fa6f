"""What it costs to take a library at its word where the libraries mean different things.

For a key of the table of conventions, each panel's `conventions/pitfalls.py` has the few lines
that a user would write who relies on the default or the meaning in question, everything else being
equal. All three are given the same arrays, each library in a process of its own, and what comes out
is held against each other.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from shared import panels, registry, together
from shared.conventions import table
from shared.differences import difference
from shared.panels import PANELS

LONGEST = 160
"""Letters of what a library says when it refuses; some go on for pages."""


def _normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _uniform(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


_FEATURES = _normal(0, 32, 16)  # activations of 32 examples
_SMALL_FEATURES = 0.1 * _FEATURES  # epsilon counts where the variance is small: 0.01
_IMAGE = _uniform(1, 1, 8, 8, 3)
_KERNEL = _normal(2, 3, 3, 3, 4) / np.float32(27**0.5)
_STEPS = _normal(3, 2, 5, 3)  # 2 sequences of 5 steps
_WIDE_STEPS = _normal(4, 2, 5, 6)
_NO_PADDING = np.arange(5) < np.array([[4], [3]])  # of which only 4 and 3 are no padding
_KERNELS = _normal(5, 4, 6, 6) / np.float32(6**0.5)  # of queries, keys, values and the output
_LOGITS = 2 * _normal(6, 8, 5)
_LABELS = np.random.default_rng(7).integers(0, 5, 8)
_PREDICTIONS, _TARGETS = _normal(8, 8, 3), _normal(9, 8, 3)
_NEW, _WEIGHT = np.zeros(4, np.float32), _normal(10, 4)  # from 0, what comes out are the steps
_GRADIENTS = 0.01 * _normal(11, 10, 4)  # of 10 steps
_CELL = {
    "x": _normal(12, 2, 3),
    "h": _normal(13, 2, 4),
    "kernel": _normal(14, 3, 16),
    "recurrent": _normal(15, 4, 16) / np.float32(2),
}

INPUTS: Mapping[str, Mapping[str, np.ndarray]] = {
    # Normalisation
    "batch_norm.epsilon": {"x": _SMALL_FEATURES},
    "batch_norm.momentum": {"batches": np.maximum(_normal(20, 10, 32, 16), 0)},  # after a ReLU
    "batch_norm.running_variance": {"x": _FEATURES},
    "batch_norm.one_value": {"x": _FEATURES[:1]},
    "batch_norm.frozen": {"x": _FEATURES},
    "layer_norm.epsilon": {"x": _SMALL_FEATURES},
    "layer_norm.large_mean": {"x": 1000 + 0.1 * _normal(21, 32, 16)},
    "group_norm.epsilon": {"x": _SMALL_FEATURES},
    "group_norm.groups": {"x": _normal(22, 8, 128)},
    "rms_norm.epsilon": {"x": _SMALL_FEATURES},
    # Convolution, pooling, resizing
    "dense.kernel": {"x": _normal(23, 8, 4), "kernel": _normal(24, 4, 4) / np.float32(2)},
    "conv.kernel": {"x": _IMAGE, "kernel": _KERNEL[..., :3]},
    "conv.padding": {"x": _IMAGE, "kernel": _KERNEL},
    "conv.same_stride_2": {"x": _IMAGE, "kernel": _KERNEL},
    "conv.padding_1_stride_2": {"x": _IMAGE, "kernel": _KERNEL},
    "depthwise.kernel": {"x": _IMAGE, "kernel": _KERNEL[..., :2]},
    # The same turned around, so that nothing but the channels' order matters.
    "conv_transpose.kernel": {"x": _IMAGE, "kernel": (_KERNEL + _KERNEL[::-1, ::-1])[..., :3]},
    "conv_transpose.flipped": {"x": _IMAGE, "kernel": _KERNEL},
    "conv_transpose.padding": {"x": _IMAGE, "kernel": _KERNEL + _KERNEL[::-1, ::-1]},
    "pool.stride": {"x": _IMAGE},
    "avg_pool.counts_padding": {"x": _IMAGE},
    "resize.antialias": {"x": _IMAGE},
    "resize.nearest": {"x": _IMAGE},
    # Activations and kinks
    "gelu.activation": {"x": _FEATURES},
    "gelu.function": {"x": _FEATURES},
    "gelu.float64": {"x": _FEATURES.astype(np.float64)},
    "leaky_relu.function": {"x": _FEATURES},
    "leaky_relu.layer": {"x": _FEATURES},
    "std.divisor": {"x": _FEATURES},
    "maximum.gradient_at_0": {"x": np.array([-1, 0, 1], np.float32)},
    "clip.gradient_at_bound": {"x": np.array([0, 0.25, 1], np.float32)},  # black, grey, white
    "abs.gradient_at_0": {"x": np.array([-1, 0, 1], np.float32)},
    "norm.gradient_at_0": {"x": np.zeros(3, np.float32)},
    # Recurrent cells and attention
    "lstm.parameters": {"x": _CELL["x"]},
    "lstm.gates": {**_CELL, "c": _normal(25, 2, 4)},
    "lstm.forget_bias": {
        "x": np.zeros((2, 3), np.float32),  # so that the biases alone open the gates
        "h": np.zeros((2, 4), np.float32),
        "c": _normal(25, 2, 4),
    },
    "gru.parameters": {"x": _CELL["x"]},
    "gru.gates": {
        **_CELL,
        "kernel": _CELL["kernel"][:, :12],
        "recurrent": _CELL["recurrent"][:, :12],
    },
    "rnn.batch_axis": {
        "x": _STEPS,
        "kernel": _CELL["kernel"][:, :4],
        "recurrent": _CELL["recurrent"][:, :4],
    },
    "attention.batch_axis": {"x": _WIDE_STEPS, "kernels": _KERNELS},
    "attention.kernel": {"x": _WIDE_STEPS, "kernels": _KERNELS},
    "attention.width": {"x": _WIDE_STEPS},
    "attention.layer_true": {"x": _WIDE_STEPS, "mask": _NO_PADDING, "kernels": _KERNELS},
    "attention.layer_masked_row": {
        "x": _WIDE_STEPS,
        "mask": _NO_PADDING & np.array([[True], [False]]),
        "kernels": _KERNELS,
    },
    "attention.dropout": {"x": np.repeat(_WIDE_STEPS[:1], 8, axis=0)},
    # Losses
    "cross_entropy.arguments": {
        "predictions": _LOGITS,
        "targets": np.eye(5, dtype=np.float32)[_LABELS],
    },
    "cross_entropy.reduction": {"logits": _LOGITS, "labels": _LABELS},
    "cross_entropy.takes": {"logits": _LOGITS, "labels": _LABELS},
    "cross_entropy.weights": {
        "logits": _LOGITS,
        "labels": _LABELS,
        "weights": np.array([1, 1, 2, 4, 8], np.float32),
    },
    "cross_entropy.label_-100": {
        "logits": _LOGITS,
        "labels": np.where(np.arange(8) < 6, _LABELS, -100),
    },
    "binary_cross_entropy.takes": {
        "predictions": _uniform(26, 8, 1),
        "targets": (_uniform(27, 8, 1) > 0.5).astype(np.float32),
    },
    "squared_error.of_2": {"predictions": _PREDICTIONS, "targets": _TARGETS},
    "loss.float64": {
        "predictions": _PREDICTIONS.astype(np.float64),
        "targets": _TARGETS.astype(np.float64),
    },
    # Optimizers
    "adam.learning_rate": {"weight": _NEW, "gradients": _GRADIENTS},
    # As late in a training, or as of a loss that is small.
    "adam.epsilon": {"weight": _NEW, "gradients": 1e-4 * _GRADIENTS},
    "adam.epsilon_at_step_1": {"weight": _NEW, "gradient": 1e-4 * _GRADIENTS[0]},
    "adam.weight_decay": {"weight": _WEIGHT, "gradients": _GRADIENTS},
    "adamw.weight_decay": {"weight": _WEIGHT, "gradients": _GRADIENTS},
    "sgd.learning_rate": {"weight": _NEW, "gradients": _GRADIENTS},
    "sgd.learning_rate_kept": {
        "weight": _NEW.astype(np.float64),
        "gradients": _GRADIENTS.astype(np.float64),
    },
    "sgd.momentum_of": {"weight": _NEW, "gradients": _GRADIENTS},
    "sgd.weight_decay": {"weight": _WEIGHT, "gradients": _GRADIENTS},
    "rmsprop.learning_rate": {"weight": _NEW, "gradients": _GRADIENTS},
    "rmsprop.decay": {"weight": _NEW, "gradients": _GRADIENTS},
    # Their squares are as small as epsilon.
    "rmsprop.epsilon": {"weight": _NEW, "gradients": 0.01 * _GRADIENTS},
    "rmsprop.epsilon_place": {"weight": _NEW, "gradients": 0.01 * _GRADIENTS},
    "adagrad.start": {"weight": _NEW, "gradients": _GRADIENTS},
    "adagrad.epsilon": {"weight": _NEW, "gradients": 0.01 * _GRADIENTS},
    "clipping.norm": {"weights": np.stack([_NEW, _NEW]), "gradients": _normal(28, 2, 4)},
    "clipping.added_to_norm": {
        "weights": np.zeros((2, 4)),
        "gradients": _normal(28, 2, 4).astype(np.float64),
    },
    # Counting and precision
    "count.batch_norm": {"x": _FEATURES},
    "count.dropout": {"x": _FEATURES},
    "order.of_tensors": {"conv_2": _normal(29, 4), "conv_10": _normal(30, 4)},
    "precision.integers": {"count": np.array(100_000)},
    "precision.float64_array": {"seconds": 1.7e9 + np.arange(4.0)},  # since 1970, a second apart
    "precision.float64_into_layer": {
        "x": _normal(31, 8, 4).astype(np.float64),
        "kernel": _normal(32, 4, 3),
    },
    # New weights
    "initial.dense_kernel": {"x": _normal(33, 1, 300)},
    "initial.dense_bias": {"x": _normal(33, 1, 300)},
    "initial.conv_kernel": {"x": _uniform(34, 1, 3, 3, 40)},
    "initial.conv_bias": {"x": _uniform(34, 1, 3, 3, 40)},
    "initial.embedding": {"x": np.arange(400)},
}
"""By key, the arrays that each panel's function is given, by the names of its arguments."""

WITHOUT: Mapping[str, str] = {
    "batch_norm.float64": "the layer starts in float32, and its first batch makes it float64",
    "batch_norm.tensors": "names alone",
    "dropout.rate": "two libraries have no default",
    "count.before_input": "two libraries refuse",
    "precision.product_tf32": "on a GPU alone",
    "precision.conv_tf32": "on a GPU alone",
}
"""The other rows in which the libraries differ, and why they have no example."""


@dataclass(frozen=True)
class Outcome:
    """What a backend makes of the arrays: an array, or why it refuses."""

    backend: str
    array: np.ndarray | None = None
    refusal: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON: what is no finite number is a text."""
        if self.array is None:
            return {"refusal": self.refusal}
        values = [x if math.isfinite(x) else str(x) for x in self.array.ravel().tolist()]
        return {"shape": [*self.array.shape], "dtype": str(self.array.dtype), "values": values}


@dataclass(frozen=True)
class Source:
    """The code of an example, and where its function begins in the panel's file."""

    text: str
    line: int


@dataclass
class Pitfalls:
    """Versions by backend, and outcomes by key and backend; what is missing or failed apart."""

    versions: table.Versions
    outcomes: dict[str, dict[str, Outcome]]
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def differences(self, key: str) -> dict[tuple[str, str], float | str]:
        """The error between each two backends, or what stands in its place."""
        pairs = itertools.combinations(self.outcomes[key].values(), 2)
        return {(a.backend, b.backend): error(a, b) for a, b in pairs}

    def largest(self, key: str) -> float | str | None:
        """The largest error of libraries that differ in the record; else what stands in its place.

        None where no two libraries that differ were measured.
        """
        errors = [value for pair, value in self.differences(key).items() if differ(key, *pair)]
        numbers = [value for value in errors if isinstance(value, float)]
        return max(numbers) if numbers else next(iter(errors), None)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON, with the code and the errors."""
        return {
            "versions": self.versions,
            "rows": {key: self._row(key) for key in self.outcomes},
            "skipped": self.skipped,
            "errors": self.errors,
        }

    def _row(self, key: str) -> dict[str, Any]:
        sources = {backend: source(backend, key) for backend in self.outcomes[key]}
        return {
            "function": name(key),
            "code": {b: {"text": each.text, "line": each.line} for b, each in sources.items()},
            "outcomes": {b: each.to_dict() for b, each in self.outcomes[key].items()},
            "errors": [
                {"between": [*pair], "differ": differ(key, *pair), "error": value}
                for pair, value in self.differences(key).items()
            ],
            "largest": self.largest(key),
        }


def name(key: str) -> str:
    """What the function of a key is called."""
    return key.replace("-", "minus_").replace(".", "_")


def differ(key: str, a: str, b: str) -> bool:
    """Whether two backends have different values in the recorded table."""
    values = _recorded()[key]
    return values[a] != values[b]


@cache
def _recorded() -> dict[str, dict[str, str]]:
    return table.read().rows


def measure(backends: Sequence[str]) -> Pitfalls:
    """Run every example of each installed backend, in a process of its own, on the CPU."""
    answers = together.ask(backends, run, environment=table.ON_CPU)
    return replace(gather(answers.results), skipped=answers.skipped, errors=answers.errors)


def gather(answers: Mapping[str, tuple[dict[str, str], dict[str, Outcome]]]) -> Pitfalls:
    """All of what `run` gave, by backend."""
    return Pitfalls(
        {backend: versions for backend, (versions, _) in answers.items()},
        {
            key: {backend: outcomes[key] for backend, (_, outcomes) in answers.items()}
            for key in INPUTS
        },
    )


def run(backend: str) -> tuple[dict[str, str], dict[str, Outcome]]:
    """In a worker: the versions, and what comes out by key."""
    panel = importlib.import_module(f"{PANELS[backend]}.conventions.pitfalls")
    outcomes = {}
    for key, inputs in INPUTS.items():
        # Copies: PyTorch computes in the memory that it is given.
        arrays = {argument: array.copy() for argument, array in inputs.items()}
        try:
            outcomes[key] = Outcome(backend, np.array(getattr(panel, name(key))(**arrays)))
        except Exception as failure:  # whatever the library raises
            outcomes[key] = Outcome(backend, refusal=_short(failure))
    return registry.load(backend).versions(), outcomes


def _short(failure: Exception) -> str:
    """What an exception says, in one line; without the place in TensorFlow that it comes from."""
    text = re.sub(r"{{.*?}}", "", f"{type(failure).__name__}: {failure}")
    return textwrap.shorten(text, LONGEST, placeholder=" ...")


def error(a: Outcome, b: Outcome) -> float | str:
    """The largest difference relative to the largest value, or why there is no such number.

    It is computed in float64. NaN and infinity are not equal to anything, not to themselves either.
    """
    refused = [f"refused by {each.backend}: {each.refusal}" for each in (a, b) if each.refusal]
    if a.array is None or b.array is None:
        return "; ".join(refused)
    if a.array.shape != b.array.shape:
        return f"shapes differ: {a.array.shape} and {b.array.shape}"
    x, y = a.array.astype(np.float64), b.array.astype(np.float64)
    counts = [(each.backend, int((~np.isfinite(v)).sum())) for each, v in ((a, x), (b, y))]
    if any(count for _, count in counts):
        return "not finite: " + " and ".join(
            f"{count} of {x.size} of {backend}" for backend, count in counts if count
        )
    smaller, larger = sorted((x, y), key=lambda values: float(np.abs(values).max()))
    return difference(larger, smaller)


def source(backend: str, key: str) -> Source:
    """The code of an example: its function's body, as it is written, without the docstring.

    Raises:
        KeyError: there is no example of that key.
    """
    return _sources(backend)[name(key)]


@cache
def _sources(backend: str) -> dict[str, Source]:
    """Every function's body in a panel's file, by the function's name."""
    text = panels.source(backend, "conventions/pitfalls").read_text("utf-8")
    lines, sources = text.splitlines(), {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            begin = node.body[0].end_lineno if ast.get_docstring(node) else node.body[0].lineno - 1
            body = "\n".join(lines[begin : node.end_lineno])
            sources[node.name] = Source(textwrap.dedent(body), node.lineno)
    return sources
