"""`import triptych`: its names, and what they say of what does not fit."""

import inspect
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import triptych
from shared import formats, registry, weights
from shared.data.mnist import Dataset, Split
from shared.errors import ConfigurationError, DataError, WeightsError
from shared.predict import prediction
from shared.specs import SPECS, Network, Settings
from shared.train import loop
from tests.sources import FRAMEWORKS, ROOT, fresh
from triptych import lazily

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


# --- names ------------------------------------------------------------------------------------


def test_importing_it_imports_nothing_else() -> None:
    code = (
        "import sys, triptych, triptych.pytest_plugin\n"
        "own = {name for name in sys.modules if name.partition('.')[0] == 'triptych'}\n"
        "print(*sorted(own), 'numpy' in sys.modules, 'shared' in sys.modules)\n"
        "names = triptych.list_architectures()\n"
        "[getattr(triptych, name) for name in dir(triptych)]\n"
        f"print(len(names), *sorted(set(sys.modules) & {FRAMEWORKS!r}))\n"
    )
    own = "triptych triptych.lazily triptych.pytest_plugin"
    assert fresh(code).splitlines() == [f"{own} False False", str(len(SPECS))]


def test_every_name_is_in_one_line_of_the_documentation() -> None:
    assert triptych.__doc__
    lines = re.findall(r"^    (\w+): (.*)$", triptych.__doc__, re.MULTILINE)
    assert sorted(name for name, _ in lines) == sorted(triptych.__all__)
    assert all(text.endswith((".", ";")) for _, text in lines)
    assert sorted(lazily.HOMES) == sorted(triptych.__all__)
    assert set(dir(triptych)) == {*triptych.__all__, "__version__"}


@pytest.mark.parametrize("name", triptych.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(triptych, name)
    assert value.__name__ == name
    assert value.__doc__
    if inspect.isfunction(value) and value.__module__.startswith("triptych."):
        for parameter in inspect.signature(value).parameters.values():
            stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
            assert re.search(rf"^ +{re.escape(stars + parameter.name)}: ", value.__doc__, re.M)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match=r"module 'triptych' has no attribute 'compile'"):
        _ = triptych.compile  # type: ignore[attr-defined]
    assert not hasattr(triptych, "specs")


def test_the_version_is_that_of_the_installed_package() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", triptych.__version__)


def test_the_project_says_where_the_command_and_the_fixture_are() -> None:
    project = PROJECT["project"]
    assert project["scripts"] == {"triptych": "triptych.__main__:main"}
    (plugin,) = project["entry-points"]["pytest11"].values()
    assert plugin == "triptych.pytest_plugin"
    assert find_spec(plugin)


def test_every_package_is_installed_and_has_types() -> None:
    installed = PROJECT["tool"]["setuptools"]
    for name in ("triptych", *lazily.PACKAGES):
        folders = [path.parent.relative_to(ROOT) for path in (ROOT / name).rglob("__init__.py")]
        assert {".".join(folder.parts) for folder in folders} <= set(installed["packages"])
        assert "py.typed" in installed["package-data"][name]
        assert (ROOT / name / "py.typed").is_file()


def test_the_changes_of_this_version_are_told() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changes, re.MULTILINE)
    assert versions[0] == PROJECT["project"]["version"]


def test_arguments_of_networks_are_not_those_of_build() -> None:
    own = set(inspect.signature(triptych.build).parameters)
    for spec in SPECS.values():
        assert not own & set(spec.network.config), spec.name


# --- models, data and training ----------------------------------------------------------------


class Built:
    """A model that computes nothing."""

    backend, dtype, device, variant = "torch", "float32", "cpu", "tuned"

    def __init__(self, network: Network = SPECS["basic_net"].network) -> None:
        self.network = network
        self.arrays = {"fc1.bias": np.arange(3, dtype=np.float32)}

    def weights(self) -> dict[str, np.ndarray]:
        return dict(self.arrays)

    def load_weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        weights.fit(arrays, {name: array.shape for name, array in self.arrays.items()})
        self.arrays = dict(arrays)


def built(name: str = "basic_net", **config: Any) -> Any:
    return Built(SPECS[name].configured(config))


def digits(count: int = 70) -> Dataset:
    labels = np.arange(count, dtype=np.int32) % 10
    split = Split(np.zeros((count, 28, 28, 1), np.uint8), labels)
    return Dataset("zeros", split, split, "here")


def test_a_network_is_built_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    backend: Any = SimpleNamespace(
        build=lambda network, **options: asked.append((network, options))
    )
    monkeypatch.setattr(registry, "load", {"keras": backend}.__getitem__)
    triptych.build("basic_net", "keras", seed=3, dtype="bfloat16", hidden_size=7)
    triptych.build(triptych.find("unet"), backend)
    (network, options), (other, defaults) = asked
    assert network == SPECS["basic_net"].configured({"hidden_size": 7})
    assert options == {"seed": 3, "dtype": "bfloat16", "device": "cpu", "variant": "tuned"}
    assert other == SPECS["unet"].network
    assert defaults == {"seed": 0, "dtype": "float32", "device": "cpu", "variant": "tuned"}
    with pytest.raises(ConfigurationError, match="BasicNet has no 'hidden' to set; it has input"):
        triptych.build("basic_net", "keras", hidden=7)
    with pytest.raises(ConfigurationError, match="there is no architecture 'nothing'"):
        triptych.build("nothing", "keras")


