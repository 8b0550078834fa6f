"""The laws of new weights are found from arrays that were made by known ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from shared.conventions import initialisers
from shared.conventions.initialisers import LAWS, TOO_FEW, UNKNOWN, Sample
from tests.laws import OF_TORCH, laws
from tests.printed import shown


def uniform(random: np.random.Generator, size: int) -> np.ndarray:
    return random.uniform(-(3**0.5), 3**0.5, size)


def normal(random: np.random.Generator, size: int) -> np.ndarray:
    return random.normal(size=size)


def cut(random: np.random.Generator, size: int) -> np.ndarray:
    values = random.normal(size=2 * size)
    return values[np.abs(values) < 2][:size] / 0.87962566  # whose variance is 1 again


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
    name = initialisers.law(Sample(values, 100, 500))
    assert name == "U(±1/sqrt(fan_in)) or Glorot uniform, U(±sqrt(6/(fan_in+fan_out)))"


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
    tensors = weights()
    tensors["fc2.weight"] = np.random.default_rng(1).normal(0, 150**-0.5, (2, 20, 50))
    dense = [row for row in initialisers.describe("torch", tensors) if row.kind == "dense kernel"]
    assert [(row.tensors, row.law) for row in dense] == [
        (("fc1.weight",), OF_TORCH),
        (("fc2.weight",), UNKNOWN),
    ]
    text = shown(initialisers.show, initialisers.Outcome("net", 2, dense))
    lines = text.splitlines()
    places = [next(i for i, line in enumerate(lines) if name in line) for name in ("fc1", "fc2")]
    unknown = next(i for i, line in enumerate(lines) if " unknown " in line)
    assert places[0] < unknown <= places[1]


@pytest.mark.parametrize("scale", [0.9, 0.95, 1.1, 1.5])
def test_a_wrong_bias_is_not_called_by_the_right_name(scale: float) -> None:
    tensors = weights(seeds=4)
    for name in ("conv.bias", "up.bias", "fc1.bias"):
        tensors[name] = scale * tensors[name]
    names = [row.law for row in initialisers.describe("torch", tensors) if row.kind == "bias"]
    assert UNKNOWN in names or TOO_FEW in names
    assert names != [OF_TORCH]


def test_small_tensors_are_wrong_together() -> None:
    random = np.random.default_rng(5)
    bound = 0.95 / 30**0.5
    tensors = {f"fc{i}.weight": random.uniform(-bound, bound, (4, 1, 30)) for i in range(8)}
    each = {initialisers.describe("torch", {name: a})[0].law for name, a in tensors.items()}
    assert each == {OF_TORCH}
    assert [row.law for row in initialisers.describe("torch", tensors)] == [UNKNOWN]
