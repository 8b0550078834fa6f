"""`triptych conventions`: what the libraries answer, drift from the record, and new weights' laws.

The libraries are asked once, in processes of their own; what is not installed is left out.
"""

import io
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from shared import registry
from shared.errors import DataError
from shared.parity import conventions, initialisers, mirror
from shared.parity.conventions import MEANINGS, NOT_MEASURED, RECORDED, Ledger
from shared.parity.initialisers import LAWS, TOO_FEW, UNKNOWN, Answers, Row, Sample
from shared.specs import PANELS, find
from shared.workers import ALONE
from tests.conftest import QUICKLY, Lend

ROOT = Path(conventions.__file__).parents[2]
KEYS = [key for group in MEANINGS.values() for key in group]
PLAIN = "initial."  # the laws of new weights, which are found from arrays


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """What the installed libraries answer today, Keras on TensorFlow."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ALONE, **QUICKLY, "KERAS_BACKEND": "tensorflow"}.items():
            patch.setenv(name, value)
        if not registry.installed():
            pytest.skip("no backend is installed")
        found = conventions.collect(list(PANELS))
    assert not found.errors
    assert list(found.versions) == registry.installed()
    return found


@pytest.fixture
def recorded() -> Ledger:
    return conventions.read()


def printed(show: Callable[..., None], *arguments: Any, terminal: bool = False) -> str:
    stream = io.StringIO()
    environment = {"TERM": "xterm", "NO_COLOR": "1"}
    console = Console(
        width=120, file=stream, markup=False, force_terminal=terminal, _environ=environment
    )
    show(arguments[0], console, *arguments[1:])
    return stream.getvalue()


# What the libraries answer


def test_nothing_has_changed_since_the_record(ledger: Ledger, recorded: Ledger) -> None:
    changes = conventions.changed(ledger, recorded)
    assert not changes, "\n".join(map(str, changes))


def test_every_library_answers_everything(ledger: Ledger) -> None:
    assert list(ledger.rows) == sorted(KEYS, key=KEYS.index)
    for key, values in ledger.rows.items():
        assert list(values) == list(ledger.versions), key
        assert all(value and value != NOT_MEASURED for value in values.values()), key


def test_the_record_has_all_backends_with_the_pinned_versions(recorded: Ledger) -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    assert list(recorded.versions) == list(PANELS)
    for versions in recorded.versions.values():
        for name, version in versions.items():
            assert version.partition("+")[0] == pinned[name]
    assert list(recorded.rows) == KEYS
    assert {tuple(values) for values in recorded.rows.values()} == {tuple(PANELS)}


@pytest.mark.parametrize("backend", PANELS)
def test_the_panels_measure_the_same_in_the_same_order(backend: str) -> None:
    text = mirror.source(backend, "conventions").read_text("utf-8")
    keys = re.findall(r'^        "([a-z0-9_]+\.[a-z0-9_-]+)": ', text, re.MULTILINE)
    wanted = [key for key in KEYS if not key.startswith(PLAIN)]
    assert [key for key in keys if not key.startswith(PLAIN)] == wanted
    assert [key for key in keys if key.startswith(PLAIN)] == KEYS[len(wanted) :]


@pytest.mark.parametrize(
    ("key", "torch", "flax", "keras"),
    [
        ("batch_norm.momentum", "0.1, the weight of the new", *2 * ["0.99, the weight of the old"]),
        ("batch_norm.running_variance", "unbiased, over n - 1", *2 * ["biased, over n"]),
        ("conv.same_stride_2", "refused", *2 * ["0 before, 1 after"]),
        ("conv_transpose.flipped", "no", "yes", "no"),
        ("pool.stride", "the window", "1", "the window"),
        ("abs.gradient_at_0", "0", "1", "0"),
        ("lstm.gates", "i, f, g, o", "named hf, hg, hi, ho, if, ig, ii, io", "i, f, g, o"),
        ("gru.gates", "r, z, n", "named hn, hr, hz, in, ir, iz", "z, r, n"),
        ("gru.parameters", "108", "100", "108"),
        ("attention.layer_true", "masked", "attended", "attended"),
        ("adam.epsilon_at_step_1", "1 times", "1 times", "31.6 times"),
        ("sgd.weight_decay", "L2", "none", "decoupled"),
        ("clipping.added_to_norm", "1e-06", "0", "0"),
        ("count.batch_norm", *2 * ["10 of 5 channels"], "20 of 5 channels"),
        ("max_pool.tie_gradient", *3 * ["0, 1, 0, 0"]),
    ],
)
def test_the_record_is_what_is_known(
    recorded: Ledger, key: str, torch: str, flax: str, keras: str
) -> None:
    assert recorded.rows[key] == {"torch": torch, "flax": flax, "keras": keras}


# Drift


def test_a_change_is_found_and_named(recorded: Ledger) -> None:
    now = deepcopy(recorded)
    now.versions["keras"] = {"keras": "3.16.0", "tensorflow": "2.22.0"}
    now.rows["batch_norm.epsilon"]["keras"] = "0.01"
    (change,) = conventions.changed(now, recorded)
    assert (change.key, change.backend) == ("batch_norm.epsilon", "keras")
    assert str(change) == (
        "batch_norm.epsilon of keras was 0.001 with keras 3.15.1, tensorflow 2.21.0 "
        "and is 0.01 with keras 3.16.0, tensorflow 2.22.0"
    )


def test_new_versions_alone_are_no_change(recorded: Ledger) -> None:
    now = deepcopy(recorded)
    now.versions = {name: dict.fromkeys(each, "99") for name, each in now.versions.items()}
    assert conventions.changed(now, recorded) == []


def test_rows_that_came_or_went_are_changes(recorded: Ledger) -> None:
    now = deepcopy(recorded)
    now.rows["sigmoid.slope"] = {"torch": "1"}
    del now.rows["std.divisor"]["flax"]
    del now.rows["pool.stride"]
    *gone, new, left = sorted(map(str, conventions.changed(now, recorded)))
    assert [text.partition(" was ")[0] for text in gone] == [
        f"pool.stride of {name}" for name in sorted(PANELS)
    ]
    assert new.startswith("sigmoid.slope of torch was not recorded with torch 2.15.0")
    assert "and is 1 with torch" in new
    assert left.startswith("std.divisor of flax was n with jax 0.10.2")
    assert "and is no longer measured with jax" in left


def test_what_cannot_be_asked_is_no_change(recorded: Ledger) -> None:
    now = deepcopy(recorded)
    now.rows["abs.gradient_at_0"]["keras"] = NOT_MEASURED
    del now.versions["torch"]
    for values in now.rows.values():
        del values["torch"]
    assert conventions.changed(now, recorded) == []
    assert conventions.changed(recorded, now) == []


def test_a_record_is_read_back(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    conventions.record(ledger, path)
    again = conventions.read(path)
    assert (again.versions, again.rows) == (ledger.versions, ledger.rows)
    assert "±" in path.read_text("utf-8")


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"versions": {}}'])
def test_what_is_no_record_is_refused(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"table\.json is no table of conventions, which `trip"):
        conventions.read(path)


# What is printed


def test_the_table_has_what_differs(recorded: Ledger) -> None:
    text = printed(conventions.show, recorded)
    differing = {key for key in KEYS if recorded.differs(key)}
    assert 0 < len(differing) < len(KEYS)
    assert {key for key in KEYS if f" {key} " in text} == differing
    assert f"in {len(KEYS) - len(differing)} more the libraries agree" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_table_can_have_everything(recorded: Ledger) -> None:
    text = printed(conventions.show, recorded, True)
    assert all(f" {key} " in text for key in KEYS)
    assert all(heading in text for heading in MEANINGS)
    assert "agree" not in text
    row = next(line for line in text.splitlines() if " conv_transpose.flipped " in line)
    assert row.replace("│", "").split() == ["conv_transpose.flipped", "no", "yes", "no"]


def test_one_backend_alone_shows_all_that_it_has(recorded: Ledger) -> None:
    versions = {"flax": recorded.versions["flax"]}
    rows = {key: {"flax": values["flax"]} for key, values in recorded.rows.items()}
    text = printed(conventions.show, Ledger(versions, rows))
    assert all(f" {key} " in text for key in KEYS)


def test_changes_are_marked_and_said(recorded: Ledger) -> None:
    now = deepcopy(recorded)
    now.rows["relu.gradient_at_0"] = dict.fromkeys(PANELS, "0.5")
    assert not now.differs("relu.gradient_at_0")
    changes = conventions.changed(now, recorded)
    text = printed(conventions.show, now, False, changes)
    assert text.count("* 0.5") == 3
    assert text.count("* relu.gradient_at_0 of ") == 3
    coloured = printed(conventions.show, now, False, changes, terminal=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", coloured)


def test_the_ledger_becomes_json(recorded: Ledger) -> None:
    value = recorded.to_dict()
    assert list(value["rows"]) == KEYS
    assert value["rows"]["std.divisor"] == {
        "meaning": "what the standard deviation divides by",
        "differs": True,
        "values": {"torch": "n - 1", "flax": "n", "keras": "n"},
    }
    assert value["versions"]["keras"]["keras"] == "3.15.1"


def test_rows_are_alike_where_one_was_not_asked(recorded: Ledger) -> None:
    now = deepcopy(recorded)
    now.rows["relu.gradient_at_0"]["keras"] = NOT_MEASURED
    assert not now.differs("relu.gradient_at_0")


def fail(backend: str) -> None:
    raise ValueError(f"{backend} has no such thing")


def test_what_is_missing_or_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = registry.installed()
    if not installed:
        pytest.skip("no backend is installed")
    lacking = next(name for name in PANELS if name != installed[0])
    true = registry.missing
    monkeypatch.setattr(registry, "missing", lambda n: ["it"] if n == lacking else true(n))
    answers = initialisers.ask([lacking, installed[0]], fail)
    assert answers.results == {}
    assert answers.skipped == {lacking: registry.explain_missing(lacking)}
    assert "has no such thing" in answers.errors[installed[0]]
    text = printed(conventions.show, Ledger({}, {}, answers.skipped, answers.errors))
    assert f"{lacking}: skipped; the {lacking} backend needs it" in text
    assert f"{installed[0]}: the {installed[0]} backend failed: ValueError" in text


# The laws of new weights


def uniform(random: np.random.Generator, size: int) -> np.ndarray:
    return random.uniform(-(3**0.5), 3**0.5, size)


def normal(random: np.random.Generator, size: int) -> np.ndarray:
    return random.normal(size=size)


def cut(random: np.random.Generator, size: int) -> np.ndarray:
    values = random.normal(size=2 * size)
    return values[np.abs(values) < 2][:size] / 0.87962566  # whose variance is 1 again


OF_TORCH = "U(±1/sqrt(fan_in))"
Draw = Callable[[np.random.Generator, int], np.ndarray]

# The shape of variance 1, and the variance.
KNOWN: dict[str, tuple[Draw, Callable[[int, int], float]]] = {
    OF_TORCH: (uniform, lambda i, _: 1 / (3 * i)),
    "Glorot uniform, U(±sqrt(6/(fan_in+fan_out)))": (uniform, lambda i, o: 2 / (i + o)),
    "He uniform, U(±sqrt(6/fan_in))": (uniform, lambda i, _: 2 / i),
    "LeCun uniform, U(±sqrt(3/fan_in))": (uniform, lambda i, _: 1 / i),
    "U(±0.05)": (uniform, lambda _i, _o: 0.05**2 / 3),
    "LeCun truncated normal, variance 1/fan_in": (cut, lambda i, _: 1 / i),
    "He truncated normal, variance 2/fan_in": (cut, lambda i, _: 2 / i),
    "Glorot truncated normal, variance 2/(fan_in+fan_out)": (cut, lambda i, o: 2 / (i + o)),
    "N(0, 1/fan_in)": (normal, lambda i, _: 1 / i),
    "He normal, N(0, 2/fan_in)": (normal, lambda i, _: 2 / i),
    "Glorot normal, N(0, 2/(fan_in+fan_out))": (normal, lambda i, o: 2 / (i + o)),
    "N(0, 1)": (normal, lambda _i, _o: 1),
}


def drawn(name: str, size: int, fan_in: int, fan_out: int) -> np.ndarray:
    """Values of a law, made without the code that finds it."""
    shape, variance = KNOWN[name]
    return shape(np.random.default_rng(7), size) * variance(fan_in, fan_out) ** 0.5


@pytest.mark.parametrize("name", KNOWN)
def test_every_law_is_found_and_no_other(name: str) -> None:
    assert list(KNOWN) == [law.name for law in LAWS]
    fans = [(300, 200), (90, 700)]
    samples = [Sample(drawn(name, 20_000, *each), *each) for each in fans]
    assert initialisers.law(*samples) == name
    assert initialisers.law(*(replace(s, values=1.05 * s.values) for s in samples)) == UNKNOWN


def as_wide(random: np.random.Generator, size: int) -> np.ndarray:
    """As wide and as large as values of U(±1): 342 of 1000 near the edges, the others inside."""
    inside = random.uniform(-0.5, 0.5, size)
    edges = random.choice([-1.0, 1.0], size) * random.uniform(0.8, 1, size)
    return np.where(np.arange(size) % 1000 < 342, edges, inside)


STRANGE: dict[str, Draw] = {
    "as wide": as_wide,
    "normal": lambda random, size: random.normal(0, 3**-0.5, size),
    "moved": lambda random, size: random.uniform(0, 2, size),
    "two values": lambda random, size: random.choice([-1.0, 1.0], size),
    "Laplace": lambda random, size: random.laplace(0, 0.5**0.5, size),
    "one outside": lambda random, size: np.append(random.uniform(-1, 1, size), 1.01),
    "one apart": lambda random, size: np.append(np.zeros(size), random.random()),
    "no number": lambda random, size: np.append(random.uniform(-1, 1, size), np.nan),
}


@pytest.mark.parametrize("name", STRANGE)
def test_another_law_is_unknown(name: str) -> None:
    values = STRANGE[name](np.random.default_rng(0), 50_000) / 300**0.5
    assert initialisers.law(Sample(values, 300, 200)) == UNKNOWN


def test_few_values_are_no_law() -> None:
    values = drawn(OF_TORCH, 40, 6272, 10)  # the bias of a classifier, from four seeds
    assert initialisers.law(Sample(values, 6272, 10)) == OF_TORCH
    assert initialisers.law(Sample(values[:20], 6272, 10)) == TOO_FEW
    assert initialisers.law(Sample(np.zeros(2), 6272, 10)) == "0, constant"


def test_laws_of_one_scale_are_both_named() -> None:
    values = drawn(OF_TORCH, 5000, 100, 500)
    found = initialisers.law(Sample(values, 100, 500))
    assert found == "U(±1/sqrt(fan_in)) or Glorot uniform, U(±sqrt(6/(fan_in+fan_out)))"


def weights(seeds: int = 2) -> dict[str, np.ndarray]:
    """A torch-like network's new weights, the seeds on a first axis."""
    random = np.random.default_rng(3)

    def of_torch(*shape: int, fan: int) -> np.ndarray:
        return random.uniform(-(fan**-0.5), fan**-0.5, (seeds, *shape))

    return {
        "conv.weight": of_torch(16, 8, 3, 3, fan=72),
        "conv.bias": of_torch(16, fan=72),
        "up.weight": of_torch(16, 8, 2, 2, fan=32),
        "up.bias": of_torch(8, fan=32),
        "bn.weight": np.ones((seeds, 8)),
        "bn.bias": np.zeros((seeds, 8)),
        "bn.running_mean": np.zeros((seeds, 8)),
        "bn.running_var": np.ones((seeds, 8)),
        "embedding.weight": random.normal(size=(seeds, 40, 30)),
        "fc1.weight": of_torch(50, 128, fan=128),
        "fc1.bias": of_torch(50, fan=128),
        "fc2.weight": of_torch(20, 50, fan=50),
    }


