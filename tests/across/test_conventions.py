"""`triptych conventions`: what the libraries answer is what was recorded, new weights' laws too.

The libraries are asked once, in processes of their own; what is not installed is left out.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared import registry, together
from shared.conventions import initialisers, table
from shared.conventions.initialisers import TOO_FEW
from shared.conventions.table import MEANINGS, NOT_MEASURED, Conventions
from shared.panels import PANELS
from shared.specs import find
from shared.together import Answers
from shared.workers import ALONE
from tests.conftest import Lend
from tests.flavours import QUICKLY
from tests.laws import OF_TORCH, laws
from tests.printed import shown

pytestmark = pytest.mark.xdist_group("conventions")  # they share what was measured once
KEYS = [key for group in MEANINGS.values() for key in group]


@pytest.fixture(scope="module")
def conventions() -> Conventions:
    """What the installed libraries answer today, Keras on TensorFlow."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ALONE, **QUICKLY, "KERAS_BACKEND": "tensorflow"}.items():
            patch.setenv(name, value)
        if not registry.installed():
            pytest.skip("no backend is installed")
        answers = table.collect(list(PANELS))
    assert not answers.errors
    assert list(answers.versions) == registry.installed()
    return answers


# What the libraries answer


def test_nothing_has_changed_since_the_record(conventions: Conventions) -> None:
    changes = table.changed(conventions, table.read())
    assert not changes, "\n".join(map(str, changes))


def test_every_library_answers_everything(conventions: Conventions) -> None:
    assert list(conventions.rows) == sorted(KEYS, key=KEYS.index)
    for key, values in conventions.rows.items():
        assert list(values) == list(conventions.versions), key
        assert all(value and value != NOT_MEASURED for value in values.values()), key


def test_a_record_is_read_back(conventions: Conventions, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    table.record(conventions, path)
    again = table.read(path)
    assert (again.versions, again.rows) == (conventions.versions, conventions.rows)
    assert "±" in path.read_text("utf-8")


def fail(backend: str) -> None:
    raise ValueError(f"{backend} has no such thing")


def test_what_is_missing_or_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = registry.installed()
    if not installed:
        pytest.skip("no backend is installed")
    lacking = next(name for name in PANELS if name != installed[0])
    true = registry.missing
    monkeypatch.setattr(registry, "missing", lambda n: ["it"] if n == lacking else true(n))
    answers = together.ask([lacking, installed[0]], fail)
    assert answers.results == {}
    assert answers.skipped == {lacking: registry.explain_missing(lacking)}
    assert "has no such thing" in answers.errors[installed[0]]
    text = shown(table.show, Conventions({}, {}, answers.skipped, answers.errors))
    assert f"{lacking}: skipped; the {lacking} backend needs it" in text
    assert f"{installed[0]}: the {installed[0]} backend failed: ValueError" in text


# The laws of new weights


KERNEL = {
    "torch": OF_TORCH,
    "flax": "LeCun truncated normal, variance 1/fan_in",
    "keras": "Glorot uniform, U(±sqrt(6/(fan_in+fan_out)))",
}
BIAS = {"torch": OF_TORCH, "flax": "0, constant", "keras": "0, constant"}
EMBEDDING = {"torch": "N(0, 1)", "flax": "N(0, 1/fan_in)", "keras": "U(±0.05)"}
NORM = {"scale of a norm": "1, constant", "bias of a norm": "0, constant"}
STATISTICS = {"running mean": "0, constant", "running variance": "1, constant"}


@pytest.mark.parametrize("backend", PANELS)
@pytest.mark.parametrize("name", ["basic_net", "simple_resnet", "seq2seq"])
def test_an_architectures_laws_are_its_frameworks(name: str, backend: str, lend: Lend) -> None:
    worker = lend(backend)
    weights = worker.call(initialisers.draw, backend, find(name).network, 2)
    expected = {"dense kernel": KERNEL[backend], "bias": BIAS[backend]}
    if name == "simple_resnet":
        expected |= {"convolution kernel": KERNEL[backend], **NORM, **STATISTICS}
    if name == "seq2seq":
        expected |= {"embedding": EMBEDDING[backend], **NORM}
    measured = laws(initialisers.describe(backend, weights))
    if name == "simple_resnet" and backend == "torch":
        assert measured.pop("bias") in (expected.pop("bias"), TOO_FEW)  # ten values a seed
    assert measured == expected


def test_the_backends_are_held_beside_each_other(
    lend: Lend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(backends: list[str], function: Callable[..., Any], *arguments: Any) -> Answers:
        answers = Answers()
        for name in backends:
            if registry.missing(name):
                answers.skipped[name] = registry.explain_missing(name)
            else:
                answers.results[name] = lend(name).call(function, name, *arguments)
        return answers

    monkeypatch.setattr(together, "ask", ask)  # in the processes that there are
    installed = registry.installed()
    outcome = initialisers.compare(find("basic_net"), list(PANELS), seeds=1)
    assert (outcome.architecture, outcome.seeds, outcome.errors) == ("basic_net", 1, {})
    assert list(outcome.skipped) == [name for name in PANELS if name not in installed]
    kernels = [(row.backend, row.law) for row in outcome.rows if row.kind == "dense kernel"]
    assert kernels == [(name, KERNEL[name]) for name in installed]
    kinds = [row.kind for row in outcome.rows]
    assert kinds == ["dense kernel"] * len(installed) + ["bias"] * len(installed)
    text = shown(initialisers.show, outcome)
    assert "basic_net: the laws of new weights, from 1 seed\n" in re.sub(" +\n", "\n", text)
    assert "\x1b" not in text
    assert all(KERNEL[name] in text for name in installed)
    assert outcome.to_dict()["rows"][0]["tensors"] == ("fc1.weight", "fc2.weight", "fc3.weight")
