"""The table of conventions: defaults and meanings that differ between the installed libraries.

Each panel's `conventions/defaults.py` asks its own library, in a process of its own. The answers
are held side by side, and against the table that was recorded with the versions of
`requirements.lock`: a value that changed since may make two networks differ that were the same.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shared import formats, machine, registry, together
from shared.asking import NOT_MEASURED
from shared.conventions import initialisers
from shared.panels import PANELS
from shared.terminal import print_gaps, style
from shared.writing import put

RECORDED = Path(__file__).with_name("recorded.json")
"""The table as it was with the versions that it names."""

# On a GPU some answers are others (Keras's for a label that is no class): all are the CPU's.
ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "Normalisation": {
        "batch_norm.epsilon": "what is added to the variance",
        "batch_norm.momentum": "the default, and what of the running mean it weighs",
        "batch_norm.running_variance": "which variance of a batch the running one is made of",
        "batch_norm.one_value": "a training batch with one value a channel",
        "batch_norm.frozen": "the running mean in training while the parameters are frozen",
        "batch_norm.float64": "what the running mean of a new float64 layer is in",
        "batch_norm.tensors": "what a layer keeps, and under which names",
        "layer_norm.epsilon": "what is added to the variance",
        "layer_norm.large_mean": "deviations of 0.1 around a mean of 1000, in float32",
        "group_norm.epsilon": "what is added to the variance",
        "group_norm.groups": "how many groups by default",
        "rms_norm.epsilon": "what is added to the mean square in float32",
    },
    "Convolution, pooling, resizing": {
        "dense.kernel": "the order of the axes",
        "conv.kernel": "the order of the axes",
        "conv.padding": "the default",
        "conv.same_stride_2": "'same', a kernel of 3, stride 2, 4 values: zeros read",
        "conv.padding_1_stride_2": "padding 1, a kernel of 3, stride 2, 4 values: zeros read",
        "depthwise.kernel": "the order of the axes",
        "conv_transpose.kernel": "the order of the axes",
        "conv_transpose.flipped": "whether a 1 comes out as the kernel turned around",
        "conv_transpose.padding": "the default",
        "pool.stride": "the default",
        "avg_pool.counts_padding": "whether the mean of a window counts the zeros around",
        "max_pool.tie_gradient": "the gradient of a pool over 1, 2, 2, 2",
        "max.tie_gradient": "the gradient of the maximum of 1, 2, 2, 2",
        "resize.antialias": "whether what shrinks is smoothed by default",
        "resize.nearest": "which of the pixels 0 to 4 are left of 5 when they become 3",
    },
    "Activations and kinks": {
        "gelu.activation": "the activation of that name, by default",
        "gelu.function": "the function of that name among the operations, by default",
        "gelu.float64": "how exact the exact one is in float64",
        "leaky_relu.function": "the slope below 0",
        "leaky_relu.layer": "the slope below 0",
        "dropout.rate": "the default",
        "std.divisor": "what the standard deviation divides by",
        "relu.gradient_at_0": "the gradient at the kink",
        "maximum.gradient_at_0": "the gradient of max(x, 0) at the kink",
        "clip.gradient_at_bound": "the gradient of x clipped to [-1, 0] at 0",
        "abs.gradient_at_0": "the gradient at the kink",
        "norm.gradient_at_0": "the gradient of a vector's length at 0",
    },
    "Recurrent cells and attention": {
        "lstm.parameters": "from 3 inputs to 4 units",
        "lstm.gates": "the order of the gates: input, forget, candidate g, output",
        "lstm.forget_bias": "the first bias of the forget gate",
        "gru.parameters": "from 3 inputs to 4 units",
        "gru.gates": "the order of the gates: reset, update z, new",
        "rnn.batch_axis": "which axis of a sequence is the batch by default",
        "attention.batch_axis": "which axis of a sequence is the batch by default",
        "attention.kernel": "the axes of the queries' kernel",
        "attention.width": "what the argument that sets the width means",
        "attention.layer_true": "where a mask is True, in the layer",
        "attention.function_true": "where a mask is True, in the function",
        "attention.layer_masked_row": "a query that may attend to nothing, in the layer",
        "attention.function_masked_row": "a query that may attend to nothing, in the function",
        "attention.dropout": "which weights a training batch drops, by default",
    },
    "Losses": {
        "cross_entropy.arguments": "the first two arguments",
        "cross_entropy.reduction": "what is made of the examples' losses",
        "cross_entropy.takes": "what predictions are by default",
        "cross_entropy.weights": "what a loss with class weights is divided by",
        "cross_entropy.label_-100": "the loss of an example with the label -100",
        "binary_cross_entropy.takes": "what predictions are by the plain name",
        "squared_error.of_2": "the loss of two errors of 2",
        "loss.float64": "what a loss of float64 values is in",
    },
    "Optimizers": {
        "adam.learning_rate": "the default",
        "adam.epsilon": "the default",
        "adam.epsilon_at_step_1": "what epsilon comes to beside the corrected root",
        "adam.weight_decay": "what the argument means in Adam",
        "adamw.weight_decay": "the default",
        "sgd.learning_rate": "the default",
        "sgd.learning_rate_kept": "the precision in which the learning rate is kept",
        "sgd.momentum_of": "what momentum sums, when the learning rate changes",
        "sgd.weight_decay": "what the argument means in SGD",
        "rmsprop.learning_rate": "the default",
        "rmsprop.decay": "the default weight of the old square",
        "rmsprop.epsilon": "the default",
        "rmsprop.epsilon_place": "where it is added",
        "adagrad.start": "the sum of squares to begin with",
        "adagrad.epsilon": "the default",
        "clipping.norm": "which norm the plain clipping by norm limits",
        "clipping.added_to_norm": "what is added to the norm of all gradients",
    },
    "Counting and precision": {
        "count.batch_norm": "what the usual way of counting parameters finds in batch norm",
        "count.before_input": "counting a layer that has seen no input",
        "count.dropout": "the variables of a dropout layer",
        "order.of_tensors": "Conv_2 made before Conv_10",
        "precision.integers": "what a range of integers is in",
        "precision.float64_array": "what becomes of a float64 array",
        "precision.float64_into_layer": "what a float32 layer makes of float64, where that exists",
        "precision.product_tf32": "whether a GPU may round products to TF32",
        "precision.conv_tf32": "whether a GPU may round convolutions to TF32",
    },
    "New weights": {
        "initial.dense_kernel": "the law of a dense kernel",
        "initial.dense_bias": "the law of its bias",
        "initial.conv_kernel": "the law of a convolution's kernel",
        "initial.conv_bias": "the law of its bias",
        "initial.embedding": "the law of an embedding of width fan_in",
    },
}
"""What each row of the table says, by heading and key, in the order of the table."""

Versions = dict[str, dict[str, str]]


def differ(values: Mapping[str, str]) -> bool:
    """Whether the libraries differ in a row's values; those that were not asked do not count."""
    return len({value for value in values.values() if value != NOT_MEASURED}) > 1


