"""What a mutation is, and the cases that they are put into."""

from dataclasses import dataclass
from typing import Literal

RESIDUAL = ("simple_resnet", "block 3 to 5, stride 2, odd height")
PERCEPTRON = ("basic_net", "6x5 image, 3 channels")
SKIP = ("skip_mlp", "4x7 image, 3 channels, depth 3, 5 classes")
BRANCHING = ("branching_net", "9x14 image, width 6, 3 classes")
INCEPTION = ("inception_net", "block 5 channels to 4 times 6")
INCEPTIONS = ("inception_net", "9x14 image, width 6, 4 classes")
DENSE = ("dense_net", "block 5 channels, growth 2, 3 layers")
DENSES = ("dense_net", "9x14 image, growth 3, 3 layers, 4 classes")
CONVOLUTIONS = ("unet", "double convolution 3 to 5")
DOWN = ("unet", "down 3 to 5")
UP = ("unet", "up 6 to 4")
ATTENTION = ("seq2seq", "attention, 3 heads, 5 to 7 steps")
ENCODER = ("seq2seq", "encoder layer, 7 steps")
DECODER = ("seq2seq", "decoder layer, 5 to 7 steps")
SEQUENCE = ("seq2seq", "12 columns of 5 rows, 3 classes, 1 layer")
EXIT = ("early_exit_net", "4x196 image, 4 classes, never leaves")
CANVAS = ("unet", "8x12 canvas, 2 channels, 3 classes, depth 2")
EXITS = ("early_exit_net", "4x196 image, always leaves")
CLASSIFIER = ("mnist_classifier", "4x196 image")
FROZEN = ("inference_model", "around simple_resnet, 4x196 image")
ROWS = ("row_gru", "7x10 image, 3 channels, 4 classes")


TRAINERS = "trainers"

Backend = Literal["torch", "flax", "keras"]
Where = Literal["torch", "flax", "keras", "all"]


@dataclass(frozen=True)
class Mutation:
    """One convention that one backend gets wrong, and what the ladder must say of it.

    `place` is the architecture and the case's label. `rung` is the first that fails in float64, in
    the ladder's order. `layer` is the canonical name that is told, "" where the network's output,
    the loss or the optimizer is at fault. `cause` is the cause's kind, "" where the catalogue of
    causes has none. `recipe` is the training that the mutation needs, if it needs one; TRAINERS are
    those that people train with. One of `evidence` changes what was recorded, not the backend: it
    is made by a function of its name in `of_evidence`, perhaps in all backends at once.
    """

    name: str
    says: str
    backend: Where
    place: tuple[str, str]
    rung: str
    layer: str = ""
    cause: str = ""
    recipe: str = ""
    evidence: bool = False


def of(backend: Backend, *rows: tuple[object, ...]) -> list[Mutation]:
    return [Mutation(row[0], row[1], backend, *row[2:]) for row in rows]  # type: ignore[arg-type]


def of_trainers(backend: Backend, *rows: tuple[str, str, tuple[str, str], str]) -> list[Mutation]:
    return [
        Mutation(name, says, backend, place, rung, recipe=TRAINERS)
        for name, says, place, rung in rows
    ]
