"""The command line where it needs no backend: what it lists, shows and refuses."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from shared import cli, compare, mnist, registry, specs, training
from shared.benchmark import run
from shared.benchmark import table as bench_table
from shared.parity import ladder, mirror
from tests.assertions import status
from tests.printed import as_json, refused

Triptych = Callable[..., tuple[int, str, str]]


@pytest.fixture
def triptych(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Triptych:
    """Call the command, its output in a pipe: its exit status, and what it printed where."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        return status(arguments), *capsys.readouterr()

    return call


def test_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = as_json(capsys, "list")
    assert [row["name"] for row in rows] == list(specs.SPECS)
    assert rows[0]["parameters"] == 109_386
    assert rows[1]["inputs"] == ["image (N, 28, 28, 1)", "metadata (N, 10)"]


@pytest.mark.parametrize("backend", specs.PANELS)
def test_show_in_a_pipe_gives_the_file_itself(backend: str, triptych: Triptych) -> None:
    status, out, _ = triptych("show", "simple_resnet", "--backend", backend)
    assert status == 0
    assert out == mirror.source(backend, "residual").read_text()


def test_show_has_all_three_panels(triptych: Triptych, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    _, text, _ = triptych("show", "mimo_net")
    for word in ("nn.Module", "keras.Model", "def setup", "def forward", "def call"):
        assert word in text


@pytest.mark.parametrize("names", [("basic_net", "branching_net"), ("BasicNet", "branching")])
def test_show_has_two_architectures_beside_each_other(
    names: tuple[str, str], triptych: Triptych
) -> None:
    lines = triptych("show", *names)[1].splitlines()  # in a pipe 60 characters each
    for package in specs.PANELS.values():
        assert [f"{package}/mlp.py", f"{package}/branching.py"] in [line.split() for line in lines]
    assert sum(line.count("class BasicNet(") for line in lines) == 3
    assert sum("class BasicNet(" in line and "class BranchingNet(" in line for line in lines) == 3


def test_show_of_one_panel_has_only_that_of_several_architectures(triptych: Triptych) -> None:
    _, text, _ = triptych("show", "mimo_net", "basic_net", "--backend", "keras")
    assert text.split()[:2] == ["keras_impl/mimo.py", "keras_impl/mlp.py"]
    assert "torch_impl" not in text


def test_show_finds_the_file_of_a_part_and_shows_it_once(triptych: Triptych) -> None:
    names = ("MultiHeadAttention", "attention", "EncoderLayer")
    _, out, _ = triptych("show", *names, "--backend", "torch")
    assert out == mirror.source("torch", "attention").read_text()


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (table,) = as_json(capsys, "show", "mimo_net")["tables"]
    assert list(table["columns"]) == list(specs.PANELS)
    for backend, column in table["columns"].items():
        assert column["path"] == str(mirror.source(backend, "mimo"))
    assert "MIMONet.forward" in [row["role"] for row in table["rows"]]
    tables = as_json(capsys, "show", "mimo_net", "basic_net", "--backend", "flax")["tables"]
    assert [list(table["columns"]) for table in tables] == [["mimo", "mlp"]]


def test_show_needs_a_name(triptych: Triptych) -> None:
    status, _, err = triptych("show")
    assert status == 2
    assert "required: ARCHITECTURE" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "simple_resnt"], "Did you mean 'simple_resnet'?"),
        (["show", "mimo_net", "--backend", "jax"], "there is no backend 'jax'"),
        (["show", "mimo_net", "basic_nte"], "Did you mean 'basic_net'?"),
        (["compare", "--backends", "torch,mxnet"], "there is no backend 'mxnet'"),
        (["compare", "--epochs", "0"], "epochs must be a whole number of at least 1, not 0"),
        (["compare", "--batch-size", "-3"], "batch_size must be a whole number of at least 1"),
        (["compare", "--batch-size", "4001"], "batch_size must be at most 4000"),
        (["compare", "--learning-rate", "nan"], "learning_rate must be above 0, not nan"),
        (["compare", "--momentum", "1"], "momentum must be in [0, 1), not 1.0"),
        (["compare", "unet", "--preset", "fast"], "unet has no preset 'fast'; there is one of"),
        (["compare", "--preset", "slow"], "there is no preset 'slow'; there are fast"),
        (["compare", "--preset", "fast", "--epochs", "0"], "epochs must be a whole number of at"),
        (["compare", "--preset", "fast", "--batch-size", "4001"], "at most 4000, the number of"),
        (["compare", "--optimizer", "lion"], "optimizer must be adam, adamw or sgd, not 'lion'"),
        (["compare", "--seed", "-1"], "seed must be in [0, 2147483648), not -1"),
        (["compare", "--device", "tpu"], "there is no device 'tpu'"),
        (["compare", "--data", "cifar"], "there is no data set 'cifar'"),
        (["compare", "--json", "nowhere/x.json"], "nowhere is no directory"),
        (["compare", "--json", "."], ". is a directory; name a file"),
        (["compare", "--json", "mimo_net"], "write to mimo_net: put --json last to print, or"),
        (["parity", "--json", "BasicNet"], "--json would write to BasicNet: put --json last"),
        (["parity", "--json", "a.safetensors", "b.safetensors", "c.safetensors"], "to a.safe"),
        (["bench", "--json", "unet"], "--json would write to unet: put --json last to print"),
        (["compare", "inference_model"], "train the network that it wraps"),
        (["parity", "nonet"], "there is no architecture 'nonet'"),
        (["parity", "--dtype", "float16"], "there is no dtype 'float16'"),
        (["parity", "--device", "gpu"], "there is no device 'gpu'"),
        (["parity", "--precision", "tf32"], "there is no precision 'tf32'; there are highest, de"),
        (["parity", "a.safetensors"], "name two or more, and nothing else, not a.safetensors"),
        (["parity", "basic_net", "a.safetensors"], "name two or more, and nothing else"),
        (["parity", "a.safetensors", "b.safetensors"], "from a.safetensors: no such file"),
        (["record", "basic_net", "--backend", "mxnet"], "there is no backend 'mxnet'"),
        (["record", "nonet", "--backend", "torch"], "there is no architecture 'nonet'"),
        (["record", "basic_net", "--backend", "torch", "--dtype", "half"], "no dtype 'half'"),
        (["record", "basic_net", "--backend", "torch", "-o", "no/e"], "no is no directory"),
        (["conventions", "nonet"], "there is no architecture 'nonet'"),
        (["conventions", "basic_net", "--all"], "for the table, without an architecture"),
        (["conventions", "--record", "."], ". is a directory; name a file"),
        (["train", "inference_model", "--backend", "torch"], "train the network that it wraps"),
        (["train", "basic_net", "--backend", "torch", "--preset", "fast"], "has no preset 'fast'"),
        (["train", "basic_net", "--backend", "theano"], "there is no backend 'theano'"),
        (["train", "basic_net", "--backend", "torch", "-o", "no/w"], "no is no directory"),
        (["data", "verify"], "needs the name of a data set: sample, mnist, fashion_mnist"),
        (["data", "verify", "cifar"], "there is no data set 'cifar'"),
        (["data", "remove"], "there is no action of `triptych data` 'remove'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_words_that_are_no_numbers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["compare", "--epochs", "many"])
    assert caught.value.code == 2
    assert "argument --epochs: invalid int value: 'many'" in capsys.readouterr().err


def test_a_backend_that_is_not_installed_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "missing", lambda _: ["jax", "flax"])
    said = refused(capsys, "train", "basic_net", "--backend", "flax")
    assert "needs jax and flax" in said
    assert "pip install 'triptych[flax]'" in said