def test_data_are_those_of_the_task() -> None:
    data = triptych.task_data("mimo_net", digits(8))
    assert set(data.train) == {"image", "metadata", "label", "slant"}
    assert data.name == "zeros"
    assert len(triptych.load_data().train.labels) == 4000
    with pytest.raises(ConfigurationError, match="it is not trained"):
        triptych.task_data("inference_model", digits(8))


def test_fit_trains_as_the_architecture_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def note(model: Any, task: Any, data: Any, settings: Settings, **options: Any) -> str:
        calls.append((model, task, data, settings, options))
        return "history"

    monkeypatch.setattr(loop, "fit", note)
    model, spec = built("skip_mlp"), SPECS["skip_mlp"]
    assert str(triptych.fit(model, digits())) == "history"
    triptych.fit(model, triptych.task_data(spec, digits()), epochs=2, seed=4)
    triptych.fit(model, digits(), Settings(epochs=3, optimizer="sgd"), batch_size=8)
    plain, changed, other = calls
    assert plain[:2] == (model, spec.task)
    assert set(plain[2].train) == {"image", "label"}
    assert plain[3:] == (spec.settings, {"seed": 0, "report": None})
    assert changed[3:] == (replace(spec.settings, epochs=2), {"seed": 4, "report": None})
    assert other[3] == Settings(epochs=3, optimizer="sgd", batch_size=8)


@pytest.mark.parametrize(
    ("model", "data", "options", "kind", "text"),
    [
        (built(), digits(), {"epoch": 1}, ConfigurationError, "no setting 'epoch'.*epochs"),
        (built(), digits(), {"epochs": 0}, ConfigurationError, "epochs must be a whole number"),
        (built(), digits(63), {}, ConfigurationError, "batch_size must be at most 63"),
        (built(), "sample", {}, ConfigurationError, "what triptych.load_data or .*, not str"),
        (built("inference_model"), digits(), {}, ConfigurationError, "it is not trained"),
        (
            Built(SPECS["simple_resnet"].cases[-1].network),
            digits(),
            {},
            ConfigurationError,
            "ResidualBlock is no architecture of the catalogue; triptych.build makes .* basic_net",
        ),
        (
            built("mimo_net"),
            triptych.task_data("basic_net", digits()),
            {},
            DataError,
            "MIMONet is trained on image, metadata, label, slant, and the data to train have no "
            "metadata, slant",
        ),
        (
            built(output_size=4),
            digits(),
            {},
            DataError,
            "the label of the data to train goes up to 9, and BasicNet was built for 4 classes, "
            "from 0 to 3",
        ),
    ],
)
def test_fit_says_what_does_not_fit(
    model: Any, data: Any, options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        triptych.fit(model, data, **options)


# --- weights ----------------------------------------------------------------------------------


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = SimpleNamespace(versions=lambda: {"torch": "9"})
    monkeypatch.setattr(registry, "load", {"torch": backend}.__getitem__)


@pytest.mark.usefixtures("versions")
def test_weights_are_saved_and_loaded(tmp_path: Path) -> None:
    path, model = tmp_path / "w.safetensors", built(hidden_size=7)
    history = triptych.History(Settings(), 5, losses=[1.0])
    triptych.save_weights(path, model, history=history, data=digits())
    saved = prediction.read(path)
    assert (saved.spec.name, saved.network) == ("basic_net", model.network)
    assert weights.read(path)[1] == {
        **formats.stamp("weights"),
        "architecture": "basic_net",
        "config": dict(model.network.config),
        "backend": "torch",
        "versions": {"torch": "9"},
        "device": "cpu",
        "variant": "tuned",
        "dtype": "float32",
        "data": "zeros",
        "history": history.to_dict(steps=False),
    }
    other = built(hidden_size=7)
    other.arrays = {"fc1.bias": np.zeros(3, np.float32)}
    triptych.load_weights(str(path), other)
    np.testing.assert_array_equal(other.arrays["fc1.bias"], model.arrays["fc1.bias"])
    triptych.save_weights(str(path), model)  # over it
    assert not {"data", "history"} & set(weights.read(path)[1])


@pytest.mark.usefixtures("versions")
def test_files_that_are_no_weights_of_the_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match=r"cannot read weights from .*w.safetensors: no such"):
        triptych.load_weights(path, built())
    weights.write(path, {}, formats.stamp("evidence"))
    with pytest.raises(
        WeightsError, match=r"w.safetensors cannot be used as weights: it is of the"
    ):
        triptych.load_weights(path, built())
    weights.write(path, {"fc1.bias": np.zeros(4)}, {"architecture": "unet"})
    text = r"w.safetensors, weights of unet, cannot be loaded into BasicNet: the weights do not fit"
    with pytest.raises(WeightsError, match=text):
        triptych.load_weights(path, built())
    weights.write(path, {"fc1.bias": np.zeros(4)}, {})
    with pytest.raises(WeightsError, match=r"w.safetensors cannot be loaded into BasicNet: the "):
        triptych.load_weights(path, built())
    with pytest.raises(WeightsError, match=r"cannot write .*nowhere.*: No such file"):
        triptych.save_weights(tmp_path / "nowhere" / "w.safetensors", built())
    with pytest.raises(WeightsError, match=r"cannot write \.: Is a directory"):
        triptych.save_weights("", built())
    with pytest.raises(ConfigurationError, match="no architecture of the catalogue"):
        triptych.save_weights(path, Built(SPECS["unet"].cases[-1].network))  # type: ignore[arg-type]
