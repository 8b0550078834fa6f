"""`triptych bench`: its order, its arithmetic and its words, with clocks and workers that are made.

What a clock says is never a test's verdict.
"""

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from shared import cli, machine, registry, specs, strict
from shared.benchmark import check, costs, measure, packages, run, table
from shared.benchmark.measure import Job, Prepared, WarmUp, Window
from shared.benchmark.run import Outcome, Request, figure
from shared.errors import ConfigurationError, DataError, DivergedError, WorkerError
from shared.train import loop
from shared.workers import COMPILED_ANEW, TUNED
from tests.printed import refused

INSTALLED = registry.installed()
one = pytest.mark.skipif(not INSTALLED, reason="needs a backend")


class Time:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def steps(self, *seconds: float) -> Callable[[], None]:
        """A step that takes these seconds in turn, the last of them for ever."""
        left = list(seconds)

        def step() -> None:
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return step


# Warming up, working


def test_warm_up_ends_when_steps_take_equally_long() -> None:
    time = Time()
    slow = [5.0, 2.0, *[1.0] * 4, 0.9, 0.8, 0.7, 0.6, 0.5]
    warm = measure.warm_up(time.steps(*slow, 0.5), time, least=1, most=1000)
    # The medians of the last five and the five before are both 0.5 after five and three more.
    assert warm == WarmUp(18, sum(slow) + 7 * 0.5, True)
    assert measure.warm_up(time.steps(0.2), time).steps == 10
    assert measure.warm_up(time.steps(0.25), time, group=1).steps == 2


def test_warm_up_waits_for_a_while_and_then_gives_up() -> None:
    time = Time()
    quick = measure.warm_up(time.steps(0.015625), time, least=1)
    assert (quick.steps, quick.stable) == (64, True)
    twice = [2.0**n for n in range(20)]
    never = measure.warm_up(time.steps(*twice), time, least=0, most=3000)
    assert (never.steps, never.seconds, never.stable) == (12, 2.0**12 - 1, False)


def test_work_takes_whole_steps_and_at_least_one() -> None:
    time = Time()
    window = measure.work(time.steps(9, 9, 1, 2, 3), 2.5, 64, time)
    assert (window.examples, window.seconds, window.steps) == (128, 3, (1, 2))
    assert measure.work(time.steps(4), 0.5, 7, time, lead_in=0).examples == 7


def test_what_is_no_number_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = fake_session(monkeypatch, loss=math.nan)
    with pytest.raises(DivergedError, match="the loss is nan"):
        session.prepare(None)


class Loss:
    """A loss that is computed when somebody asks for its value."""

    def __init__(self, model: "FakeModel", value: float) -> None:
        self.model = model
        self.value = value

    def __float__(self) -> float:
        self.model.log.append("waited")
        return self.value


