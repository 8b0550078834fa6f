"""What the spec of every architecture states: counts, defaults, cases, its place."""

import ast
import json
from typing import Any

import pytest

from shared.panels import PANELS, source
from shared.specs import SPECS, Network, Spec

STATED = {
    "basic_net": 109_386,
    "mimo_net": 445_163,
    "simple_resnet": 736_970,
    "mnist_classifier": 421_642,
    "branching_net": 54_026,
    "sequential_net": 109_386,
    "skip_mlp": 167_818,
    "inception_net": (9 * 16 + 16)
    + (2 * (16 * 16 + 16) + 2 * (16 * 8 + 8) + (72 * 16 + 16) + (200 * 16 + 16))
    + (2 * (64 * 16 + 16) + 2 * (64 * 8 + 8) + (72 * 16 + 16) + (200 * 16 + 16))
    + (64 * 10 + 10),
    "dense_net": 9 * 24
    + (2 + 9 * 12) * (24 + 36 + 48 + 60)
    + (2 + 36) * 72
    + (2 + 9 * 12) * (36 + 48 + 60 + 72)
    + 2 * 84
    + (84 * 10 + 10),
    # Two 3x3 convolutions and their batch norms, a 2x2 kernel before each on the way up, the head.
    "unet": sum(
        9 * (i + o) * o + 4 * o
        for i, o in ((1, 16), (16, 32), (32, 64), (64, 128), (128, 64), (64, 32), (32, 16))
    )
    + sum(4 * 2 * o * o + o for o in (64, 32, 16))
    + (16 * 11 + 11),
    # Attention has 4 D^2 + 3 D, the two dense layers 8 D^2 + 5 D, a layer norm 2 D; D is 64.
    "seq2seq": (112 * 64 + 64)
    + 2 * ((4 + 8) * 64**2 + (3 + 5 + 2 * 2) * 64)
    + 12 * 64
    + 2 * ((8 + 8) * 64**2 + (6 + 5 + 3 * 2) * 64)
    + 2 * 2 * 64
    + (64 * 11 + 11),
    "row_gru": 3 * 64 * (28 + 64) + 6 * 64 + (64 * 10 + 10),
    "early_exit_net": (9 * 16 + 16)
    + (9 * 16 * 32 + 32)
    + (1568 * 10 + 10)
    + (9 * 32 * 64 + 64)
    + (9 * 64 * 64 + 64)
    + (64 * 10 + 10),
    "inference_model": 421_642,
}
PERCEPTRON = {"input_size": 784, "hidden_size": 128, "output_size": 10, "dropout_rate": 0.2}
DEFAULTS: dict[str, dict[str, Any]] = {
    "basic_net": PERCEPTRON,
    "mimo_net": {"metadata_size": 10, "num_classes": 10},
    "simple_resnet": {"num_blocks": 2, "num_classes": 10},
    "mnist_classifier": {},
    "branching_net": {"width": 32, "num_classes": 10},
    "sequential_net": PERCEPTRON,
    "skip_mlp": {"depth": 4, "width": 128, "input_size": 784, "num_classes": 10},
    "inception_net": {"width": 16, "num_classes": 10},
    "dense_net": {"growth_rate": 12, "num_layers": 4, "num_classes": 10},
    "unet": {"in_channels": 1, "num_classes": 11, "base_width": 16, "depth": 3},
    "seq2seq": {
        "num_rows": 28,
        "num_classes": 10,
        "embed_dim": 64,
        "num_heads": 4,
        "num_layers": 2,
        "columns_per_step": 4,
        "max_columns": 168,
        "max_tokens": 7,
    },
    "row_gru": {"input_size": 28, "hidden_size": 64, "num_classes": 10},
    "early_exit_net": {"threshold": 0.9, "num_classes": 10},
}
ALL = [pytest.param(spec, id=name) for name, spec in SPECS.items()]


