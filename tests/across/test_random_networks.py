"""Random networks of the layers that have rules: the panels agree, or all refuse."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, assume, given, settings

from shared.panels import PANELS
from shared.workers import ALONE, Worker
from tests.across.drawn.description import Drawn, Layer
from tests.across.drawn.evidence import Refused, Shown, show
from tests.across.drawn.holding import Tally, differences, is_dead
from tests.across.drawn.strategy import ACTIVATIONS, networks
from tests.flavours import DEMANDED, FLAVOURS, exhaustive, lacking, skip_if_lacking

Answers = dict[str, Refused | Shown]
Ask = Callable[[Drawn], Answers]

FEW, MANY, COMPILED = 24, 2000, 200
"""How many networks `make test` and `make test-all` draw, and `make test-all` compiled."""

# Without JAX's compiler, to which every network would be new.
UNCOMPILED = {"JAX_DISABLE_JIT": "1", "JAX_ENABLE_COMPILATION_CACHE": "false"}


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """What each panel shows of a network, all at a time."""
    yield from asking(UNCOMPILED)


@pytest.fixture(scope="module")
def ask_compiled() -> Iterator[Ask]:
    """The same with JAX's compiler, which takes half a second a network."""
    yield from asking({})


def asking(compiling: dict[str, str]) -> Iterator[Ask]:
    """What asks workers that have these settings of JAX's compiler."""
    names = [name for name in PANELS if name in DEMANDED or not lacking(name)]
    if len(names) < 2:
        pytest.skip("there is one backend here, and nothing to hold it against")
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name in names:
            skip_if_lacking(name)
            backend, environment = FLAVOURS[name]
            worker = Worker(backend, {**ALONE, **environment, **compiling})
            workers[name] = stack.enter_context(worker)

        def asked(drawn: Drawn) -> Answers:
            futures = {name: worker.submit(show, name, drawn) for name, worker in workers.items()}
            return {name: workers[name].result(future) for name, future in futures.items()}

        yield asked


def tally(ask: Ask, count: int) -> Tally:
    """Hold so many random networks of the panels against each other."""
    result = Tally()

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(networks())
    def agree(drawn: Drawn) -> None:
        answers = ask(drawn)
        assume(not is_dead(answers))
        result.hold(drawn, answers)

    agree()
    return result


def test_random_networks_are_the_same(ask: Ask) -> None:
    seen = tally(ask, FEW)
    assert seen.same >= FEW // 2
    assert len(seen.kinds) >= 25


OF_EACH_SIZE = ("batch norm", "group norm", "activation", "dropout", "add", "concatenate", "dense")
OF_SPACE = ("conv", "transposed", "mean", "maximum", "flatten")
ALL_KINDS = {
    *ACTIVATIONS,
    *(f"{kind} {axes}" for kind in OF_EACH_SIZE for axes in range(4)),
    *(f"{kind} {axes}" for kind in OF_SPACE for axes in range(1, 4)),
    *(f"{norm} {axes}" for norm in ("layer norm", "rms norm") for axes in range(4)),
    *("max pool 1", "max pool 2", "mean pool 1", "mean pool 2", "embedding 0"),
    *("attributes", "list", "functional", "sequential"),
}


@exhaustive
@pytest.mark.timeout(7200)
def test_many_random_networks_are_the_same(ask: Ask) -> None:
    seen = tally(ask, MANY)
    assert seen.same >= MANY // 2
    assert seen.refused >= MANY // 100
    assert set(seen.kinds) == ALL_KINDS


@exhaustive
@pytest.mark.timeout(7200)
def test_compiled_random_networks_are_the_same(ask_compiled: Ask) -> None:
    assert tally(ask_compiled, COMPILED).same >= COMPILED // 2


def dense(into: tuple[int, ...]) -> Layer:
    """A dense layer at the end."""
    return Layer("dense", into, {"out": 2, "bias": True})


def norm(into: tuple[int, ...], over: int, scale: bool = True) -> Layer:
    """Layer norm over some of the last axes."""
    options = {"over": over, "epsilon": 1e-3, "affine": (scale, scale), "fast": False}
    return Layer("layer norm", into, options)


def conv(into: tuple[int, ...], kernel: tuple[int, ...], **options: object) -> Layer:
    """A convolution with a border that is wider after than before."""
    axes = len(into) - 1
    usual = {
        "out": 2,
        "kernel": kernel,
        "stride": (1,) * axes,
        "dilation": (1,) * axes,
        "padding": ((0, 1),) * axes,
        "groups": 1,
        "bias": True,
    }
    return Layer("conv", into, {**usual, **options})


def transposed(into: tuple[int, ...]) -> Layer:
    """A transposed convolution with kernels and strides of 2."""
    twos = (2,) * (len(into) - 1)
    options = {"out": 3, "kernel": twos, "stride": twos, "padding": "valid", "bias": True}
    return Layer("transposed", into, options)


def batch_norm(into: tuple[int, ...]) -> Layer:
    """Batch norm without a scale and a bias."""
    options = {"momentum": 0.9, "epsilon": 1e-5, "affine": False, "fast": True}
    return Layer("batch norm", into, options)