@dataclass
class Conventions:
    """Versions and values by backend; what is not installed, and what failed, apart."""

    versions: Versions
    rows: dict[str, dict[str, str]]
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def differs(self, key: str) -> bool:
        """Whether the libraries differ in a row; two agree where one was not asked."""
        return differ(self.rows[key])

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON, with the meanings and whether rows differ."""
        return {
            **formats.stamp("conventions"),
            **asdict(self),
            "rows": {
                key: {"meaning": text, "differs": self.differs(key), "values": self.rows[key]}
                for group in MEANINGS.values()
                for key, text in group.items()
                if key in self.rows
            },
        }


@dataclass(frozen=True)
class Change:
    """A value that is not the recorded one; None stands for no value."""

    key: str
    backend: str
    before: str | None
    now: str | None
    before_versions: str
    now_versions: str

    def __str__(self) -> str:
        """One sentence."""
        if self.before is None:
            return (
                f"{self.key} of {self.backend} was not recorded with {self.before_versions} "
                f"and is {self.now} with {self.now_versions}"
            )
        now = "no longer measured" if self.now is None else self.now
        return (
            f"{self.key} of {self.backend} was {self.before} with {self.before_versions} "
            f"and is {now} with {self.now_versions}"
        )


def collect(backends: Sequence[str]) -> Conventions:
    """Ask every installed library, each in a process of its own, on the CPU."""
    answers = together.ask(backends, ask_library, environment=ON_CPU)
    return replace(gather(answers.results), skipped=answers.skipped, errors=answers.errors)


def gather(answers: Mapping[str, tuple[dict[str, str], dict[str, str]]]) -> Conventions:
    """The conventions of what `ask_library` gave, by backend."""
    keys = dict.fromkeys(key for _, values in answers.values() for key in values)
    return Conventions(
        {name: versions for name, (versions, _) in answers.items()},
        {
            key: {name: values[key] for name, (_, values) in answers.items() if key in values}
            for key in keys
        },
    )


def ask_library(backend: str) -> tuple[dict[str, str], dict[str, str]]:
    """In a worker: the versions, and every value by its key."""
    panel = importlib.import_module(f"{PANELS[backend]}.conventions.defaults")
    laws = {
        key: initialisers.law(initialisers.Sample(values.ravel().astype("float64"), *fans))
        for key, (values, *fans) in panel.initial_values().items()
    }
    return registry.load(backend).versions(), {**panel.measure(), **laws}


def changed(conventions: Conventions, recorded: Conventions) -> list[Change]:
    """Every value that is not the recorded one; none for a backend that is not in both."""
    changes = []
    for backend in conventions.versions:
        if backend not in recorded.versions:
            continue
        texts = [machine.libraries(each.versions[backend]) for each in (recorded, conventions)]
        for key in dict.fromkeys([*recorded.rows, *conventions.rows]):
            before, now = (each.rows.get(key, {}).get(backend) for each in (recorded, conventions))
            if before != now and NOT_MEASURED not in (before, now):
                changes.append(Change(key, backend, before, now, *texts))
    return changes


def record(conventions: Conventions, path: Path) -> None:
    """Write the versions and values as the table to hold later ones against."""
    value = {
        **formats.stamp("recorded conventions"),
        "versions": conventions.versions,
        "rows": conventions.rows,
    }
    put(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read(path: Path = RECORDED) -> Conventions:
    """A table that `record` wrote.

    Raises:
        DataError: the file cannot be read, or is no such table.
    """
    return formats.read(
        path,
        "recorded conventions",
        lambda content: Conventions(_cells(content["versions"]), _cells(content["rows"])),
        "is no table of conventions, which `triptych conventions --record` writes",
    )


def _cells(rows: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Rows as they were read, if they are rows of texts."""
    cells = {key: dict(row) for key, row in rows.items()}
    if not all(isinstance(text, str) for row in cells.values() for text in row.values()):
        raise TypeError("a value is no text")
    return cells


