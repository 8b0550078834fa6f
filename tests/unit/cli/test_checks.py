"""What every verb refuses, in one sentence, before any work is done."""

import os
from pathlib import Path

import pytest

from shared import registry
from shared.cli import checks, parser
from tests.printed import refused


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "simple_resnt"], "did you mean 'simple_resnet'?"),
        (["show", "mimo_net", "--backend", "jax"], "no backend 'jax'; the backend flax runs on"),
        (["show", "mimo_net", "basic_nte"], "did you mean 'basic_net'?"),
        (["compare", "--backends", "torch,mxnet"], "there is no backend 'mxnet'"),
        (["compare", "--backends", "torch,jax"], "no backend 'jax'; the backend flax runs on JAX"),
        (["compare", "net"], "'net' may be basic_net, mimo_net, "),
        (["compare", "--epochs", "0"], "epochs must be a whole number of at least 1, not 0"),
        (["compare", "--batch-size", "-3"], "batch_size must be a whole number of at least 1"),
        (["compare", "--batch-size", "4001"], "batch_size must be at most 4000"),
        (["compare", "--learning-rate", "nan"], "learning_rate must be above 0, not nan"),
        (["compare", "--momentum", "1"], "momentum must be in [0, 1), not 1.0"),
        (["compare", "unet", "--preset", "fast"], "unet has no preset 'fast'; there is one of"),
        (["compare", "--preset", "slow"], "there is no preset 'slow'; there are fast"),
        (["compare", "--preset", "fast", "--epochs", "0"], "epochs must be a whole number of at"),
        (["compare", "--preset", "fast", "--batch-size", "4001"], "at most 4000, the number of"),
        (["compare", "--optimizer", "rmsprop"], "must be adam, adamw or sgd, not 'rmsprop'"),
        (["compare", "--seed", "-1"], "seed must be in [0, 2147483648), not -1"),
        (["compare", "--device", "tpu"], "there is no device 'tpu'"),
        (["compare", "--data", "cifar"], "there is no data set 'cifar'; there are sample, mnist"),
        (["compare", "--data", "MNIST"], "there is no data set 'MNIST'; there are sample, mnist"),
        (["compare", "--json", "nowhere/x.json"], "nowhere is no directory"),
        (["compare", "--json", "."], ". is a directory; name a file"),
        (["compare", "--json", "mimo_net"], "write to mimo_net: put --json last to print, or"),
        (["parity", "--json", "BasicNet"], "--json would write to BasicNet: put --json last"),
        (["parity", "--json", "a.safetensors", "b.safetensors", "c.safetensors"], "to a.safe"),
        (["bench", "--json", "unet"], "--json would write to unet: put --json last to print"),
        (["compare", "inference_model"], "train the network that it wraps"),
        (["parity", "nonet"], "there is no architecture 'nonet'"),
        (["parity", "--dtype", "float16"], "there is no dtype 'float16'"),
        (["parity", "--device", "gpu"], "no device 'gpu'; a GPU is called cuda here"),
        (["parity", "--precision", "tf32"], "there is no precision 'tf32'; there are highest, de"),
        (["parity", "a.safetensors"], "name two or more, and nothing else, not a.safetensors"),
        (["parity", "basic_net", "a.safetensors"], "name two or more, and nothing else"),
        (["parity", "a.safetensors", "b.safetensors"], "from a.safetensors: no such file"),
        (["parity", "--shard", "0/4"], "K/N, such as 2/4: the K-th of N, with K from 1 to N, not"),
        (["parity", "--shard", "5/4"], "with K from 1 to N, not '5/4'"),
        (["parity", "--shard", "a/b"], "with K from 1 to N, not 'a/b'"),
        (["parity", "--shard", "2"], "with K from 1 to N, not '2'"),
        (["parity", "--shard", ""], "with K from 1 to N, not ''"),
        (["parity", "--shard", "1/2", "a.safetensors", "b.safetensors"], "leave it out, or name a"),
        (
            ["parity", "--shard", "1/2", "a.json", "b.json"],
            "--shard 1/2 is for a climb, not for fi",
        ),
        (["parity", "a.json"], "are merged: name two or more, and nothing else, not a.json"),
        (["parity", "a.json", "unet"], "name two or more, and nothing else, not a.json, unet"),
        (["parity", "a.json", "b.safetensors"], "files of shards are merged: name two or more"),
        (
            ["parity", "a.json", "b.json"],
            "a.json is no shard of a climb, which `triptych parity --",
        ),
        (["parity", "a.json", "b.json", "--dtype", "float64"], "--dtype is for a climb, and files"),
        (["parity", "a.json", "b.json", "--no-trainings"], "--no-trainings is for a climb, and fi"),
        (["parity", "a.json", "b.json", "--backends", "torch"], "--backends is for a climb, and"),
        (["parity", "a.json", "b.json", "--device", "cuda"], "--device is for a climb, and files"),
        (["parity", "a.json", "b.json", "--precision", "default"], "--precision is for a climb, "),
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
        (["train", "basic_net", "--backend", "tf"], "the backend keras runs on TensorFlow"),
        (["predict", "none", "none", "--backend", "pytorch"], "the backend of PyTorch is torch"),
        (["train", "basic_net", "--backend", "torch", "-o", "no/w"], "no is no directory"),
        (
            ["predict", "a.png", "b.png", "w.safetensors"],
            "a.png is no safetensors file, and w.safetensors is no image: WEIGHTS come before IMA",
        ),
        (["report", "--from", "no.json"], "no.json cannot be shown: there is no such file"),
        (
            ["report", "--from", "no.json", "basic_net"],
            "--from takes basic_net for a file: name architectures before --from",
        ),
        (["data", "verify"], "needs the name of a data set: sample, mnist, fashion_mnist"),
        (["data", "verify", "cifar"], "there is no data set 'cifar'"),
        (["data", "remove"], "there is no action 'remove'; there are status, verify, download"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["parity", "--backends", ""], "--backends must name torch, flax or keras, not ''"),
        (["compare", "--backends", ","], "--backends must name torch, flax or keras, not ','"),
        (["bench", "--variants", " "], "--variants must name idiomatic, tuned or reference, not"),
        (["report", "--output", ""], "--output must name a folder, not ''"),
        (["report", "-o", ""], "--output must name a folder, not ''"),
        (["report", "--from", ""], "--from must name a file, not ''"),
        (["compare", "--data-dir", ""], "--data-dir must name a folder, not ''"),
        (["compare", "--json", ""], "--json must name a file, not ''"),
        (["compare", "--preset", ""], "there is no preset ''"),
        (["predict", "weights", ""], "IMAGE must name a file, not ''"),
        (["predict", "", "digit.png"], "WEIGHTS must name a file, not ''"),
        (["predict", "weights", "digit.png", "--backend", ""], "there is no backend ''"),
        (["parity", "--dtype", ""], "there is no dtype ''"),
        (["parity", ""], "there is no architecture ''"),
        (["show", "unet", "--backend", ""], "there is no backend ''"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_empty_value_is_not_taken_for_none(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, *arguments).startswith(f"triptych: {sentence}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("report basic_net --output /proc/pages", "/proc/pages cannot be made: /proc takes nothi"),
        ("compare --report --report-dir /proc/pages", "/proc/pages cannot be made: /proc takes"),
        ("compare --json /proc/x.json", "/proc/x.json cannot be written: /proc takes nothing new"),
        ("train basic_net --backend torch -o /proc/w", "/proc/w cannot be written: /proc takes"),
        ("record basic_net --backend torch -o link", "link cannot be written: /proc takes nothing"),
    ],
)
def test_a_folder_that_takes_no_file_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: str,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("/proc/evidence")
    assert sentence in refused(capsys, *arguments.split())
    assert list(tmp_path.iterdir()) == [tmp_path / "link"]