def pool(into: tuple[int, ...], kind: str = "mean pool", padding: str = "valid") -> Layer:
    """A pool of two by two."""
    return Layer(kind, into, {"kernel": (2, 2), "stride": (1, 1), "padding": padding})


ONCE_WRONG = {
    # Scales of several axes were taken for ones of one axis.
    "norm over two axes": Drawn((3, 4), 3, 0, "attributes", (norm((3, 4), 2),)),
    # A module without parameters was refused as no module, with statistics or not.
    "statistics alone": Drawn((4,), 3, 0, "list", (batch_norm((4,)),)),
    # Keras's Sequential rounded what goes in, and the gradient, to float32.
    "a sequence": Drawn((6,), 3, 0, "sequential", (norm((6,), 1, False), dense((6,)))),
    # Keras had no rules for these.
    "a volume": Drawn((3, 4, 3, 2), 3, 0, "list", (conv((3, 4, 3, 2), (2, 1, 2)),)),
    "transposed steps": Drawn((4, 2), 3, 0, "list", (transposed((4, 2)),)),
    "transposed volume": Drawn((2, 3, 2, 2), 3, 0, "list", (transposed((2, 3, 2, 2)),)),
    # Keras pads before the layer; of pictures alone that was seen.
    "padded steps": Drawn((4, 2), 3, 0, "functional", (conv((4, 2), (3,)),)),
    # PyTorch's outputs were left with their channels first.
    "a picture without a convolution": Drawn((4, 5, 3), 3, 0, "list", (dense((4, 5, 3)),)),
    "a pool alone": Drawn((4, 5, 3), 3, 0, "list", (pool((4, 5, 3)), dense((3, 4, 3)))),
    # The layout of what a function leaves of a picture was taken to be known.
    "a pool that is a function": Drawn(
        (4, 5, 3),
        3,
        0,
        "attributes",
        (
            pool((4, 5, 3), "max pool", "same"),
            Layer("activation", (4, 5, 3), {"name": "relu"}),
            dense((4, 5, 3)),
        ),
    ),
    # An image that ends with zeros was taken for another part of the padded one.
    "zeros before a border": Drawn(
        (3, 5, 3),
        3,
        0,
        "list",
        (
            conv((3, 5, 3), (2, 1), padding=((2, 2), (1, 1)), bias=False),
            conv((6, 7, 2), (1, 1), padding=((1, 1), (1, 1))),
        ),
    ),
    # What goes into a norm without a scale was taken to have its channels first.
    "a plain norm": Drawn(
        (3, 4, 2), 3, 0, "list", (conv((3, 4, 2), (2, 2), out=4), norm((3, 4, 4), 1, False))
    ),
}


@pytest.mark.parametrize("name", ONCE_WRONG)
def test_what_was_once_wrong_is_the_same(ask: Ask, name: str) -> None:
    seen = Tally()
    seen.hold(ONCE_WRONG[name], ask(ONCE_WRONG[name]))
    assert seen.same == 1


WITHOUT_TENSORS = Drawn(
    (4, 3), 3, 0, "attributes", (Layer("activation", (4, 3), {"name": "relu"}),)
)
TOO_SMALL = Drawn((2, 5, 2), 3, 0, "list", (conv((2, 5, 2), (3, 1), padding=((0, 0), (1, 1))),))


@pytest.mark.parametrize(
    ("drawn", "message"),
    [(WITHOUT_TENSORS, "has no parameters and no buffers"), (TOO_SMALL, "model a (")],
    ids=["without tensors", "too small"],
)
def test_all_refuse(ask: Ask, drawn: Drawn, message: str) -> None:
    answers = ask(drawn)
    seen = Tally()
    seen.hold(drawn, answers)
    assert seen.refused == 1
    for answer in answers.values():
        assert isinstance(answer, Refused)
        if not answer.by_framework:  # Keras does not even make such a model
            assert message in answer.message
            assert len(answer.message) < 400


def test_a_difference_is_seen(ask: Ask) -> None:
    one, other = (
        Drawn((4,), 3, 0, "list", (Layer("activation", (4,), {"name": name}), dense((4,))))
        for name in ("gelu", "tanh gelu")
    )
    first, *rest = ask(one).values()
    for answer in rest:
        assert isinstance(first, Shown)
        assert isinstance(answer, Shown)
        assert not differences(first, answer)
    assert isinstance(first, Shown)
    for answer in ask(other).values():
        assert isinstance(answer, Shown)
        rungs = {line.partition(":")[0] for line in differences(first, answer)}
        assert rungs >= {"forward", "activations", "loss", "gradients"}


def test_values_that_are_no_numbers_are_seen(ask: Ask) -> None:
    for answer in ask(Drawn((4,), 3, 0, "list", (dense((4,)),))).values():
        assert isinstance(answer, Shown)
        assert not differences(answer, answer)
        answer.evidence.arrays["float64"]["forward/3/output"][:] = float("nan")
        assert differences(answer, answer) == [
            "forward: 3/output: there are values that are not finite"
        ]
