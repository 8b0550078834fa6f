"""The catalogue: what is in it, and the names that find it."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import specs
from shared.errors import ConfigurationError
from shared.specs import SPECS, Settings, find, find_file
from shared.specs.catalogue import discover


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