def laws(rows: list[Row]) -> dict[str, str]:
    assert len({row.kind for row in rows}) == len(rows)
    return {row.kind: row.law for row in rows}


def test_kinds_are_told_apart() -> None:
    rows = initialisers.describe("torch", weights())
    assert laws(rows) == {
        "convolution kernel": OF_TORCH,
        "bias": OF_TORCH,
        "transposed kernel": OF_TORCH,
        "scale of a norm": "1, constant",
        "bias of a norm": "0, constant",
        "running mean": "0, constant",
        "running variance": "1, constant",
        "embedding": "N(0, 1)",
        "dense kernel": OF_TORCH,
    }
    fans = {row.kind: row.fan_in for row in rows}
    assert fans["dense kernel"] == (50, 128)
    assert fans["bias"] == (32, 128)
    dense = next(row for row in rows if row.kind == "dense kernel")
    assert dense.values == 2 * (50 * 128 + 20 * 50)
    assert 0 < dense.deviation < dense.largest <= 50**-0.5


def test_one_wrong_tensor_among_right_ones_is_named() -> None:
    given = weights()
    given["fc2.weight"] = np.random.default_rng(1).normal(0, 150**-0.5, (2, 20, 50))
    dense = [row for row in initialisers.describe("torch", given) if row.kind == "dense kernel"]
    assert [(row.tensors, row.law) for row in dense] == [
        (("fc1.weight",), OF_TORCH),
        (("fc2.weight",), UNKNOWN),
    ]
    text = printed(initialisers.show, initialisers.Outcome("net", 2, dense))
    lines = text.splitlines()
    places = [next(i for i, line in enumerate(lines) if name in line) for name in ("fc1", "fc2")]
    unknown = next(i for i, line in enumerate(lines) if " unknown " in line)
    assert places[0] < unknown <= places[1]


