"""Examples of conventions that differ: their functions, their errors, and their code."""

import ast
import re
import textwrap

import numpy as np
import pytest

from shared.conventions import pitfalls, table
from shared.conventions.pitfalls import INPUTS, WITHOUT, Outcome, error
from shared.panels import PANELS, source
from shared.parity import mirror

RECORDED = table.read()
DIFFERING = [key for key in RECORDED.rows if RECORDED.differs(key)]


# The files


def functions(backend: str) -> dict[str, ast.FunctionDef]:
    text = source(backend, "conventions/pitfalls").read_text("utf-8")
    return {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


def test_the_panels_have_the_same_functions() -> None:
    assert mirror.compare("conventions/pitfalls") == []
    assert list(functions("torch")) == [pitfalls.name(key) for key in INPUTS]


def test_every_function_is_given_its_arguments() -> None:
    for key, function in zip(INPUTS, functions("torch").values(), strict=True):
        assert {argument.arg for argument in function.args.args} == set(INPUTS[key]), key


def test_every_row_that_differs_has_an_example_or_a_reason() -> None:
    assert [key for key in DIFFERING if key not in WITHOUT] == list(INPUTS)
    assert set(DIFFERING) - set(INPUTS) == set(WITHOUT)
    assert all(WITHOUT.values())


def test_inputs_are_single_precision_but_where_a_row_is_about_more() -> None:
    doubles = {
        key for key, arrays in INPUTS.items() if any(a.dtype == np.float64 for a in arrays.values())
    }
    assert doubles == {
        "gelu.float64",
        "loss.float64",
        "sgd.learning_rate_kept",
        "clipping.added_to_norm",
        "precision.float64_array",
        "precision.float64_into_layer",
    }
    assert all(np.isfinite(a).all() for arrays in INPUTS.values() for a in arrays.values())


# Errors


def outcome(*values: float, backend: str = "torch") -> Outcome:
    return Outcome(backend, np.array(values, np.float32))


def test_an_error_is_relative_to_the_largest_value() -> None:
    assert error(outcome(1, -4), outcome(1, -3)) == 0.25
    assert error(outcome(1, -3), outcome(1, -4)) == 0.25
    assert error(outcome(2), outcome(-2)) == 2
    assert error(outcome(0, 0), outcome(0, 0)) == 0
    assert error(outcome(0), outcome(1e-30)) == 1
    assert error(Outcome("torch", np.array(2**40 + 1)), Outcome("keras", np.array(2**40))) != 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_equals_nothing(value: float) -> None:
    lost = outcome(1, value, backend="keras")
    assert error(outcome(1, 2), lost) == "not finite: 1 of 2 of keras"
    assert error(lost, lost) == "not finite: 1 of 2 of keras and 1 of 2 of keras"
    assert lost.to_dict()["values"] == [1.0, str(value)]


def test_other_shapes_and_refusals_are_said() -> None:
    refusal = Outcome("keras", refusal="ValueError: no")
    assert error(outcome(1, 2), outcome(1)) == "shapes differ: (2,) and (1,)"
    assert error(outcome(1), refusal) == "refused by keras: ValueError: no"
    assert error(refusal, refusal) == "; ".join(2 * ["refused by keras: ValueError: no"])
    assert refusal.to_dict() == {"refusal": "ValueError: no"}


# The code


@pytest.mark.parametrize("backend", PANELS)
def test_the_code_is_short_and_calls_the_library(backend: str) -> None:
    file = source(backend, "conventions/pitfalls").read_text("utf-8").splitlines()
    calls = {
        "torch": r"\b(nn|F|optim|torch)\.\w+",
        "flax": r"\b(nn|jax|jnp|optax)\.\w+|ravel_pytree",
        "keras": r"\b(layers|losses|ops|optimizers|keras|tf)\.\w+",
    }
    for key in INPUTS:
        snippet = pitfalls.source(backend, key)
        assert file[snippet.line - 1].startswith(f"def {pitfalls.name(key)}("), key
        assert re.search(calls[backend], snippet.text), key
        assert '"""' not in snippet.text, key
        assert not snippet.text.startswith((" ", "\n")), key
        assert len(snippet.text.splitlines()) <= 8, key
        assert "return " in snippet.text, key
        body = textwrap.indent(snippet.text, "    ").splitlines()
        assert any(file[i : i + len(body)] == body for i in range(snippet.line, len(file))), key


def test_the_code_is_as_it_is_written() -> None:
    assert pitfalls.source("torch", "gelu.function").text == (
        "return F.gelu(torch.from_numpy(x)).numpy()"
    )
    code = pitfalls.source("torch", "conv.same_stride_2").text
    assert '# "same" is refused with a stride' in code


def test_there_is_no_code_without_an_example() -> None:
    with pytest.raises(KeyError):
        pitfalls.source("torch", "relu.gradient_at_0")