class FakeModel:
    """A model whose every step takes a second of a clock."""

    def __init__(self, backend: "FakeBackend", variant: str) -> None:
        self.backend = backend
        self.variant = variant
        self.log: list[str] = []
        self.sizes: list[int] = []
        self.values: dict[str, np.ndarray] = {"weight": np.full(2, len(backend.built))}

    def weights(self) -> dict[str, np.ndarray]:
        return dict(self.values)

    def load_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        self.values = dict(weights)

    def trainer(self, *_: Any) -> "FakeModel":
        self.backend.time.now += 7
        return self

    def train_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        self.backend.time.now += 1
        self.log.append(f"trained {len(batch['image'])}")
        return {"loss": Loss(self, self.backend.loss), "correct": 1, "counted": 1}

    def evaluation_step(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        self.backend.time.now += 100
        return {"loss": 1.0, "correct": 1, "counted": len(batch["image"])}

    def record_epoch(self, *_: float) -> None:
        pass

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.backend.time.now += 0.5
        self.sizes.append(len(inputs["image"]))
        return {"logits": np.ones((len(inputs["image"]), 10)) * self.values["weight"][0]}


class FakeBackend:
    def __init__(self, time: Time, loss: float) -> None:
        self.time = time
        self.loss = loss
        self.built: list[FakeModel] = []

    def versions(self) -> dict[str, str]:
        return {"fake": "1"}

    def resolved(self) -> dict[str, str]:
        return {"threads": "3"}

    def build(self, *_: Any, variant: str, **__: Any) -> FakeModel:
        self.time.now += 5
        self.built.append(FakeModel(self, variant))
        return self.built[-1]


def fake_session(
    monkeypatch: pytest.MonkeyPatch, loss: float = 1.0, **job: Any
) -> measure.VariantSession:
    """A session of a backend that computes nothing."""
    time = Time()
    backend = FakeBackend(time, loss)
    monkeypatch.setattr(registry, "load", lambda _: backend)
    fields = {"architecture": "basic_net", "backend": "torch", "variant": "tuned", **job}
    return measure.VariantSession(Job(**fields), time)


def test_a_session_waits_for_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    session = fake_session(monkeypatch, batch_sizes=(8, 500))
    for name, value in TUNED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "nobody's business")
    weights = {"weight": np.full(2, 11.0)}
    prepared = session.prepare(weights)
    trained, still = session.backend.built
    assert trained.log[::2] == ["trained 8"] * 11
    assert trained.log[1::2] == ["waited"] * 11
    # The optimizer's making and one step; half a second a call.
    assert (prepared.build_seconds, prepared.first_step_seconds) == (5, 8)
    assert prepared.first_inference_seconds == {1: 0.5, 8: 0.5, 500: 0.5}
    assert list(prepared.warm_up) == ["training", "inference 1", "inference 8", "inference 500"]
    assert all(warm.stable for warm in prepared.warm_up.values())
    assert prepared.weights == weights
    assert prepared.versions == {"fake": "1"}
    assert prepared.resolved["threads"] == "3"
    assert prepared.resolved["OMP_NUM_THREADS"] == "3"
    assert prepared.resolved["allocator"] == "keeps what is freed"
    assert "TF_CLI_CONFIG_FILE" not in prepared.resolved
    # Another model infers, with the weights that training began with.
    assert still.values == weights
    assert prepared.outputs["logits"].shape == (measure.OUTPUT_IMAGES, 10)
    assert (prepared.outputs["logits"] == 11).all()
    assert not trained.sizes
    assert set(still.sizes) == {1, 8, 64, 500}

    window = session.train(2.5)
    assert (window.examples, window.seconds, len(window.steps)) == (24, 3, 3)
    assert len(trained.log) == 2 * (11 + 3 + measure.LEAD_IN)
    window = session.infer(500, 0.75)
    assert (window.examples, window.seconds) == (1000, 1)
    assert [model.variant for model in session.backend.built] == ["tuned"] * 2

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=session.clock))
    later = session.run_epochs()
    assert session.backend.built[2].log.count("trained 8") == 500
    # Without the first step, and without evaluation, which took 200 more.
    assert later == 499


def test_the_sample_is_enough_for_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    session = fake_session(monkeypatch)
    inputs = session._inputs(1500, 0)["image"]
    assert len(inputs) == 1500
    np.testing.assert_array_equal(inputs[1000:], inputs[:500])
    other = session._inputs(400, 1)["image"]
    np.testing.assert_array_equal(other, inputs[400:800])


# Figures


def test_medians_and_spread() -> None:
    assert figure([3.0, 1.0, 2.0]).median == 2
    assert figure([7.0]) == run.Figure(7.0, None, (7.0,))
    # Quartiles 90 and 110: half of what is between them is 10 % of 100.
    assert figure([80.0, 90.0, 100.0, 110.0, 500.0]).spread == pytest.approx(10)
    assert figure([5.0, 5.0]).spread == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnist_classifier", ("images", 1)),
        ("unet", ("pixels", 64 * 64)),
        ("seq2seq", ("sequences", 1)),
        ("row_gru", ("images", 1)),
    ],
)
def test_units(name: str, expected: tuple[str, int]) -> None:
    assert run.unit(specs.find(name)) == expected


# Rounds