@pytest.mark.parametrize("scale", [0.9, 0.95, 1.1, 1.5])
def test_a_wrong_bias_is_not_called_by_the_right_name(scale: float) -> None:
    given = weights(seeds=4)
    for name in ("conv.bias", "up.bias", "fc1.bias"):
        given[name] = scale * given[name]
    found = [row.law for row in initialisers.describe("torch", given) if row.kind == "bias"]
    assert UNKNOWN in found or TOO_FEW in found
    assert found != [OF_TORCH]


def test_small_tensors_are_wrong_together() -> None:
    random = np.random.default_rng(5)
    bound = 0.95 / 30**0.5
    given = {f"fc{i}.weight": random.uniform(-bound, bound, (4, 1, 30)) for i in range(8)}
    each = {initialisers.describe("torch", {name: a})[0].law for name, a in given.items()}
    assert each == {OF_TORCH}
    assert [row.law for row in initialisers.describe("torch", given)] == [UNKNOWN]


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
    found = worker.call(initialisers.draw, backend, find(name).network, 2)
    wanted = {"dense kernel": KERNEL[backend], "bias": BIAS[backend]}
    if name == "simple_resnet":
        wanted |= {"convolution kernel": KERNEL[backend], **NORM, **STATISTICS}
    if name == "seq2seq":
        wanted |= {"embedding": EMBEDDING[backend], **NORM}
    given = laws(initialisers.describe(backend, found))
    if name == "simple_resnet" and backend == "torch":
        assert given.pop("bias") in (wanted.pop("bias"), TOO_FEW)  # ten values a seed
    assert given == wanted


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

    monkeypatch.setattr(initialisers, "ask", ask)  # in the processes that there are
    installed = registry.installed()
    outcome = initialisers.compare(find("basic_net"), list(PANELS), seeds=1)
    assert (outcome.architecture, outcome.seeds, outcome.errors) == ("basic_net", 1, {})
    assert list(outcome.skipped) == [name for name in PANELS if name not in installed]
    kernels = [(row.backend, row.law) for row in outcome.rows if row.kind == "dense kernel"]
    assert kernels == [(name, KERNEL[name]) for name in installed]
    kinds = [row.kind for row in outcome.rows]
    assert kinds == ["dense kernel"] * len(installed) + ["bias"] * len(installed)
    text = printed(initialisers.show, outcome)
    assert "basic_net: the laws of new weights, from 1 seed\n" in re.sub(" +\n", "\n", text)
    assert "\x1b" not in text
    assert all(KERNEL[name] in text for name in installed)
    assert outcome.to_dict()["rows"][0]["tensors"] == ("fc1.weight", "fc2.weight", "fc3.weight")


def test_the_record_comes_with_the_package() -> None:
    assert RECORDED.parent == Path(conventions.__file__).parent
    assert RECORDED.exists()
