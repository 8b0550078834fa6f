"""The catalogue: stated counts and defaults, names, configurations, settings."""

import ast
import json
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.parity.mirror import source
from shared.specs import PANELS, SPECS, Network, Preset, Settings, Spec, choose, find

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
    found = constructor(backend, network.file, network.cls)
    assert found.keys() == network.config.keys()
    for name, value in network.config.items():
        assert found[name] == (... if isinstance(value, Network) else value)


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


def test_plain_config_unfolds_nested_networks() -> None:
    assert SPECS["inference_model"].network.plain_config() == {
        "base_model": {"cls": "MNISTClassifier", "config": {}}
    }


def test_configured_changes_arguments_inputs_and_outputs() -> None:
    network = SPECS["mimo_net"].configured({"metadata_size": 4, "num_classes": 3})
    assert network.config == {"metadata_size": 4, "num_classes": 3}
    assert network.inputs["metadata"].shape == (4,)
    assert network.outputs["class_output"].shape == (3,)
    assert network.outputs["reg_output"].shape == (1,)
    assert SPECS["mimo_net"].network.config == DEFAULTS["mimo_net"]  # the spec is as it was


def test_configured_takes_vectors_where_no_image_has_that_size() -> None:
    network = SPECS["basic_net"].configured({"input_size": 20, "dropout_rate": 0})
    assert network.inputs["image"].shape == (20,)
    assert network.inputs["image"].axes == "D"
    assert network.config == {**DEFAULTS["basic_net"], "input_size": 20, "dropout_rate": 0}


@pytest.mark.parametrize(
    ("name", "config", "wanted"),
    [
        (
            "branching_net",
            {"depth": 3},
            "BranchingNet has no 'depth' to set; it has width, num_classes",
        ),
        (
            "mnist_classifier",
            {"width": 3},
            "MNISTClassifier has no 'width' to set; it has no argument",
        ),
        (
            "inference_model",
            {"base_model": 1},
            "InferenceModel has no 'base_model' to set; it has base_model",
        ),
        ("branching_net", {"width": 0}, "width must be a whole number above 0, not 0"),
        ("branching_net", {"width": -3}, "width must be a whole number above 0, not -3"),
        ("branching_net", {"width": 2.0}, "width must be a whole number above 0, not 2.0"),
        ("branching_net", {"width": True}, "width must be a whole number above 0, not True"),
        ("branching_net", {"width": "8"}, "width must be a whole number above 0, not '8'"),
        ("basic_net", {"dropout_rate": 1.0}, "dropout_rate must be in [0, 1), not 1.0"),
        ("basic_net", {"dropout_rate": -0.1}, "dropout_rate must be in [0, 1), not -0.1"),
        ("basic_net", {"dropout_rate": "x"}, "dropout_rate must be in [0, 1), not 'x'"),
        (
            "basic_net",
            {"dropout_rate": float("nan")},
            "dropout_rate must be in [0, 1), not nan",
        ),
    ],
)
def test_configured_refuses(name: str, config: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SPECS[name].configured(config)
    # InferenceModel's own argument is no number: that it can be set is not said.
    assert str(caught.value) == wanted


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"epochs": 1.5}, "epochs must be a whole number of at least 1, not 1.5"),
        ({"batch_size": -1}, "batch_size must be a whole number of at least 1, not -1"),
        ({"optimizer": "lion"}, "optimizer must be adam, adamw or sgd, not 'lion'"),
        ({"decay_steps": 0}, "decay_steps must be a whole number of at least 1, not 0"),
        ({"warmup_steps": 0}, "warmup_steps must be a whole number of at least 1, not 0"),
        ({"warmup_steps": 2.5}, "warmup_steps must be a whole number of at least 1, not 2.5"),
        ({"clip_norm": 0.0}, "clip_norm must be above 0, not 0.0"),
        ({"epsilon": -1.0}, "epsilon must be above 0, not -1.0"),
        ({"nesterov": True}, "nesterov needs the optimizer sgd with a momentum above 0"),
        ({"weight_decay": 0.1}, "weight_decay is of the optimizer adamw, not of adam"),
        (
            {"optimizer": "adamw", "weight_decay": -1.0},
            "weight_decay must be at least 0, not -1.0",
        ),
        ({"learning_rate": 0}, "learning_rate must be above 0, not 0"),
        ({"learning_rate": -1e-3}, "learning_rate must be above 0, not -0.001"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, not nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be above 0, not inf"),
        ({"momentum": 1}, "momentum must be in [0, 1), not 1"),
        ({"momentum": -0.5}, "momentum must be in [0, 1), not -0.5"),
        ({"momentum": float("nan")}, "momentum must be in [0, 1), not nan"),
    ],
)
def test_settings_refuse(change: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(**change)
    assert str(caught.value) == wanted


def test_a_presets_schedule_is_as_long_as_the_training() -> None:
    preset = Preset("for a test", Settings(epochs=2, batch_size=32, learning_rate=0.5), warmup=0.25)
    wanted = replace(preset.settings, warmup_steps=16, decay_steps=46)
    assert preset.scheduled(preset.settings, 1000) == wanted
    changed = replace(preset.settings, epochs=1, batch_size=500, optimizer="sgd")
    assert preset.scheduled(changed, 1000) == replace(changed, decay_steps=2)
    # A batch that is too large is refused by its own sentence, later.
    assert preset.scheduled(preset.settings, 31).decay_steps == 1


def test_presets_are_found_by_name() -> None:
    fast = SPECS["mnist_classifier"].preset("fast")
    settings = fast.scheduled(fast.settings, 60_000)
    steps = settings.epochs * (60_000 // settings.batch_size)
    assert (settings.warmup_steps or 0) + (settings.decay_steps or 0) == steps
    with pytest.raises(ConfigurationError) as caught:
        SPECS["unet"].preset("fast")
    assert str(caught.value) == "unet has no preset 'fast'; there is one of mnist_classifier alone"
    with pytest.raises(ConfigurationError) as caught:
        SPECS["mnist_classifier"].preset("fats")
    assert str(caught.value) == "there is no preset 'fats'; there are fast. Did you mean 'fast'?"


def test_settings_have_the_stated_defaults() -> None:
    assert Settings() == Settings(5, 64, "adam", 1e-3, 0.9)
    Settings(momentum=0, optimizer="sgd")


def test_find_gives_the_spec_or_the_names() -> None:
    assert find("mimo_net") is SPECS["mimo_net"]
    with pytest.raises(ConfigurationError) as caught:
        find("simple_resnt")
    assert str(caught.value) == (
        f"there is no architecture 'simple_resnt'; there are {', '.join(SPECS)}. "
        "Did you mean 'simple_resnet'?"
    )


def test_choose_suggests_nothing_where_nothing_is_near() -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose("backend", "zzz", PANELS)
    assert str(caught.value) == "there is no backend 'zzz'; there are torch, flax, keras."


@pytest.mark.parametrize("name", ["residual", "SimpleResNet", "simple_resnet"])
def test_an_architecture_goes_by_its_file_and_class_too(name: str) -> None:
    assert find(name).name == "simple_resnet"
