"""The laws that new weights are drawn from: found by statistics, and held beside each other.

Every panel begins with its framework's own initial values, so three networks that compute the same
do not begin alike. An architecture is built several times in each backend, and what came out is
held against the laws that are in use: the largest magnitude, the standard deviation, and the whole
shape of the distribution (Kolmogorov and Smirnov's test).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text
from scipy import stats

from shared import registry, together
from shared.specs import Network, Spec
from shared.terminal import colour, print_gaps

SEEDS = 4
MOST = 50_000
"""Values whose order is looked at: the test of the shape sorts them."""
UNLIKELY = 1e-6
"""A law is ruled out by a sample that it would give once in a million times."""
SIGMAS = 6.0
CUT = 0.8796256610342398
"""The standard deviation of N(0, 1) cut at -2 and 2, for which truncated laws make up."""


@dataclass(frozen=True)
class Law:
    """A distribution with mean 0 whose width depends on the fans."""

    name: str
    shape: Any
    """The distribution of the values over their scale."""
    scale: Callable[[float, float], float]
    """From fan-in and fan-out."""


_UNIFORM, _NORMAL = stats.uniform(-1, 2), stats.norm()
_TRUNCATED = stats.truncnorm(-2, 2, scale=1 / CUT)

LAWS = (
    Law("U(±1/sqrt(fan_in))", _UNIFORM, lambda i, _: i**-0.5),
    Law(
        "Glorot uniform, U(±sqrt(6/(fan_in+fan_out)))", _UNIFORM, lambda i, o: (6 / (i + o)) ** 0.5
    ),
    Law("He uniform, U(±sqrt(6/fan_in))", _UNIFORM, lambda i, _: (6 / i) ** 0.5),
    Law("LeCun uniform, U(±sqrt(3/fan_in))", _UNIFORM, lambda i, _: (3 / i) ** 0.5),
    Law("U(±0.05)", _UNIFORM, lambda _i, _o: 0.05),
    Law("LeCun truncated normal, variance 1/fan_in", _TRUNCATED, lambda i, _: i**-0.5),
    Law("He truncated normal, variance 2/fan_in", _TRUNCATED, lambda i, _: (2 / i) ** 0.5),
    Law(
        "Glorot truncated normal, variance 2/(fan_in+fan_out)",
        _TRUNCATED,
        lambda i, o: (2 / (i + o)) ** 0.5,
    ),
    Law("N(0, 1/fan_in)", _NORMAL, lambda i, _: i**-0.5),
    Law("He normal, N(0, 2/fan_in)", _NORMAL, lambda i, _: (2 / i) ** 0.5),
    Law("Glorot normal, N(0, 2/(fan_in+fan_out))", _NORMAL, lambda i, o: (2 / (i + o)) ** 0.5),
    Law("N(0, 1)", _NORMAL, lambda _i, _o: 1.0),
)
UNKNOWN = "unknown"
TOO_FEW = "too few values to tell"


@dataclass(frozen=True)
class Sample:
    """Values of one tensor from all seeds, and the fans of the layer that it belongs to."""

    values: np.ndarray
    fan_in: float
    fan_out: float


@dataclass(frozen=True)
class Row:
    """What one backend draws for one kind of tensor, or for the tensors that `tensors` names."""

    kind: str
    backend: str
    tensors: tuple[str, ...]
    law: str
    fan_in: tuple[int, int]
    """The smallest and the largest."""
    mean: float
    deviation: float
    largest: float
    values: int


@dataclass
class Outcome:
    """The laws of one architecture; what is not installed, and what failed, apart."""

    architecture: str
    seeds: int
    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        return asdict(self)


def compare(spec: Spec, backends: Sequence[str], seeds: int = SEEDS) -> Outcome:
    """Build an architecture with several seeds in each backend, and find the laws."""
    answers = together.ask(backends, draw, spec.network, seeds)
    outcome = Outcome(spec.name, seeds, skipped=answers.skipped, errors=answers.errors)
    rows = [row for name, weights in answers.results.items() for row in describe(name, weights)]
    kinds = list(dict.fromkeys(row.kind for row in rows))
    outcome.rows = sorted(rows, key=lambda row: kinds.index(row.kind))
    return outcome


def draw(backend: str, network: Network, seeds: int) -> dict[str, np.ndarray]:
    """In a worker: a network's canonical weights, those of all seeds on a first axis."""
    loaded = registry.load(backend)
    drawn = [loaded.build(network, seed=seed).weights() for seed in range(seeds)]
    return {name: np.stack([weights[name] for weights in drawn]) for name in drawn[0]}


def describe(backend: str, weights: Mapping[str, np.ndarray]) -> list[Row]:
    """The rows of one backend, from canonical weights with the seeds on a first axis."""
    shapes = {name: array.shape[1:] for name, array in weights.items()}
    kinds: dict[str, dict[str, Sample]] = {}
    for name, array in weights.items():
        sample = Sample(array.ravel().astype(np.float64), *_fans(name, shapes))
        kinds.setdefault(_kind(name, shapes), {})[name] = sample
    return [
        _row(kind, backend, law, {name: samples[name] for name in names})
        for kind, samples in kinds.items()
        for law, names in _laws(samples)
    ]