class FakeWorker:
    """In place of a process: it notes what it is asked for, and answers with round numbers.

    `faults` are titles and the call by which it fails: "start", "prepare", "train", "infer".
    """

    log: list[str]
    faults: Mapping[str, str]

    def __init__(self, backend: str, environment: Mapping[str, str]) -> None:
        self.backend = backend
        self.environment = environment
        self.title = backend
        self.startup_seconds, self.import_seconds = 2.0, 1.5

    def __enter__(self) -> "FakeWorker":
        if self.faults.get(self.backend) == "start":
            raise WorkerError(f"the {self.backend} backend failed")
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.log.append(f"{self.title}: {'ended at once' if kind else 'ended'}")

    def wait_until_ready(self) -> None:
        pass

    def hold(self, name: str, make: Callable[..., Any], job: Job) -> None:
        assert make is measure.session
        self.name, self.job, self.title = name, job, f"{job.backend} {job.variant}"

    def ask(self, name: str, method: str, *arguments: Any) -> Any:
        assert name == self.name
        return self.answer(method, getattr(self, method), *arguments)

    def result(self, answer: Any) -> Any:
        return answer

    def answer(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        if self.faults.get(self.title) == what:
            raise WorkerError(f"{self.title} broke in {what}")
        return function(*arguments)

    def prepare(self, weights: Any) -> Prepared:
        job = self.job
        kind = "others'" if weights else "own"
        self.log.append(f"{self.title}: {kind} weights, {len(self.environment)} variables")
        reference = job.variant == measure.REFERENCE
        values = {} if reference else {"logits": np.array([[1.0, -2.0]])}
        exact = values if job.dtype == "bfloat16" else {}
        if exact:
            values = {name: array * (1 + 2.0**-7) for name, array in exact.items()}
        if self.faults.get(self.title) == "nan":
            values = {name: array * math.nan for name, array in exact.items()}
        if job.backend == "flax" and not exact:
            values = {name: array * (1 + 1e-6) for name, array in values.items()}
        return Prepared(
            {job.backend: "9"},
            {"threads": "2"},
            0.25,
            {"idiomatic": 1.0, "tuned": 3.0, "reference": 2.0}[job.variant],
            {"training": WarmUp(20, 1.0, job.backend != "keras")},
            {"idiomatic": 400.0, "tuned": 500.0, "reference": None}[job.variant],
            {} if reference else dict.fromkeys((1, *job.batch_sizes), 0.5),
            {} if reference else {"weight": np.ones(1)},
            values,
            exact,
        )

    def train(self, seconds: float) -> Window:
        self.log.append(f"{self.title}: train")
        rate = {"idiomatic": 1000, "tuned": 2000, "reference": 500}[self.job.variant]
        return Window(int(rate * seconds), seconds, 2 * seconds, (seconds,))

    def infer(self, size: int, seconds: float) -> Window:
        self.log.append(f"{self.title}: infer {size}")
        return Window(size * 10, 10 * seconds, 5 * seconds, tuple(seconds for _ in range(10)))

    def run_epochs(self) -> float:
        self.log.append(f"{self.title}: epochs")
        return 10.0


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that multiplies at 1e12 operations a second, and that nobody else uses."""
    monkeypatch.setattr(machine, "product_rate", lambda _: 1e12)
    monkeypatch.setattr(registry, "missing", lambda _: [])
    monkeypatch.setattr(run, "environment_bytes", lambda _: 3_000_000_000)
    load(monkeypatch, 0.0)


def load(monkeypatch: pytest.MonkeyPatch, percent: float | None) -> None:
    """Let others take so much of the machine."""

    class Load(machine.ForeignLoad):
        @contextmanager
        def watch(self) -> Iterator[None]:
            self.known &= percent is not None
            self.seconds += 1
            self.foreign_seconds += (percent or 0) / 100 * self.cpus
            yield

    monkeypatch.setattr(machine, "ForeignLoad", Load)


def benched(faults: Mapping[str, str] | None = None, **request: Any) -> tuple[Outcome, list[str]]:
    """An outcome of workers that are made up, and what they were asked for."""
    log: list[str] = []
    kind: Any = type("Watched", (FakeWorker,), {"log": log, "faults": faults or {}})
    fields: dict[str, Any] = {"backends": ("torch", "flax"), "rounds": 3, "seconds": 0.5}
    return run.run(Request(**{**fields, **request}), start=kind), log


@pytest.mark.usefixtures("quiet")
def test_candidates_take_turns_in_every_measurement() -> None:
    _, log = benched(
        variants=("idiomatic", "tuned"), backends=("torch", "keras"), batch_sizes=(32,)
    )
    titles = ["torch idiomatic", "torch tuned", "keras idiomatic", "keras tuned"]
    anew = len(COMPILED_ANEW)
    tuned = anew + len(TUNED)
    assert log[:4] == [
        f"torch idiomatic: own weights, {anew} variables",
        f"torch tuned: others' weights, {tuned} variables",
        f"keras idiomatic: others' weights, {anew} variables",
        f"keras tuned: others' weights, {tuned} variables",
    ]
    expected = []
    for number in range(3):
        order = titles[number:] + titles[:number]
        for what in ("train", "infer 32", "infer 1"):
            expected += [f"{title}: {what}" for title in order]
    assert log[4 : 4 + len(expected)] == expected
    rest = log[4 + len(expected) :]
    assert rest[:4] == [f"{title}: epochs" for title in titles]
    assert sorted(rest[4:]) == sorted(f"{title}: ended" for title in titles)


@pytest.mark.usefixtures("quiet")
def test_architectures_come_one_after_the_other_and_only_one_has_a_reference() -> None:
    outcome, log = benched(architectures=("mnist_classifier", "unet"), backends=("torch",))
    assert [(row.architecture, row.variant) for row in outcome.rows] == [
        ("mnist_classifier", "idiomatic"),
        ("mnist_classifier", "tuned"),
        ("mnist_classifier", "reference"),
        ("unet", "idiomatic"),
        ("unet", "tuned"),
    ]
    assert log.count("torch reference: train") == 3
    assert not [line for line in log if line.startswith("torch reference: infer")]
    pixels = outcome.of("unet")[0]
    assert (pixels.unit, pixels.training.median) == ("pixels", 1000 * 64 * 64)
    in_float64, _ = benched(backends=("torch",), dtype="float64")
    assert [row.variant for row in in_float64.rows] == ["idiomatic", "tuned"]


@pytest.mark.usefixtures("quiet")
def test_rows_have_figures_shares_and_differences() -> None:
    outcome, _ = benched()
    row = outcome.rows[1]
    assert row.title == "torch tuned"
    assert row.training == run.Figure(2000, 0, (2000, 2000, 2000))
    assert row.inference[64].median == 64 * 10 / 5
    work = specs.find("mnist_classifier").operations
    assert row.share["training"] == pytest.approx(100 * 2000 * work.training / 1e12)
    assert row.share["inference 256"] == pytest.approx(100 * 512 * work.forward / 1e12)
    assert row.cores == {
        "training": 2,
        "inference 64": 0.5,
        "inference 256": 0.5,
        "inference 1": 0.5,
    }
    assert row.latency == run.Latency(0.5, 0.5, 30)
    assert row.total_seconds == 2 + 0.25 + 3 + 10
    assert (row.startup_seconds, row.import_seconds) == (2, 1.5)
    differences = [(r.title, r.difference, r.held_against) for r in outcome.rows]
    assert differences[0] == ("torch idiomatic", None, None)
    assert differences[1] == ("torch tuned", 0, "torch idiomatic")
    assert differences[2] == ("torch reference", None, None)
    assert differences[3][1] == pytest.approx(1e-6, rel=1e-3)
    assert outcome.foreign_load == 0
    assert not outcome.disturbed
    assert not outcome.wrong
    assert outcome.passed
    strict, _ = benched(dtype="float64")
    assert [row.title for row in strict.wrong] == ["flax idiomatic", "flax tuned"]
    assert not strict.passed
    on_gpu, _ = benched(device="cuda")
    assert set(on_gpu.rows[0].share.values()) == {None}


@pytest.mark.usefixtures("quiet")
def test_in_bfloat16_every_candidate_is_held_against_its_own_float32() -> None:
    outcome, _ = benched(dtype="bfloat16")
    rows = [(row.title, row.difference, row.held_against) for row in outcome.rows]
    titles = ["torch idiomatic", "torch tuned", "flax idiomatic", "flax tuned"]
    assert rows == [(title, 2**-7, "float32") for title in titles]
    assert outcome.passed
    text = printed(outcome)
    assert "mnist_classifier: bfloat16 on cpu" in text
    assert "first outputs, difference from float32's: torch idiomatic 7.8e-03, torch" in text
    assert "NumPy's products of float32 matrices" in text
    wrong, _ = benched({"flax tuned": "nan"}, dtype="bfloat16")
    assert [(row.title, row.difference) for row in wrong.wrong] == [("flax tuned", math.inf)]
    assert not wrong.passed
    assert "flax tuned: the first outputs differ from float32's by inf" in printed(wrong)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("when", ["prepare", "train", "infer", "run_epochs"])
def test_a_candidate_that_fails_is_named_and_the_others_go_on(when: str) -> None:
    outcome, log = benched({"torch tuned": when})
    assert [row.title for row in outcome.rows] == [
        "torch idiomatic",
        "torch reference",
        "flax idiomatic",
        "flax tuned",
        "flax reference",
    ]
    assert outcome.errors == {"mnist_classifier torch tuned": f"torch tuned broke in {when}"}
    assert not outcome.passed
    # It is not waited for, and not asked again.
    assert log.count("torch tuned: ended at once") == 1
    assert log.count("flax tuned: train") == 3


@pytest.mark.usefixtures("quiet")
def test_weights_come_from_the_first_that_works() -> None:
    _, log = benched({"torch": "start"})
    begun = [line for line in log if "weights" in line]
    assert begun[0].startswith("flax idiomatic: own weights, ")
    assert begun[1].startswith("flax tuned: others' weights")


@pytest.mark.usefixtures("quiet")
def test_no_result_at_all_is_an_error_with_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkerError) as caught:
        benched({"torch": "start", "flax": "start"})
    assert str(caught.value) == "the torch backend failed; the flax backend failed"
    monkeypatch.setattr(registry, "missing", lambda _: ["jax"])
    with pytest.raises(ConfigurationError, match=r"\.\[torch\].*\.\[flax\]"):
        benched()


@pytest.mark.usefixtures("quiet")
def test_a_backend_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "missing", lambda name: ["jax"] if name == "flax" else [])
    outcome, _ = benched()
    assert {row.backend for row in outcome.rows} == {"torch"}
    assert "pip install -e '.[flax]'" in outcome.skipped["flax"]
    assert "flax: skipped" in printed(outcome)


# The machine


def proc(root: Path, total: str, **processes: tuple[int, int]) -> Path:
    """A made-up /proc: the machine's line, and of each process its parent and its CPU time."""
    root.mkdir(exist_ok=True)
    (root / "stat").write_text(f"cpu  {total}\ncpu0 1 2 3\n")
    for name, (parent, used) in processes.items():
        folder = root / name.removeprefix("p")
        folder.mkdir(exist_ok=True)
        fields = ["0"] * 9 + [str(used), "1", "2", "3"]
        (folder / "stat").write_text(f"{folder.name} (a (b) c) S {parent} {' '.join(fields)} 0 0\n")
    return root


def test_cpu_time_is_told_apart_by_descent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    root = proc(
        tmp_path / "proc",
        # user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice
        "1000 200 300 50000 700 10 20 30 500 60",
        p10=(1, 100),
        p11=(10, 200),
        p12=(11, 300),
        p13=(1, 5000),
        pself=(0, 0),
    )
    used = machine.cpu_seconds(root, own=10)
    # Of the guest's time nothing is added, as it is in the user's; and 6 ticks a process besides.
    assert used is not None
    assert used.everybody == pytest.approx(15.6)
    assert used.own == pytest.approx((600 + 3 * 6) / 100)
    assert machine.cpu_seconds(tmp_path / "none") is None


def test_foreign_load_is_what_nobody_of_us_used() -> None:
    time = Time()
    answers = [(10.0, 5.0), (16.0, 9.0), (20.0, 10.0), (21.0, 12.0)]
    reading = iter([machine.Used(*pair) for pair in answers])
    foreign = machine.ForeignLoad(lambda: next(reading), time, cpus=4)
    assert foreign.share is None
    with foreign.watch():
        time.now += 3
    # 6 seconds were used, 4 of them by us, of 12 that 4 CPUs have in 3 seconds.
    assert foreign.share == pytest.approx(100 * 2 / 12)
    with foreign.watch():
        time.now += 2
    # Less than we used ourselves: the counters are read one after the other.
    assert foreign.share == pytest.approx(100 * 2 / 20)
    unknown = machine.ForeignLoad(lambda: None, time)
    with unknown.watch():
        time.now += 1
    assert unknown.share is None
    foreign.add(unknown)
    assert foreign.share is None


@pytest.mark.usefixtures("quiet")
def test_markdown_has_the_first_architecture_whole_and_all_side_by_side() -> None:
    outcome, _ = benched(architectures=("basic_net", "mimo_net"))
    text = table.markdown(outcome)
    assert text.count("| torch tuned |") == 1
    for name in ("basic_net", "mimo_net"):
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert line.startswith(f"| `{name}` | 2.00, 2.00 | ")
        assert line.endswith(" | 1.00, 1.00 | 1.00, 1.00 | 1.25, 1.25 |")
    outcome, _ = benched({"flax tuned": "train"}, architectures=("basic_net", "mimo_net"))
    assert "| `mimo_net` | 2.00, - | " in table.markdown(outcome)
    alone, _ = benched(architectures=("basic_net",))
    assert "| `basic_net` |" not in table.markdown(alone)


def test_the_peak_is_the_best_of_several_products() -> None:
    times = iter([0, 4, 10, 12, 20, 23])
    assert machine.product_rate(size=8, clock=lambda: next(times)) == 2 * 8**3 / 2


def test_this_machine_tells_of_itself() -> None:
    assert machine.describe()["cpus"]
    used = machine.cpu_seconds()
    if used is not None:  # Linux
        assert used.everybody > 0
        assert used.own > 0
    assert (machine.peak_memory_mib() or 1) > 0


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("percent", "told"), [(25.0, True), (3.0, False), (None, False)])
def test_foreign_load_is_warned_of(
    percent: float | None, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(monkeypatch, percent)
    outcome, _ = benched()
    assert outcome.disturbed is told
    text = printed(outcome)
    assert ("WARNING: other processes took 25 %" in text) is told
    assert ("foreign load: not known" in text) is (percent is None)
    assert ("WARNING" in table.markdown(outcome)) is told


@one
def test_an_environment_has_all_that_is_needed_and_is_larger_with_more() -> None:
    names = packages.requirements("triptych", {"torch"})
    assert "triptych" not in names
    assert {"numpy", "packaging", "rich", "markdown-it-py"} <= names
    assert ("torch" in names) is ("torch" in INSTALLED)
    bare = packages.environment_bytes("none")
    with_one = packages.environment_bytes(INSTALLED[0])
    assert bare
    assert with_one
    assert 10_000_000 < bare < with_one
    assert packages.environment_bytes("torch", "no-such-project-here") is None


# Ratios, recorded and held against


def with_costs() -> costs.Costs:
    def grown(examples: int, epochs: int, seconds: float) -> costs.Growth:
        return costs.Growth(examples, epochs, seconds, 600.0)

    return costs.Costs(
        "mnist_classifier",
        {"torch": costs.Pair(1.1, 1.0, 5)},
        {"torch": [grown(1000, 1, 1.0), grown(2000, 1, 2.0), grown(1000, 4, 5.0)]},
        costs.Pair(0.001, 0.5, 3),
        costs.Pair(0.2, 0.02, 5),
    )


@pytest.mark.usefixtures("quiet")
def test_ratios_are_larger_where_something_is_better() -> None:
    outcome, _ = benched(backends=("torch",))
    outcome.costs = with_costs()
    ratios = check.ratios(outcome)
    assert ratios == pytest.approx(
        {
            "mnist_classifier torch, tuned over idiomatic: training": 2,
            "mnist_classifier torch, tuned over idiomatic: inference of 64": 1,
            "mnist_classifier torch, tuned over idiomatic: inference of 256": 1,
            "mnist_classifier torch, tuned over idiomatic: inference of 1": 1,
            "mnist_classifier torch, tuned over idiomatic: memory": 0.8,
            "mnist_classifier torch, tuned over reference: training": 4,
            "mnist_classifier torch: the shared loop over a bare loop": 1 / 1.1,
            "mnist_classifier torch: the speed of the largest training over the smallest's": 0.8,
            "batches over torchvision's loader": 500,
            "triptych list over a bare interpreter": 0.1,
        }
    )


@pytest.mark.usefixtures("quiet")
def test_a_longer_first_step_is_made_up_for_later() -> None:
    outcome, _ = benched(backends=("torch",))
    idiomatic, tuned, _ = outcome.rows
    # Two seconds more, of 64 / 1000 - 64 / 2000 a step.
    assert check.break_even(tuned, idiomatic, 64) == pytest.approx(62.5)
    assert check.break_even(idiomatic, tuned, 64) == 0
    slower = replace(tuned, training=figure([500.0]))
    assert check.break_even(slower, idiomatic, 64) is None
    assert "its longer beginning is made up for after 62 steps" in printed(outcome)


@pytest.mark.usefixtures("quiet")
def test_a_record_is_read_back_and_held_against(tmp_path: Path) -> None:
    outcome, _ = benched(backends=("torch",))
    path = tmp_path / "ratios.json"
    check.record(outcome, path)
    recorded = check.read(path)
    assert recorded == pytest.approx(check.ratios(outcome))
    written = json.loads(path.read_text())
    assert written["versions"] == {"torch": {"torch": "9"}}
    assert set(written) == {
        "kind", "format", "machine", "versions", "device", "dtype", "foreign_load", "ratios",
    }  # fmt: skip
    assert check.check(check.ratios(outcome), recorded).passed


def test_a_ratio_falls_below_a_wide_margin() -> None:
    recorded = {"a": 2.0, "b": 1.0}
    assert check.check({"a": 1.21, "b": 5.0, "new": 0.1}, recorded).passed
    verdict = check.check({"a": 1.19, "b": 5.0}, recorded)
    assert [each.fell for each in verdict.checked] == [True, False]
    assert not verdict.passed
    half = check.check({"b": 0.9}, recorded)
    assert half.passed
    assert half.checked[0].now is None
    assert not check.check({"new": 1.0}, recorded).passed
    assert "fell" in shown_check(verdict)


def shown_check(verdict: check.Verdict) -> str:
    stream = io.StringIO()
    table.show_check(verdict, Console(file=stream, width=100))
    return stream.getvalue()


def test_recorded_ratios_that_were_not_measured_are_counted_and_fill_no_table() -> None:
    recorded = {"a": 2.0, **{f"other {number}": 1.0 for number in range(1200)}}
    text = shown_check(check.check({"a": 2.0}, recorded))
    assert "other" not in text
    assert "1,200 recorded ratios were not measured" in text
    assert "not measured" not in shown_check(check.check({"a": 2.0}, {"a": 2.0}))
    text = shown_check(check.check({}, recorded))
    assert "none of the recorded ratios was measured" in text


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`triptych bench --record none.json` writes them"):
        check.read(tmp_path / "none.json")
    wrong = tmp_path / "wrong.json"
    for text in ("{", "{}", '{"ratios": 3}', '{"ratios": {"a": "much"}}'):
        wrong.write_text(text)
        with pytest.raises(DataError, match="has no ratios"):
            check.read(wrong)


# What is shown, and written


def printed(outcome: Outcome) -> str:
    stream = io.StringIO()
    table.show(outcome, Console(file=stream, width=140, markup=False))
    return stream.getvalue()


@pytest.mark.usefixtures("quiet")
def test_everything_is_shown() -> None:
    outcome, _ = benched()
    outcome.costs = with_costs()
    text = printed(outcome)
    for words in (
        "mnist_classifier: float32 on cpu, training in batches of 64, rounds 3 of 0.5 s",
        "training, images/s",
        "2,000 ±0 %",
        "500.00 / 500.00 ms",
        "1 epoch in all",
        "15.25 s",
        "3.00 GB",
        "500 MiB",
        "not known",
        "torch, tuned over idiomatic: training 2.00 x, inference of 64 1.00 x",
        "memory +100 MiB",
        "first outputs, difference from torch idiomatic's: torch tuned 0.0e+00, flax",
        "1,000 GFLOP/s",
        "foreign load: 0.0 %",
        "torch: torch 9",
        "threads: 2",
        "takes 1.10 s, as many native steps in a bare loop 1.00 s (+10 %)",
        "loading: an epoch of our batches takes 1.00 ms, of torchvision's 500 ms (500 x)",
        "triptych list takes 0.20 s, a bare interpreter 0.02 s",
        "1,000 x 4: 5.00 s and 600 MiB",
    ):
        assert words in text
    assert "did not become steady" not in text
    unsteady, _ = benched(backends=("keras",))
    assert "keras tuned: training did not become steady in 1 s" in printed(unsteady)


@pytest.mark.usefixtures("quiet")
def test_figures_are_put_between_the_marks_of_a_file(tmp_path: Path) -> None:
    outcome, _ = benched()
    path = tmp_path / "README.md"
    path.write_text(f"Before.\n\n{table.BEGIN}\nold\n{table.END}\n\nAfter.\n")
    for _ in range(2):  # twice is as once
        table.write(outcome, path)
        text = path.read_text()
        assert text.startswith(f"Before.\n\n{table.BEGIN}\n`mnist_classifier`, training in batches")
        assert text.endswith(f"\n{table.END}\n\nAfter.\n")
        assert "old" not in text
        assert text.count("torch tuned |") == 1
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 6
    assert {line.count("|") for line in rows} == {rows[0].count("|")}
    assert "| 2,000 ±0 % |" in text


@pytest.mark.parametrize(
    "text", ["", f"{table.BEGIN}", f"{table.END} {table.BEGIN}", 2 * f"{table.BEGIN} {table.END}"]
)
def test_a_file_without_the_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="once each, to put the figures between"):
        table.check_marks(path)


