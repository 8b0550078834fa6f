"""Values that bite: ties, blackness, large numbers, masks and labels at their limits.

Several kinds share a batch whose size is compiled anyway: in evaluation mode no example knows of
the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from shared.interface import TensorInfo
from shared.parity import recipes, samples
from shared.parity.evidence import Arrays
from shared.parity.samples import BATCHES, generator
from shared.specs import Case, Network, Spec, Task, Tensor

TIMES = 30.0
"""How many times larger "large" inputs and weights are."""

EXAMPLES = {
    "ties": ("few", "blocks"),
    "black": ("zero", "constant"),
    "large": ("large",),
    "masked": ("all", "none"),
}
"""What the examples of the batch of outputs are, by kind."""

DIFFERENTIATED = {
    "ties": ("few", "blocks", "blocks"),
    "black": ("zero", "zero", "constant"),
    "large": ("large", "large", "large"),
    "masked": ("a row", "all", "none"),
    "uncounted": ("usual", "usual", "usual"),
}
"""What the examples of each kind's pass forward and backward are."""

PRIME, MANY = 13, 64
"""Sizes of batches that no other rung has: the larger one for small networks alone."""

SMALL = 50_000
"""How many parameters a network has at most that a further program costs little for."""

NEAR = 2.0**-44
"""How much larger inputs are made to see what rounding may do: some hundred times the unit."""

_BLOCK = 4
_FEW = np.arange(-4, 5) / 4

assert sum(map(len, EXAMPLES.values())) == BATCHES[-1]
assert all(len(examples) == recipes.BATCH for examples in DIFFERENTIATED.values())


def has_limits(network: Network) -> bool:
    """Whether there is a mask, a length or a token, which has a least and a largest value."""
    return any(tensor.dtype != "float" for tensor in network.inputs.values())


def of_outputs(network: Network) -> list[str]:
    """The kinds that a network's outputs are looked at for."""
    return [kind for kind in EXAMPLES if kind != "masked" or has_limits(network)]


def of_gradients(network: Network, task: Task | None, dtype: str) -> list[str]:
    """The kinds that loss and gradients are looked at for.

    In float32 rounding decides what is on which side of a tie; what is 0 is 0.
    """
    if task is None:
        return []
    kinds = {*(of_outputs(network) if dtype == "float64" else ())}
    if labelled(task):
        kinds.add("uncounted")
    return [kind for kind in DIFFERENTIATED if kind in kinds]


def labelled(task: Task) -> list[str]:
    """The targets that are labels."""
    return [o.target for o in task.objectives if o.loss == "cross_entropy"]


def classes(network: Network, task: Task | None) -> list[str]:
    """The outputs that are logits."""
    objectives = task.objectives if task else ()
    return [
        o.output
        for o in objectives
        if o.loss == "cross_entropy" and network.outputs[o.output].axes.endswith("K")
    ]


def sizes(spec: Spec, case: Case, dtype: str) -> tuple[int, ...]:
    """Batches of other sizes that outputs of the smallest network are looked at for in float64."""
    if dtype != "float64" or case != recipes.smallest(spec):
        return ()
    small = spec.task is not None and case.parameters <= SMALL
    return (PRIME, MANY) if small else (PRIME,)


def admitting(network: Network) -> Network:
    """A network that takes lengths of 0 too: the boundary refuses them, what computes need not."""
    inputs = {
        name: replace(tensor, low=0) if tensor.dtype == "int32" else tensor
        for name, tensor in network.inputs.items()
    }
    return replace(network, inputs=inputs)


# Inputs and targets


def inputs(network: Network, examples: Iterable[str], dtype: str) -> Arrays:
    """A batch of these examples."""
    every = list(examples)
    usual = samples.sample_inputs(network, len(every), "float32")
    return {
        name: np.stack(
            [
                _example(example, name, tensor, usual[name][index], index)
                for index, example in enumerate(every)
            ]
        ).astype(dtype if tensor.dtype == "float" else usual[name].dtype)
        for name, tensor in network.inputs.items()
    }


def outputs_batch(network: Network, dtype: str) -> Arrays:
    """The examples of all kinds in one batch."""
    return inputs(network, [example for kind in EXAMPLES.values() for example in kind], dtype)


def rows(kind: str) -> slice:
    """Where a kind's examples are in that batch."""
    before = [len(of) for other, of in EXAMPLES.items() if [*EXAMPLES].index(other) < _place(kind)]
    return slice(sum(before), sum(before) + len(EXAMPLES[kind]))