def test_trying_whether_a_place_can_be_written_leaves_it_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old")
    (tmp_path / "half.json.partial").write_text("half")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    for name in ("new.json", "old.json", "half.json", "pipe"):
        checks.writable_file(tmp_path / name)
    for folder in (tmp_path, tmp_path / "new"):
        checks.writable_folder(folder)
    checks.writable_file(Path(os.devnull))
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "old.json").read_text() == "old"
    assert (tmp_path / "half.json.partial").read_text() == "half"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("pariti", "there is no verb 'pariti'; did you mean 'parity'?"),
        ("benchmark", "there is no verb 'benchmark'; did you mean 'bench'?"),
        ("help", "there is no verb 'help'; `triptych --help` shows them all"),
        ("zzz", f"there is no verb 'zzz'; there are {', '.join(parser.VERBS)}"),
        ("--verson", "triptych has no option '--verson'; did you mean '--version'?"),
        ("--epochs 3", "triptych has no option '--epochs'; see `triptych --help`"),
        (
            "train basic_net --epocs 3",
            "train has no option '--epocs'; did you mean '--epochs'?",
        ),
        (
            "compare --learning_rate=3",
            "compare has no option '--learning_rate'; did you mean '--learning-rate'?",
        ),
        ("compare --zzz", "compare has no option '--zzz'; see `triptych compare --help`"),
        ("compare -x", "compare has no option '-x'; see `triptych compare --help`"),
        (
            "train basic_net --backends torch",
            "train has no option '--backends'; did you mean '--backend'?",
        ),
        ("compare --epochs many", "--epochs must be a whole number, not 'many'"),
        ("compare --epochs 1.5", "--epochs must be a whole number, not '1.5'"),
        ("compare --learning-rate high", "--learning-rate must be a number, not 'high'"),
        ("compare --epochs", "--epochs needs a value"),
        ("record unet --backend torch -o", "--output needs a value"),
        ("report --from", "--from needs a value"),
        ("compare --no-dropout=yes", "--no-dropout takes no value"),
        ("list --help=1", "--help takes no value"),
        ("compare --learning-rate -1e-3", "learning_rate must be above 0, not -0.001"),
        ("show", "show needs ARCHITECTURE (a name from `triptych list`, or a class's"),
        ("train basic_net", "train needs --backend (torch, flax or keras)"),
        (
            "train",
            "train needs ARCHITECTURE (a name from `triptych list`) and --backend (torch",
        ),
        (
            "predict",
            "predict needs WEIGHTS (a file that `triptych train` wrote) and IMAGE (PNG",
        ),
        ("list unet", "list takes no further argument, and there is 'unet'"),
        ("compare --d cpu", "--d may be --data, --data-dir, --device or --dtype: write it out"),
    ],
)
def test_what_cannot_be_read_gets_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: str, sentence: str
) -> None:
    assert refused(capsys, *arguments.split()).startswith(f"triptych: {sentence}")


@pytest.mark.parametrize(
    "arguments",
    [
        "compare --learning-rate=-1e-3",
        "compare --seed -1",
        "compare --epoch 0",
        "record nonet --backend torch -owhere",
        "parity nonet -- --odd",
    ],
)
def test_what_can_be_read_is_not_taken_for_an_option(
    capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    assert "option" not in refused(capsys, *arguments.split())


def test_a_backend_that_is_not_installed_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "missing", lambda _: ["jax", "flax"])
    sentence = refused(capsys, "train", "basic_net", "--backend", "flax")
    assert "needs jax and flax" in sentence
    assert "pip install -e '.[flax]'" in sentence