@pytest.mark.usefixtures("quiet")
def test_json_has_everything() -> None:
    outcome, _ = benched()
    outcome.costs = with_costs()
    value = json.loads(json.dumps(strict.finite(outcome.to_dict())))
    assert set(value) == {
        "kind", "format", "request", "peak", "foreign_load", "rows", "environment_bytes", "costs",
        "accuracy", "errors", "skipped", "machine", "disturbed", "passed",
    }  # fmt: skip
    for row in value["rows"]:
        reference = row["variant"] == "reference"
        empty = {name for name, content in row.items() if content in (None, {}, [])}
        allowed = {"difference", "held_against"}
        if reference:
            allowed |= {"inference", "first_inference_seconds", "latency", "peak_memory_mib"}
        assert empty <= allowed
        for name in ("training", "share", "cores", "resolved", "versions", "total_seconds"):
            assert row[name]
        assert len(row["training"]["rounds"]) == 3
    assert value["costs"]["growth"]["torch"][0]["peak_memory_mib"] == 600
    assert value["request"]["batch_sizes"] == [64, 256]


# The command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnist_clasifier"], "did you mean 'mnist_classifier'?"),
        (["inference_model"], "train the network that it wraps"),
        (["--backends", "torch,mxnet"], "there is no backend 'mxnet'"),
        (["--variants", "tuned,fast"], "there is no variant 'fast'; there are idiomatic, tuned, r"),
        (["--batch-sizes", "64,many"], "batch sizes must be whole numbers with commas between"),
        (["--batch-sizes", ","], "batch sizes must be whole numbers with commas between, not ','"),
        (["--batch-sizes", "64,0"], "a batch size must be at least 1, not 0"),
        (["--batch-sizes", "4001"], "batch_size must be at most 4000"),
        (["unet", "--batch-sizes", "1001"], "batch_size must be at most 1000"),
        (["--dtype", "float16"], "there is no dtype 'float16'"),
        (["--device", "tpu"], "there is no device 'tpu'"),
        (["--rounds", "0"], "rounds must be at least 1, not 0"),
        (["--epochs", "-1"], "epochs must be at least 1, not -1"),
        (["--seconds", "0"], "seconds must be above 0, not 0"),
        (["--seconds", "nan"], "seconds must be above 0, not nan"),
        (["basic_net", "--variants", "reference"], "a reference of mnist_classifier alone"),
        (["--variants", "reference", "--dtype", "float64"], "a reference computes in float32"),
        (["--json", "nowhere/x.json"], "nowhere is no directory"),
        (["--record", "."], ". is a directory; name a file"),
        (["--markdown", "none.md"], "none.md cannot be read"),
        (["--check"], "no recorded ratios"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr(run, "run", never)
    monkeypatch.setattr(check, "RECORDED", tmp_path / "none.json")
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "bench", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> Callable[..., tuple[int, str]]:
    """The command with workers that are made up: its status, and what it prints."""
    request.getfixturevalue("quiet")
    real = run.run
    monkeypatch.setattr(costs, "collect", lambda *_: with_costs())
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, faults: Mapping[str, str] | None = None) -> tuple[int, str]:
        kind: Any = type("Watched", (FakeWorker,), {"log": [], "faults": faults or {}})
        monkeypatch.setattr(run, "run", lambda request, report: real(request, report, kind))
        with pytest.raises(SystemExit) as caught:
            cli.main(["bench", "--rounds", "2", *arguments])
        return int(caught.value.code or 0), capsys.readouterr().out

    return call