def _place(kind: str) -> int:
    return [*EXAMPLES].index(kind)


def _example(example: str, name: str, tensor: Tensor, usual: np.ndarray, index: int) -> np.ndarray:
    """One input of one example."""
    if tensor.dtype != "float":
        return _limit(example, tensor, usual)
    random = generator(f"{name} of {example}", (index, *tensor.shape), 0)
    if example == "few":
        return random.choice(_FEW, tensor.shape)
    if example == "blocks":
        return _blocks(random, tensor)
    if example in ("zero", "constant"):
        return np.full(tensor.shape, 0.0 if example == "zero" else 0.5)
    return usual * TIMES if example == "large" else usual


def _blocks(random: np.random.Generator, tensor: Tensor) -> np.ndarray:
    """Whole blocks of equal values: squares of an image, runs of anything else."""
    axes = [index for index, axis in enumerate(tensor.axes) if axis in "HW"] or [
        len(tensor.shape) - 1
    ]
    coarse = [
        -(-size // _BLOCK) if index in axes else size for index, size in enumerate(tensor.shape)
    ]
    values = random.choice(_FEW, coarse)
    for axis in axes:
        values = np.repeat(values, _BLOCK, axis).take(range(tensor.shape[axis]), axis)
    return values


def _limit(example: str, tensor: Tensor, usual: np.ndarray) -> np.ndarray:
    """A mask, a length or tokens: everything, nothing, or nothing for the first query."""
    if example == "all":
        return np.full_like(usual, True if tensor.dtype == "bool" else tensor.high)
    if example == "none":
        return np.zeros_like(usual)
    if example == "a row" and tensor.dtype == "bool":
        masked = usual.copy()
        masked[0] = False
        return masked
    return usual


def targets(network: Network, task: Task, kind: str, dtype: str) -> Arrays:
    """Targets of a pass; none of the labels counts where it is to be so."""
    drawn = recipes.sample_targets(network, task, recipes.BATCH)
    arrays = {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in drawn.items()}
    return arrays | (uncounted(task, arrays) if kind == "uncounted" else {})


def uncounted(task: Task, drawn: Arrays) -> Arrays:
    """Labels of which none counts, as many as were drawn."""
    return {name: np.full_like(drawn[name], -1) for name in labelled(task)}


def first_labels(task: Task, drawn: Arrays) -> Arrays:
    """Labels that are all of the first class, as many as were drawn."""
    return {name: np.zeros_like(drawn[name]) for name in labelled(task)}


# Weights


def weights(table: Iterable[TensorInfo], kind: str) -> Arrays:
    """The weights that a kind is computed with, in float32.

    Of "ties" and "black" they have few digits, so that sums are exact in any order; of "black"
    there are no biases either, so that a ReLU is given 0. Of "large" matrices are large. Of "alike"
    they are 0, and each bias has one value: so each output has.

    Behind a batch norm no sum is exact. Weights of both signs would often add up to 0 but for
    rounding there, which then decides what the largest value in a window is: so none is below 0.
    """
    rows = list(table)
    drawn = samples.sample_weights(rows, "float32", recipes.SEED)
    exact = not any(row.kind == "buffer" for row in rows)
    if kind in ("ties", "black"):
        few = {row.name: _few_digits(row) for row in rows}
        if not exact:
            few = {name: np.abs(array) for name, array in few.items()}
        bare = [name for name in few if kind == "black" and name.endswith("bias")]
        return {**few, **{name: np.zeros_like(few[name]) for name in bare}}
    if kind == "large":
        return {name: a * np.float32(TIMES) if a.ndim > 1 else a for name, a in drawn.items()}
    if kind == "alike":
        return {name: np.full_like(array, _same(name, array)) for name, array in drawn.items()}
    return drawn


def _same(name: str, array: np.ndarray) -> float:
    """The value of a whole tensor: two exits that are each all alike differ from each other."""
    value = generator(f"{name} all alike", (), recipes.SEED).integers(1, 65) / 64
    return 0.0 if array.ndim > 1 else float(value)


def _few_digits(row: TensorInfo) -> np.ndarray:
    """Whole numbers over a power of two: matrices by their fan-in, vectors over 4, above 0."""
    random = generator(f"{row.name} of few digits", row.shape, recipes.SEED)
    if len(row.shape) < 2:
        return (random.integers(1, 5, row.shape) / 4).astype(np.float32)
    root = 2.0 ** np.ceil(np.log2(np.prod(row.shape[1:])) / 2)
    return (random.integers(-2, 3, row.shape) / root).astype(np.float32)
