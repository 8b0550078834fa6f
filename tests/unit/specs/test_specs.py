"""The catalogue: what is in it, stated counts and defaults, names, configurations, settings."""

import ast
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared import specs
from shared.choosing import choose
from shared.errors import ConfigurationError
from shared.panels import PANELS, source
from shared.specs import SPECS, Network, Preset, Settings, Spec, find, find_file
from shared.specs.catalogue import discover

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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules belong to `shared.specs`; they are forgotten afterwards."""
    monkeypatch.setattr(specs, "__path__", [*specs.__path__, str(tmp_path)])
    yield tmp_path
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(f"shared.specs.{file.stem}", None)
        vars(specs).pop(file.stem, None)


def write_spec(folder: Path, name: str, **fields: str) -> None:
    """Write a module with a spec that has a perceptron, and further fields as source."""
    more = "".join(f", {field}={value}" for field, value in fields.items())
    (folder / f"added_{name}.py").write_text(
        "from functools import partial\n"
        "from shared.specs.model import Operations, Preset, Settings, Spec\n"
        "from shared.specs.parts import perceptron\n"
        f"make = partial(perceptron, {name!r}, 'Added')\n"
        f"SPEC = Spec({name!r}, 'added', make, 109_386, Operations(1, 2){more})\n"
    )


def test_the_catalogue_is_every_module_with_a_spec() -> None:
    assert discover() == SPECS
    for name, spec in SPECS.items():
        module = importlib.import_module(f"shared.specs.{spec.network.file}")
        assert spec == module.SPEC, name


def test_the_order_is_that_of_every_table() -> None:
    assert [name for name in SPECS if name in STATED] == list(STATED)
    assert len({SPECS[name].position for name in STATED}) == len(STATED)


def test_a_new_architecture_needs_no_line_elsewhere(folder: Path) -> None:
    write_spec(folder, "later")
    write_spec(folder, "earlier")
    write_spec(folder, "second", position="15")
    (folder / "helpers.py").write_text("COUNT = 1\n")
    names = list(discover())
    assert "shared.specs.helpers" in sys.modules  # it has no SPEC
    assert set(names) - set(SPECS) == {"second", "earlier", "later"}
    assert names.index("second") == 1
    last = ("early_exit_net", "earlier", "later", "inference_model")
    assert [name for name in names if name in last] == list(last)
    assert discover()["later"].network.file == "later"


def test_a_name_belongs_to_one_architecture(folder: Path) -> None:
    write_spec(folder, "unet")
    with pytest.raises(ConfigurationError) as caught:
        discover()
    assert str(caught.value) == "unet and added_unet both have a SPEC named 'unet'"


def test_presets_of_a_new_architecture_are_known_to_all(folder: Path) -> None:
    preset = "Preset('for a test', Settings(epochs=1), warmup=0.5)"
    write_spec(folder, "later", presets=f"{{'fast': {preset}, 'slow': {preset}}}")
    catalogue = discover()
    assert catalogue["later"].preset("slow").settings == Settings(epochs=1)
    for name, message in (
        ("fast", "unet has no preset 'fast'; there is one of mnist_classifier, later alone"),
        ("slow", "unet has no preset 'slow'; there is one of later alone"),
        ("none", "there is no preset 'none'; there are fast, slow"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            catalogue["unet"].preset(name)
        assert str(caught.value) == message


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


def test_plain_config_unfolds_nested_networks() -> None:
    assert SPECS["inference_model"].network.plain_config() == {
        "base_model": {"cls": "MNISTClassifier", "config": {}}
    }


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_an_architecture_takes_its_own_configuration_again(spec: Spec) -> None:
    """As `predict` asks for it, from a file of weights."""
    config = {k: v for k, v in spec.network.config.items() if not isinstance(v, Network)}
    assert spec.configured(config) == spec.network


def test_a_number_that_is_no_share_may_be_any_finite_one() -> None:
    def make(gate_bias: float = -2.0) -> Network:
        return Network("gated", "Gated", {"gate_bias": gate_bias}, {}, {})

    spec = replace(SPECS["basic_net"], make=make)
    assert spec.configured({"gate_bias": 1}).config == {"gate_bias": 1}
    assert spec.configured({"gate_bias": 10**400}).config == {"gate_bias": 10**400}
    for value in (float("nan"), float("inf"), "1", True):
        with pytest.raises(ConfigurationError, match=r"gate_bias must be a finite number, not "):
            spec.configured({"gate_bias": value})


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
    ("name", "config", "message"),
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
def test_configured_refuses(name: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SPECS[name].configured(config)
    # InferenceModel's own argument is no number: the sentence does not say that it can be set.
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
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
def test_settings_refuse(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(**change)
    assert str(caught.value) == message


def test_a_presets_schedule_is_as_long_as_the_training() -> None:
    preset = Preset("for a test", Settings(epochs=2, batch_size=32, learning_rate=0.5), warmup=0.25)
    expected = replace(preset.settings, warmup_steps=16, decay_steps=46)
    assert preset.scheduled(preset.settings, 1000) == expected
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
    assert str(caught.value) == "there is no preset 'fats'; there are fast: did you mean 'fast'?"


def test_settings_have_the_stated_defaults() -> None:
    assert Settings() == Settings(5, 64, "adam", 1e-3, 0.9)
    Settings(momentum=0, optimizer="sgd")


def refusal(name: str) -> str:
    """What is said of a name that no architecture is found by."""
    with pytest.raises(ConfigurationError) as caught:
        find(name)
    return str(caught.value)


def test_find_gives_the_spec_or_the_nearest_name_or_all() -> None:
    assert find("mimo_net") is SPECS["mimo_net"]
    nearest = "there is no architecture 'simple_resnt'; did you mean 'simple_resnet'?"
    assert refusal("simple_resnt") == nearest
    assert refusal("") == f"there is no architecture ''; there are {', '.join(SPECS)}"


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("backend", "zzz", "; there are torch, flax, keras"),
        ("backend", "kears", "; there are torch, flax, keras: did you mean 'keras'?"),
        ("backend", "Flax", "; there are torch, flax, keras: did you mean 'flax'?"),
        ("backend", "jax", "; the backend flax runs on JAX"),
        ("backend", "JAX", "; the backend flax runs on JAX"),
        ("backend", "tensorflow", "; the backend keras runs on TensorFlow"),
        ("backend", "tf", "; the backend keras runs on TensorFlow"),
        ("backend", "pytorch", "; the backend of PyTorch is torch"),
        ("letter", "jax", "; there are torch, flax, keras"),
    ],
)
def test_choose_says_what_there_is_or_what_was_meant(kind: str, name: str, sentence: str) -> None:
    assert choose(kind, "torch", PANELS) == "torch"
    with pytest.raises(ConfigurationError) as caught:
        choose(kind, name, PANELS)
    assert str(caught.value) == f"there is no {kind} {name!r}{sentence}"


@pytest.mark.parametrize("name", ["residual", "SimpleResNet", "simple_resnet"])
def test_an_architecture_goes_by_its_file_and_class_too(name: str) -> None:
    assert find(name).name == "simple_resnet"


@pytest.mark.parametrize(
    ("name", "architecture", "file"),
    [
        ("SIMPLE-RESNET", "simple_resnet", "residual"),
        ("simpleresnet", "simple_resnet", "residual"),
        ("residual.py", "simple_resnet", "residual"),
        ("multi_head_attention", "seq2seq", "attention"),
        ("mnist-cnn", "mnist_classifier", "mnist_cnn"),
        ("resnet", "simple_resnet", "residual"),
        ("gru", "row_gru", "recurrent"),
        ("early", "early_exit_net", "early_exit"),
        ("mnist", "mnist_classifier", "mnist_cnn"),
        ("Multi-Head", "seq2seq", "attention"),
        ("2seq", "seq2seq", "seq2seq"),
    ],
)
def test_a_name_need_not_be_spelt_as_it_is_nor_be_whole(
    name: str, architecture: str, file: str
) -> None:
    assert (find(name).name, find_file(name)) == (architecture, file)


@pytest.mark.parametrize("name", ["dense", "mlp", "unet", "skip"])
def test_a_whole_name_comes_before_a_part_of_another(name: str) -> None:
    """A file "mlp" is basic_net's, though skip_mlp has the word too."""
    assert find_file(name) == name


def test_a_part_of_several_names_is_refused_with_them() -> None:
    assert refusal("seq") == "'seq' may be sequential_net or seq2seq: name one of them"
    others = [name for name in SPECS if name.endswith("net")]
    assert all(name in refusal("net") for name in others)
    assert refusal("net").endswith("early_exit_net: name one of them")


def test_names_that_are_guessed_are_no_names() -> None:
    assert all(specs.is_name(name) for name in ("unet", "SimpleResNet", "simple-resnet", "mlp"))
    assert not any(specs.is_name(name) for name in ("resnet", "net", "report.json", ""))


@pytest.mark.parametrize("spec", ALL)
def test_an_architecture_says_what_it_shows_in_a_few_words(spec: Spec) -> None:
    assert 10 < len(spec.shows) < 120
    assert not spec.shows.endswith(".")