def test_data_says_what_is_here(tmp_path: Path, triptych: Triptych) -> None:
    status, out, _ = triptych("data", "--data-dir", str(tmp_path))
    assert status == 0
    assert out.count("not here") == 2
    assert "here, checked" in out
    status, out, _ = triptych("data", "verify", "sample")
    assert status == 0
    assert out.count("is whole") == 4
    status, out, _ = triptych("data", "verify", "mnist", "--data-dir", str(tmp_path))
    assert status == 1
    assert out.count("is missing") == 4


def test_data_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = as_json(capsys, "data", "--data-dir", str(tmp_path))
    assert value["directory"] == str(tmp_path)
    assert value["data_sets"] == [
        {"name": "sample", "here": True, "where": str(mnist.SAMPLE_FOLDER), "problem": None},
        *(
            {"name": name, "here": False, "where": None, "problem": None}
            for name in ("mnist", "fashion_mnist")
        ),
    ]
    value = as_json(capsys, "data", "verify", "sample")
    assert (value["name"], value["whole"]) == ("sample", True)
    assert [file["problem"] for file in value["files"]] == [None] * 4
    value = as_json(capsys, "data", "verify", "mnist", "--data-dir", str(tmp_path), status=1)
    assert value["whole"] is False
    assert [file["problem"] for file in value["files"]] == ["is missing"] * 4


def test_a_download_as_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mnist, "download", lambda *_: tmp_path)
    value = as_json(capsys, "data", "download", "mnist")
    assert value == {"name": "mnist", "where": str(tmp_path)}


def test_results_are_printed_where_no_file_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    request = compare.Request("basic_net", "sample", None, specs.Settings(), 0, "cpu")
    epoch = training.Epoch(0.5, 80.0, math.nan, 75.0, 1.0, 1.0, {"accuracy": 75.0})
    history = training.History(specs.Settings(), 0, [epoch])
    row = compare.Row({"torch": "9"}, 3, {"logits": (64, 10)}, math.inf, history, 1.0, None)
    compared = compare.Comparison(request, "here", "torch", {"torch": row})
    monkeypatch.setattr(compare, "compare", lambda *_: compared)
    value = as_json(capsys, "compare", "basic_net", status=1)
    assert value["data_asked_for"] == "sample"
    assert value["rows"]["torch"]["difference"] is None
    assert value["rows"]["torch"]["history"]["epochs"][0]["test_loss"] is None

    check = ladder.Check("forward", "basic_net", "default", "float64", "a-b", "failed", math.inf)
    climbed = ladder.Outcome([check], {"torch": {"torch": "9"}})
    monkeypatch.setattr(ladder, "climb", lambda *_, **__: climbed)
    value = as_json(capsys, "parity", "basic_net", status=1)
    assert value["proved"] is False
    assert value["checks"][0]["difference"] is None

    monkeypatch.setattr(run, "run", lambda request, _: run.Outcome(request))
    readme = tmp_path / "x.md"
    readme.write_text(f"{bench_table.BEGIN}\n{bench_table.END}\n")
    value = as_json(capsys, "bench", "unet", "--readme", str(readme), status=None)
    assert value["request"]["architectures"] == ["unet"]
    assert value["ratios"] == {}
    assert list(tmp_path.iterdir()) == [readme]
