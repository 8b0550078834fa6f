"""The panels' files mirror each other, and the first rung says where they do not."""

import pytest

from shared import specs
from shared.errors import ConfigurationError
from shared.panels import PANELS, source
from shared.parity import mirror

FILES = sorted({file for spec in specs.SPECS.values() for file in spec.files})


@pytest.mark.parametrize("file", FILES)
def test_panels_mirror_each_other(file: str) -> None:
    assert mirror.compare(file) == []


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
