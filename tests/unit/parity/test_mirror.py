"""The panels' files mirror each other, and the first rung says where they do not."""

import ast

import pytest

from shared import specs
from shared.errors import ConfigurationError
from shared.panels import PANELS, source
from shared.parity import mirror

FILES = sorted({file for spec in specs.SPECS.values() for file in spec.files})


@pytest.mark.parametrize("file", FILES)
def test_panels_mirror_each_other(file: str) -> None:
    assert mirror.compare(file) == []


WITHOUT_WEIGHTS = {"Dropout", "Layer", "MaxPooling2D", "ReLU", "RNN"}


@pytest.mark.parametrize("file", FILES)
def test_keras_layers_with_weights_have_names_and_those_of_their_attributes(file: str) -> None:
    """Keras would count them otherwise: dense_3, in one process another number than in the next."""
    tree = ast.parse(source("keras", file).read_text("utf-8"))
    nodes = [*ast.walk(tree)]
    makers = {
        node.targets[0].id: ast.unparse(node.value.args[0])
        for node in nodes
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "partial"
    }
    attributes = {
        id(node.value): node.targets[0].attr
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
    }
    constructors = [
        node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    assert constructors
    for node in [inner for outer in constructors for inner in ast.walk(outer)]:
        if not isinstance(node, ast.Call) or any(each.arg is None for each in node.keywords):
            continue  # what is handed on by ** has its name where it comes from
        called = ast.unparse(node.func)
        package, _, cls = makers.get(called, called).rpartition(".")
        if package != "layers" or cls in WITHOUT_WEIGHTS:
            continue
        names = [ast.unparse(each.value) for each in node.keywords if each.arg == "name"]
        assert names, f"{file}.py:{node.lineno}: {cls} has no name"
        attribute = attributes.get(id(node))
        assert attribute is None or repr(attribute) == names[0]


@pytest.mark.parametrize("file", FILES)
def test_outlines_are_not_empty(file: str) -> None:
    for backend in PANELS:
        text = source(backend, file).read_text()
        names = [name for name, _ in mirror.outline(text, backend)]
        assert len(names) >= 3
        assert any(name.endswith(".forward") for name in names)


@pytest.mark.parametrize(
    ("backend", "file", "old", "new", "problem"),
    [
        ("keras", "mlp", "dropout_rate: float = 0.2", "dropout_rate: float = 0.3", "0.3"),
        ("flax", "mlp", "hidden_size: int = 128", "hidden: int = 128", "hidden=128"),
        ("flax", "residual", "stride: int = 1", "stride: int = 2", "stride=2"),
        ("keras", "branching", "self.conv3b = ", "self.conv_3b = ", "conv_3b"),
        ("torch", "mimo", "self.image_fc", "self.fc_image", "fc_image"),
        ("flax", "mnist_cnn", "def extract_features", "def features_of", "features_of"),
        ("keras", "inference", "return_confidence: bool = False", "confident: bool", "confident"),
        ("flax", "residual", "class ResidualBlock", "class Block", "Block"),
        ("torch", "residual", "def make_stage(in_channels", "def make_stage(channels", "channels"),
        ("flax", "mnist_cnn", "self.losses.append", "self.losses.append", ""),
    ],
)
def test_mirror_finds_what_differs(
    backend: str, file: str, old: str, new: str, problem: str
) -> None:
    texts = {name: source(name, file).read_text() for name in PANELS}
    assert old in texts[backend]
    texts[backend] = texts[backend].replace(old, new)
    problems = mirror.differences({n: mirror.outline(text, n) for n, text in texts.items()})
    assert bool(problems) is bool(problem)
    assert problem in "".join(problems)


def test_mirror_finds_classes_in_another_order() -> None:
    one = "class A:\n    def __init__(self): pass\n"
    two = "class B:\n    def __init__(self): pass\n"
    problems = mirror.differences(
        {"torch": mirror.outline(one + two, "torch"), "keras": mirror.outline(two + one, "keras")}
    )
    assert len(problems) == 1


def test_mirror_of_nothing_is_no_mirror() -> None:
    assert mirror.differences({"torch": [], "flax": []}) == ["torch has no classes to compare"]


def test_a_panel_that_lacks_the_file_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"there is no torch_impl/nets\.py; an arch"):
        mirror.compare("nets")