def show(
    conventions: Conventions,
    console: Console,
    everything: bool = False,
    changes: Sequence[Change] = (),
) -> None:
    """Print the rows in which the libraries differ, or all; then what changed, a sentence each.

    A value that changed has a star. With one backend alone there is nothing to differ from: all
    rows are shown.
    """
    for backend, versions in conventions.versions.items():
        line = Text.assemble((backend, style(backend)), f": {machine.libraries(versions)}")
        console.print(line, highlight=False)
    starred = {(change.key, change.backend) for change in changes}
    everything = everything or len(conventions.versions) < 2
    shown = {
        key
        for key in conventions.rows
        if everything or conventions.differs(key) or any(key == other for other, _ in starred)
    }
    if shown:
        console.print(_table(conventions, shown, starred))
    left = len(conventions.rows) - len(shown)
    if left:
        console.print(f"in {left} more the libraries agree; --all shows them too", highlight=False)
    for change in changes:
        console.print(f"* {change}", style="yellow", highlight=False, soft_wrap=True)
    print_gaps(console, conventions.skipped, conventions.errors)


def _table(conventions: Conventions, shown: set[str], starred: set[tuple[str, str]]) -> Table:
    table = Table(expand=True)
    table.add_column("convention", overflow="fold", ratio=3)
    for backend in conventions.versions:
        table.add_column(backend, header_style=style(backend), overflow="fold", ratio=2)
    for heading, group in MEANINGS.items():
        keys = [key for key in group if key in shown]
        if not keys:
            continue
        table.add_section()
        table.add_row(Text(heading, "bold"))
        for key in keys:
            cells = [
                Text(f"* {value}", "bold yellow") if (key, backend) in starred else Text(value)
                for backend in conventions.versions
                for value in [conventions.rows[key].get(backend, NOT_MEASURED)]
            ]
            meaning = Padding(Text(group[key], "dim"), (0, 0, 0, 2))
            table.add_row(Group(Text(key), meaning), *cells)
    return table