def test_the_command_writes_everything(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "B.md").write_text(f"{table.BEGIN}\n{table.END}\n")
    status, text = command("--markdown", "B.md", "--record", "ratios.json", "--backends", "torch")
    assert status == 0
    assert "written to triptych-bench.json" in text
    value = json.loads((tmp_path / "triptych-bench.json").read_text())
    recorded = json.loads((tmp_path / "ratios.json").read_text())["ratios"]
    assert value["ratios"] == pytest.approx(recorded, rel=1e-2)
    assert "batches over torchvision's loader" in recorded  # --costs is in --record
    assert "`mnist_classifier`" in (tmp_path / "B.md").read_text()
    status, text = command("--backends", "torch", faults={"torch tuned": "train"})
    assert status == 1
    assert "mnist_classifier torch tuned: torch tuned broke in train" in text
    assert json.loads((tmp_path / "triptych-bench.json").read_text())["costs"] is None


def test_the_command_checks(
    command: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recorded.json"
    monkeypatch.setattr(check, "RECORDED", path)
    name = "mnist_classifier torch, tuned over idiomatic: training"
    for ratio, status in ((1.5, 0), (3.3, 0), (3.4, 1)):
        path.write_text(json.dumps({"ratios": {name: ratio}}))
        exit_status, text = command("--check")
        assert exit_status == status
        assert ("fell" in text) is bool(status)
    path.write_text(json.dumps({"ratios": {"another": 1.0}}))
    status, text = command("--check")
    assert status == 1
    assert "none of the recorded ratios was measured" in text
