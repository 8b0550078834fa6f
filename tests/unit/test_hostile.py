"""Input that no one meant well with: one sentence, and nothing lost."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared import formats, weights
from shared.benchmark import check
from shared.cli import checks, parser
from shared.data import mnist
from shared.differences import gap
from shared.errors import ConfigurationError, DataError, TriptychError, WeightsError
from shared.predict import prediction
from shared.report import files
from shared.specs import SPECS, Settings, find
from triptych import training
from triptych.models import build, spec_of

DEEP = "[" * 200_000


# Files


def bfloat16(path: Path) -> Path:
    """What PyTorch writes of two values in bfloat16."""
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    return path


def test_a_dtype_that_numpy_lacks_is_named(tmp_path: Path) -> None:
    path = bfloat16(tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"w is BF16, which NumPy does not have; save it as flo"):
        weights.read(path)


@pytest.mark.parametrize("text", ["my best run", "1" * 5000, DEEP, '{"a": 1}'])
def test_a_note_in_the_metadata_leaves_the_rest_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.safetensors"
    ours = {**formats.stamp("weights"), "architecture": "basic_net", "config": {}}
    written = {name: json.dumps(value) for name, value in ours.items()}
    save_file({"w": np.ones(1, np.float32)}, path, metadata={**written, "note": text})
    assert prediction.read(path).spec.name == "basic_net"


@pytest.mark.parametrize("content", [DEEP, "5", "[]", '{"kind": ["triptych ratios"]}', "{"])
def test_json_that_is_none_of_ours_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"some\.json cannot be shown"):
        files.read([path])
    with pytest.raises(DataError, match=r"some\.json (has no ratios|cannot be used)"):
        check.read(path)


@pytest.mark.parametrize("ratio", ["NaN", "Infinity", "9" * 400])
def test_a_ratio_is_a_finite_number(tmp_path: Path, ratio: str) -> None:
    path = tmp_path / "ratios.json"
    path.write_text(f'{{"ratios": {{"a": {ratio}}}}}')
    with pytest.raises(DataError, match="has no ratios"):
        check.read(path)


@pytest.mark.parametrize("name", ["a" * 300, "a" * 252, "a\0b"])
def test_a_path_that_cannot_be_is_refused_before_any_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        checks.writable_file(tmp_path / name)


def test_help_in_the_narrowest_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1")
    assert "triptych" in parser.make_parser().format_help()


# Settings, names, models, data


@pytest.mark.parametrize(
    "setting",
    [
        {"learning_rate": None}, {"learning_rate": "a"}, {"epsilon": None}, {"momentum": None},
        {"clip_norm": "a"}, {"weight_decay": "x"}, {"batch_size": True}, {"epochs": 1.5},
        {"dropout": "no"}, {"nesterov": 1}, {"learning_rate": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_of_another_type_is_refused(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(ConfigurationError, match=f"^{name} must be "):
        Settings(**setting)


def test_settings_take_numpys_numbers() -> None:
    assert Settings(learning_rate=np.float32(0.5)).learning_rate == 0.5  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [None, 5, b"basic_net"])
def test_a_name_is_a_text(name: Any) -> None:
    for call in (find, mnist.load, lambda architecture: build(architecture, "torch")):
        with pytest.raises(ConfigurationError, match="must be a text, not"):
            call(name)
    with pytest.raises(ConfigurationError, match="must be a text, not"):
        build("basic_net", name)


def test_a_frameworks_own_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"must be what triptych\.build gives, not object"):
        spec_of(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 1.5, "a", 2**70, True])
def test_a_seed_is_a_whole_number_that_generators_take(seed: Any) -> None:
    digits = mnist.load("sample")
    model: Any = SimpleNamespace(network=SPECS["basic_net"].network)
    for call in (
        lambda: build("basic_net", "torch", seed=seed),
        lambda: training.task_data("unet", digits, seed=seed),
        lambda: training.fit(model, digits, seed=seed),
    ):
        with pytest.raises(ConfigurationError, match="seed must be in"):
            call()


def fitted(labels: Any, part: str = "train") -> Any:
    """Data with other labels, as `fit` checks them."""
    spec = SPECS["basic_net"]
    data = training.task_data(spec, mnist.load("sample")).first(20)
    arrays = {**getattr(data, part), "label": labels}
    model: Any = SimpleNamespace(network=spec.network)
    other = replace(data, train=arrays) if part == "train" else replace(data, test=arrays)
    return training.checked(model, spec.require_task(), other)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "int32"])
def test_labels_of_any_whole_kind_are_trained_on(dtype: str) -> None:
    label = fitted(np.arange(20).astype(dtype) % 10).train["label"]
    assert label.dtype == np.int32
    assert label.tolist() == [*range(10)] * 2
    assert fitted([*range(10)] * 2).train["label"].dtype == np.int32


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(20) * 0.9, np.arange(20) > 5, np.eye(10)[np.arange(20) % 10].astype(int),
        np.array(["a"] * 20), np.arange(20).astype(object), np.array(3), np.full(20, -1),
        np.zeros(0, int), np.arange(20),
    ],
    ids=["fractions", "truths", "one-hot", "texts", "objects", "one", "none", "empty", "too many"],
)  # fmt: skip
@pytest.mark.parametrize("part", ["train", "test"])
def test_labels_that_are_none_are_refused_before_the_training(labels: Any, part: str) -> None:
    with pytest.raises(DataError, match=f"label of the data to {part} "):
        fitted(labels, part)


def test_data_and_settings_of_another_type_are_refused() -> None:
    digits = mnist.load("sample")
    model: Any = SimpleNamespace(network=SPECS["basic_net"].network)
    pair: Any = (digits.train.images, digits.train.labels)
    wrong: Any = {"epochs": 1}
    for call in (
        lambda: training.task_data("basic_net", pair),
        lambda: training.fit(model, pair),
        lambda: training.fit(model, digits, wrong),
    ):
        with pytest.raises(TriptychError, match="must be "):
            call()


# Differences


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (np.array([2**60 + 1], "uint64"), np.array([2**60], "int64")),
        (np.array([2**63], "uint64"), np.array([-1], "int64")),
        (np.array([1]), np.array([1, 1])),
        (np.array([1.0]), np.array(["2020-01-01"], "datetime64[D]")),
    ],
)
def test_what_is_not_equal_has_a_gap(expected: np.ndarray, actual: np.ndarray) -> None:
    assert gap(expected, actual) == float("inf")


def test_a_difference_beyond_the_dtype_is_no_warning() -> None:
    big = np.array([3e38], np.float32)
    assert gap(big, -big) == float("inf")