def constructor(backend: str, file: str, cls: str) -> dict[str, Any]:
    """Arguments and defaults of a class, read from its source; `...` where there is none."""
    tree = ast.parse(source(backend, file).read_text("utf-8"))
    (node,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls)
    methods = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef)}
    if "__init__" in methods:
        arguments = methods["__init__"].args
        names = [argument.arg for argument in arguments.args[1:]]
        values = [ast.literal_eval(value) for value in arguments.defaults]
        return dict(zip(names, [...] * (len(names) - len(values)) + values, strict=True))
    fields = [f for f in node.body if isinstance(f, ast.AnnAssign)]
    return {
        ast.unparse(f.target): ast.literal_eval(f.value) if f.value else ...
        for f in fields
        if not isinstance(f.value, ast.Call)  # field(..., init=False): no argument
    }


def test_the_order_is_that_of_every_table() -> None:
    assert [name for name in SPECS if name in STATED] == list(STATED)
    assert len({SPECS[name].position for name in STATED}) == len(STATED)


def test_stated_counts() -> None:
    assert {name: SPECS[name].parameters for name in STATED} == STATED


def test_batch_statistics_are_counted_apart() -> None:
    buffers = {name: spec.buffers for name, spec in SPECS.items() if name in STATED}
    assert {name: count for name, count in buffers.items() if count} == {
        "simple_resnet": 2 * (64 * 5 + 128 * 5),
        "dense_net": 2 * ((24 + 36 + 48 + 60) + 72 + (36 + 48 + 60 + 72) + 84),
        "unet": 2 * 2 * (16 + 32 + 64 + 128 + 64 + 32 + 16),
    }


@pytest.mark.parametrize("spec", ALL)
def test_names_and_labels_are_unique(spec: Spec) -> None:
    assert SPECS[spec.name] is spec
    labels = [case.label for case in spec.cases]
    assert labels[0] == "default"
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("backend", PANELS)
@pytest.mark.parametrize("spec", ALL)
def test_constructors_have_the_specs_defaults(spec: Spec, backend: str) -> None:
    network = spec.network
    arguments = constructor(backend, network.file, network.cls)
    assert arguments.keys() == network.config.keys()
    for name, value in network.config.items():
        assert arguments[name] == (... if isinstance(value, Network) else value)


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_those_of_the_project(name: str) -> None:
    assert SPECS[name].network.config == DEFAULTS[name]


@pytest.mark.parametrize("spec", ALL)
def test_cases_use_every_argument_of_their_class(spec: Spec) -> None:
    for case in spec.cases:
        network = case.network
        assert network.config.keys() == constructor("torch", network.file, network.cls).keys()


@pytest.mark.parametrize("spec", ALL)
def test_objectives_name_outputs(spec: Spec) -> None:
    outputs = spec.network.outputs
    assert outputs
    if spec.task:
        assert {objective.output for objective in spec.task.objectives} <= set(outputs)


@pytest.mark.parametrize("spec", ALL)
def test_some_case_has_images_that_are_no_squares(spec: Spec) -> None:
    for name, tensor in spec.network.inputs.items():
        if tensor.axes == "HWC":
            shapes = [case.network.inputs.get(name, tensor).shape for case in spec.cases]
            assert any(height != width for height, width, _ in shapes)


@pytest.mark.parametrize("spec", ALL)
def test_plain_config_is_json(spec: Spec) -> None:
    for case in spec.cases:
        plain = case.network.plain_config()
        assert json.loads(json.dumps(plain)) == plain
        assert plain.keys() == case.network.config.keys()


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_an_architecture_takes_its_own_configuration_again(spec: Spec) -> None:
    """As `predict` asks for it, from a file of weights."""
    config = {k: v for k, v in spec.network.config.items() if not isinstance(v, Network)}
    assert spec.configured(config) == spec.network


@pytest.mark.parametrize("spec", ALL)
def test_an_architecture_says_what_it_shows_in_a_few_words(spec: Spec) -> None:
    assert 10 < len(spec.shows) < 120
    assert not spec.shows.endswith(".")