def _layer(name: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of the weight of the layer that a tensor belongs to."""
    return shapes.get(f"{name.rpartition('.')[0]}.weight".lstrip("."), shapes[name])


def _kind(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What a tensor is for, by its canonical name and shapes."""
    owner, _, last = name.rpartition(".")
    shape, layer = shapes[name], _layer(name, shapes)
    if last.startswith("running_"):
        return last.replace("_", " ").replace("var", "variance")
    if len(layer) == 1:
        return "scale of a norm" if last == "weight" else "bias of a norm"
    if last == "bias":
        return "bias"
    if len(shape) == 2:
        return "embedding" if "embedding" in owner else "dense kernel"
    # (in, out, h, w): the bias, if there is one, is as long as the second axis.
    (out,) = shapes.get(f"{owner}.bias", shape[:1])
    return "transposed kernel" if out != shape[0] else "convolution kernel"


def _fans(name: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[float, float]:
    """Fan-in and fan-out of a tensor's layer as the libraries count them.

    All three count the second axis of a canonical kernel as what comes in, a transposed one's too,
    where it is what goes out.
    """
    shape = _layer(name, shapes)
    window = float(np.prod(shape[2:]))
    return (shape[1] * window, shape[0] * window) if len(shape) > 1 else (1.0, 1.0)


def _laws(samples: Mapping[str, Sample]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The law of a kind with all its tensors; where they have no common law, one row each law."""
    common = law(*samples.values())
    if common != UNKNOWN or len(samples) == 1:
        yield common, tuple(samples)
        return
    apart: dict[str, list[str]] = {}
    for name, sample in samples.items():
        apart.setdefault(law(sample), []).append(name)
    if len(apart) == 1:  # each could come from that law, and all together cannot
        apart = {UNKNOWN: list(samples)}
    for each, names in apart.items():
        yield each, tuple(names)


def law(*samples: Sample) -> str:
    """The one law that all samples can come from.

    "unknown" if there is none. Two that have one scale for these fans have "or" between them; of
    more than two there are too few values to tell.
    """
    values = np.concatenate([sample.values for sample in samples])
    if (values == values[0]).all():
        return f"{values[0]:g}, constant"
    if not np.isfinite(values).all():
        return UNKNOWN
    left = [each for each in LAWS if _fits(each, samples)]
    if len(left) > 2:
        return TOO_FEW
    return " or ".join(each.name for each in left) or UNKNOWN


def _fits(each: Law, samples: Sequence[Sample]) -> bool:
    """Whether a law can have given the samples, one by one and all together."""
    scaled = [s.values / each.scale(s.fan_in, s.fan_out) for s in samples]
    parts = [*scaled, np.concatenate(scaled)] if len(scaled) > 1 else scaled
    low, high = each.shape.support()
    expected = each.shape.std()
    for part in parts:
        # float32 rounds at the bounds; the spread of a standard deviation is at most a normal's.
        if part.min() < low - 1e-6 or part.max() > high + 1e-6:
            return False
        if not _largest_fits(each, part):
            return False
        if abs(part.std() / expected - 1) > SIGMAS / (2 * len(part)) ** 0.5:
            return False
        sample = part[:: -(-len(part) // MOST)]
        if stats.kstest(sample, each.shape.cdf).pvalue < UNLIKELY:
            return False
    return True


def _largest_fits(each: Law, scaled: np.ndarray) -> bool:
    """Whether the largest magnitude is none that the law would hardly give."""
    largest = np.abs(scaled).max()
    inside = each.shape.cdf(largest) - each.shape.cdf(-largest)
    too_small = len(scaled) * np.log(inside) < np.log(UNLIKELY) if inside else True
    too_large = np.isinf(each.shape.support()[1]) and len(scaled) * (1 - inside) < UNLIKELY
    return not (too_small or too_large)


def _row(kind: str, backend: str, law: str, samples: Mapping[str, Sample]) -> Row:
    values = np.concatenate([sample.values for sample in samples.values()])
    fans = [int(sample.fan_in) for sample in samples.values()]
    return Row(
        kind,
        backend,
        tuple(samples),
        law,
        (min(fans), max(fans)),
        float(values.mean()),
        float(values.std()),
        float(np.abs(values).max()),
        len(values),
    )


def show(outcome: Outcome, console: Console) -> None:
    """Print a table, the backends of each kind of tensor one under another."""
    table = Table(
        title=f"{outcome.architecture}: the laws of new weights, from {outcome.seeds} "
        f"seed{'s' if outcome.seeds > 1 else ''}",
        title_justify="left",
    )
    table.add_column("tensors", overflow="fold")
    table.add_column("backend")
    table.add_column("law", overflow="fold")
    for title in ("fan-in", "deviation", "largest", "values"):
        table.add_column(title, justify="right")
    last = ""
    for row in outcome.rows:
        if last and row.kind != last:
            table.add_section()
        of_kind = {r.law for r in outcome.rows if (r.kind, r.backend) == (row.kind, row.backend)}
        names = f"\n  {', '.join(row.tensors)}" if len(of_kind) > 1 else ""
        low, high = row.fan_in
        bound = row.fan_in != (1, 1) and "constant" not in row.law
        table.add_row(
            (row.kind if row.kind != last else "") + names,
            Text(row.backend, colour(row.backend)),
            row.law,
            (f"{low}" if low == high else f"{low} to {high}") if bound else "",
            f"{row.deviation:.4f}",
            f"{row.largest:.4f}",
            f"{row.values:,}",
            style="red" if row.law == UNKNOWN else None,
        )
        last = row.kind
    if outcome.rows:
        console.print(table)
    print_gaps(console, outcome.skipped, outcome.errors)
