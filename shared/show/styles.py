"""In what the three styles of subclassing differ: a sentence each, and the lines where it shows.

Study pages show the sentences of those topics that an architecture's files have lines for. What is
particular to one architecture stands in its sources, as comments.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass

_CONSTRUCTION = ("__init__", "__post_init__", "setup", "build", "get_config")


@dataclass(frozen=True)
class Topic:
    """Something that each framework has in its own way.

    Attributes:
        name: A short name without spaces.
        title: What it is about.
        sentences: How each backend has it.
        marks: By backend, a pattern for the code in which it shows.
        running: Whether only code counts that runs when the network is called.
        everywhere: Whether it shows only in files that have it in every panel, because its
            sentences say what each one does there.
    """

    name: str
    title: str
    sentences: Mapping[str, str]
    marks: Mapping[str, str]
    running: bool = False
    everywhere: bool = False


TOPICS = (
    Topic(
        "state",
        "Where state lives",
        {
            "torch": "In the module. Its constructor makes every tensor, and an attribute that is "
            "a layer, a parameter or a buffer is registered by being assigned.",
            "flax": "Beside the module. setup declares the layers, init makes their variables as a "
            "tree of arrays, and apply is given that tree with every call.",
            "keras": "In the layers. Each makes its variables when it first learns the shape of "
            "its input: at the first call, or in build.",
        },
        {
            "torch": r"super\(\).__init__|register_buffer|nn\.Parameter",
            "flax": r"def setup|self\.param\(|self\.variable\(",
            "keras": r"super\(\).__init__|def build|add_weight",
        },
    ),
    Topic(
        "flatten",
        "Flatten",
        {
            "torch": "Images are (B, C, H, W): channels are axis 1, so a flatten has them first.",
            "flax": "Images are (B, H, W, C): channels are the last axis, and are brought before "
            "the axes that are flattened, so that the layer after it means the same everywhere.",
            "keras": "Images are (B, H, W, C), as in Flax, and are turned before a flatten in the "
            "same way.",
        },
        {
            "torch": r"torch\.flatten\(|\.transpose\(1, 2\)\.flatten\(",
            "flax": r"\bx\.transpose\(0, (3, 1, 2|1, 3, 2)\)",
            "keras": r"ops\.transpose\(x, \(0, (3, 1, 2|1, 3, 2)\)\)",
        },
        everywhere=True,
    ),
    Topic(
        "pooling",
        "Mean over height and width",
        {
            "torch": "Images are (B, C, H, W): height and width are axes 2 and 3.",
            "flax": "Images are (B, H, W, C): height and width are axes 1 and 2.",
            "keras": "Images are (B, H, W, C), as in Flax: height and width are axes 1 and 2.",
        },
        {
            "torch": r"mean\(dim=\(2, 3\)",
            "flax": r"mean\(axis=\(1, 2\)",
            "keras": r"ops\.mean\(\w+, axis=\(1, 2\)",
        },
        everywhere=True,
    ),
    Topic(
        "joining",
        "Joining",
        {
            "torch": "torch.cat joins a list of tensors along dim, which is 0 by default. An "
            "image's channels are dim 1.",
            "flax": "jnp.concatenate joins a list of arrays along axis, which is 0 by default. An "
            "image's channels are axis -1.",
            "keras": "ops.concatenate joins a list of tensors along axis, which is 0 by default. "
            "An image's channels are axis -1.",
        },
        {
            "torch": r"torch\.cat\(",
            "flax": r"jnp\.concatenate\(",
            "keras": r"ops\.concatenate\(",
        },
        everywhere=True,
    ),
    Topic(
        "heads",
        "Heads of attention",
        {
            "torch": "unflatten makes one axis two, and transpose exchanges two axes.",
            "flax": "reshape is given the whole shape, and transpose the order of all axes, as in "
            "NumPy.",
            "keras": "ops.reshape is given the whole shape, with -1 for the batch, and "
            "ops.transpose the order of all axes.",
        },
        {
            "torch": r"\.unflatten\(|\.mT\b|\.transpose\(1, 2\)\s*$|\bx\.flatten\(2\)",
            "flax": r"\.transpose\(0, 2, 1, 3\)|\.mT\b|x\.reshape\(\*x\.shape\[:2\], -1\)",
            "keras": r"\(0, 2, 1, 3\)|ops\.transpose\(k,|\(-1, x\.shape\[1\], self\.(num|embed)",
        },
        everywhere=True,
    ),
    Topic(
        "axis",
        "Along which axis",
        {
            "torch": "The argument dim says it.",
            "flax": "The argument axis says it, as in NumPy.",
            "keras": "The argument axis says it, as in NumPy.",
        },
        {
            "torch": r"(softmax|argmax|amax|max|chunk|mean)\(.*dim=(-1|1|axis)\b",
            "flax": r"(softmax|argmax|max|split|stack|mean)\(.*axis=(-1|1)\b",
            "keras": r"(softmax|argmax|max|split|stack|mean)\(.*axis=(-1|1)\b",
        },
        everywhere=True,
    ),
    Topic(
        "padding",
        "Padding",
        {
            "torch": "A number of zeros on every side, none by default.",
            "flax": "'SAME' by default. A number pads both sides alike, as in PyTorch; 'SAME' does "
            "not where the stride is 2.",
            "keras": "'valid', which is none, by default, or 'same'; any other number of zeros is "
            "put there by ops.pad before the layer.",
        },
        dict.fromkeys(("torch", "flax", "keras"), r"padding|[^_]\bpad\("),
    ),
    Topic(
        "mode",
        "Training and evaluation mode",
        {
            "torch": "A flag of each module, which train() and eval() set; forward need not speak "
            "of it, and dropout and batch norm look it up.",
            "flax": "An argument of the call, handed on by hand: to dropout as deterministic, to "
            "batch norm as use_running_average.",
            "keras": "An argument of the call, training; a layer that is not given it takes that "
            "of the call around it.",
        },
        {
            "torch": r"nn\.Dropout|nn\.BatchNorm|self\.training|\.eval\(|\.train\(",
            "flax": r"\btrain\b|deterministic|use_running_average",
            "keras": r"\btraining\b",
        },
    ),
    Topic(
        "randomness",
        "Randomness",
        {
            "torch": "Dropout draws from the global generator, which torch.manual_seed sets.",
            "flax": "Dropout asks for a key called 'dropout', which apply must be given; the same "
            "key draws the same mask.",
            "keras": "Each dropout layer has a seed generator, whose state moves on with each "
            "call.",
        },
        {
            "torch": r"nn\.Dropout|self\.dropout",
            "flax": r"nn\.Dropout|self\.dropout|make_rng",
            "keras": r"layers\.Dropout|self\.dropout|SeedGenerator",
        },
    ),
    Topic(
        "naming",
        "Naming",
        {
            "torch": "The attribute is the name; in a Sequential or a ModuleList it is the "
            "position.",
            "flax": "The attribute is the name; a list's members are attribute_0, attribute_1 "
            "and so on.",
            "keras": "A layer names itself after its class unless it is given a name, which is the "
            "attribute's here.",
        },
        {
            "torch": r"Sequential\(|ModuleList\(|add_module",
            "flax": r"list\[nn\.|Sequential\(|self\.\w+ = \[",
            "keras": r"name=",
        },
    ),
    Topic(
        "control",
        "Control flow",
        {
            "torch": "Python runs in every call: an if may ask a tensor for its value, and a loop "
            "may be as long as the data.",
            "flax": "Python runs when the call is traced. What depends on values is nn.cond, what "
            "repeats over time nn.scan, so that it is compiled once.",
            "keras": "Python runs when the call is traced, if it is. What depends on values is "
            "ops.cond, what repeats over time layers.RNN.",
        },
        dict.fromkeys(("torch", "flax", "keras"), r"^\s*(if|for|while)\b|\bcond\(|scan\b|\.RNN\("),
        running=True,
    ),
)


def lines_of_panels(texts: Mapping[str, str]) -> dict[str, dict[str, list[int]]]:
    """By backend the lines in its file in which each topic shows; topics for all panels or none."""
    by_backend = {backend: lines(text, backend) for backend, text in texts.items()}
    for topic in TOPICS:
        if topic.everywhere and not all(topic.name in shown for shown in by_backend.values()):
            for shown in by_backend.values():
                shown.pop(topic.name, None)
    return by_backend


def lines(text: str, backend: str) -> dict[str, list[int]]:
    """The numbers of the lines in a file of a panel in which each topic shows, if any do."""
    code = _code(text)
    constructing = _constructing(text)
    by_topic = {}
    for topic in TOPICS:
        pattern = re.compile(topic.marks[backend])
        numbers = [
            number
            for number, line in code.items()
            if pattern.search(line)
            and not (topic.running and number in constructing and not _CALLED.search(line))
        ]
        if numbers:
            by_topic[topic.name] = numbers
    return by_topic


_CALLED = re.compile(r"scan\b|\.RNN\(")  # made where layers are, and runs when they do


def _code(text: str) -> dict[int, str]:
    """Each line's code, by number, without comments and docstrings."""
    kept = [list(line) for line in text.splitlines()]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (
            token.type == tokenize.STRING and token.string.startswith('"""')
        ):
            (first, start), (last, end) = token.start, token.end
            for number in range(first, last + 1):
                line = kept[number - 1]
                stop = end if number == last else len(line)
                for at in range(start if number == first else 0, stop):
                    line[at] = " "
    return {number: "".join(line) for number, line in enumerate(kept, 1)}


def _constructing(text: str) -> set[int]:
    """The numbers of the lines in which networks are made, not called: functions count too."""
    numbers: set[int] = set()
    for node in ast.parse(text).body:
        functions = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in functions:
            if not isinstance(node, ast.ClassDef) or (
                isinstance(function, ast.FunctionDef) and function.name in _CONSTRUCTION
            ):
                numbers.update(range(function.lineno, (function.end_lineno or 0) + 1))
    return numbers
