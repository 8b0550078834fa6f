"""The command line as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared import cli, mnist, registry, specs, weights
from shared.parity import mirror

INSTALLED = registry.installed()
one = pytest.mark.skipif(not INSTALLED, reason="needs a backend")
BACKEND = INSTALLED[0] if INSTALLED else "torch"


def triptych(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, its output in a pipe."""
    variables = {**os.environ}
    variables.pop("COLUMNS", None)
    return subprocess.run(
        [sys.executable, "-c", "from shared.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        env={**variables, **environment},
        check=False,
    )


def refused(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2, lines: int = 1
) -> str:
    """What the command says when it refuses: one sentence on stderr, nothing on stdout."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == status
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == lines
    return err


def test_list_has_every_architecture_with_shapes_and_counts() -> None:
    result = triptych("list")
    assert result.returncode == 0
    assert result.stderr == ""
    for spec in specs.SPECS.values():
        for text in (
            spec.name,
            spec.network.cls,
            f"{spec.network.file}.py",
            f"{spec.parameters:,}",
        ):
            assert text in result.stdout
    assert "metadata (N, 10)" in result.stdout
    assert "\x1b" not in result.stdout


def test_list_as_json() -> None:
    rows = json.loads(triptych("list", "--json").stdout)
    assert [row["name"] for row in rows] == list(specs.SPECS)
    assert rows[0]["parameters"] == 109_386
    assert rows[1]["inputs"] == ["image (N, 28, 28, 1)", "metadata (N, 10)"]


@pytest.mark.parametrize("backend", specs.PANELS)
def test_show_in_a_pipe_gives_the_file_itself(backend: str) -> None:
    result = triptych("show", "simple_resnet", "--backend", backend)
    assert result.returncode == 0
    assert result.stdout == mirror.source(backend, "residual").read_text()


def test_show_has_all_three_panels() -> None:
    text = triptych("show", "mimo_net", COLUMNS="200").stdout
    for word in ("nn.Module", "keras.Model", "def setup", "def forward", "def call"):
        assert word in text


@pytest.mark.parametrize("name", ["residual", "SimpleResNet", "simple_resnet"])
def test_an_architecture_goes_by_its_file_and_class_too(name: str) -> None:
    assert specs.find(name).name == "simple_resnet"


def test_version_and_help_name_every_verb() -> None:
    assert triptych("--version").stdout.startswith("triptych 0.")
    text = triptych("--help").stdout
    for verb in ("list", "show", "compare", "parity", "train", "predict", "data"):
        assert f"\n    {verb} " in text
        assert triptych(verb, "--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "simple_resnt"], "Did you mean 'simple_resnet'?"),
        (["show", "mimo_net", "--backend", "jax"], "there is no backend 'jax'"),
        (["compare", "--backends", "torch,mxnet"], "there is no backend 'mxnet'"),
        (["compare", "--epochs", "0"], "epochs must be a whole number of at least 1, not 0"),
        (["compare", "--batch-size", "-3"], "batch_size must be a whole number of at least 1"),
        (["compare", "--batch-size", "4001"], "batch_size must be at most 4000"),
        (["compare", "--learning-rate", "nan"], "learning_rate must be above 0, not nan"),
        (["compare", "--momentum", "1"], "momentum must be in [0, 1), not 1.0"),
        (["compare", "--optimizer", "lion"], "optimizer must be adam or sgd, not 'lion'"),
        (["compare", "--seed", "-1"], "seed must be in [0, 2147483648), not -1"),
        (["compare", "--device", "tpu"], "there is no device 'tpu'"),
        (["compare", "--data", "cifar"], "there is no data set 'cifar'"),
        (["compare", "--json", "nowhere/x.json"], "nowhere is no directory"),
        (["compare", "--json", "."], ". is a directory; name a file"),
        (["compare", "inference_model"], "train the network that it wraps"),
        (["parity", "nonet"], "there is no architecture 'nonet'"),
        (["parity", "--dtype", "float16"], "there is no dtype 'float16'"),
        (["parity", "--device", "gpu"], "there is no device 'gpu'"),
        (["train", "inference_model", "--backend", "torch"], "train the network that it wraps"),
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


@one
@pytest.mark.parametrize("verb", ["compare", "parity", "train"])
def test_a_device_that_is_missing_is_named(verb: str, tmp_path: Path) -> None:
    extra = ["--backend", BACKEND] if verb == "train" else ["--backends", BACKEND]
    result = triptych(verb, "basic_net", *extra, "--device", "cuda", CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("triptych: ")
    assert BACKEND in last
    assert "device" in last
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_backend_that_is_not_installed_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "missing", lambda _: ["jax", "flax"])
    said = refused(capsys, "train", "basic_net", "--backend", "flax")
    assert "needs jax and flax" in said
    assert "pip install 'triptych[flax]'" in said


@pytest.fixture
def digits(tmp_path: Path) -> list[Path]:
    """Three digits as PNG files, of classes 0, 1 and 2."""
    sample = mnist.load("sample")
    paths = []
    for digit in range(3):
        first = int(np.argmax(sample.train.labels == digit))
        path = tmp_path / f"digit{digit}.png"
        Image.fromarray(sample.train.images[first, :, :, 0]).save(path)
        paths.append(path)
    return paths


@one
def test_train_then_predict_in_every_backend(tmp_path: Path, digits: list[Path]) -> None:
    path, log = tmp_path / "w.safetensors", tmp_path / "history.json"
    trained = triptych(
        "train", "basic_net", "--backend", BACKEND, "--epochs", "4", "-o", str(path),
        "--json", str(log),
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert f"weights written to {path}" in trained.stdout
    assert trained.stderr.count(f"{BACKEND} epoch ") == 4
    history = json.loads(log.read_text())
    assert len(history["history"]["epochs"]) == 4
    assert history["history"]["epochs"][-1]["test_accuracy"] > 85
    arrays, metadata = weights.read(path)
    assert metadata["architecture"] == "basic_net"
    assert metadata["data"] == "sample"
    assert sum(array.size for array in arrays.values()) == 109_386
    confidences = []
    for backend in INSTALLED:
        found = triptych("predict", str(path), *map(str, digits), "--backend", backend, "--json")
        assert found.returncode == 0, found.stderr
        assert found.stderr == ""
        rows = json.loads(found.stdout)
        assert [row["digit"] for row in rows] == [0, 1, 2]
        assert [row["image"] for row in rows] == list(map(str, digits))
        confidences.append([row["confidence"] for row in rows])
    np.testing.assert_allclose(confidences, [confidences[0]] * len(INSTALLED), rtol=1e-4)
    assert all(0.1 < value <= 1 for value in confidences[0])
    table = triptych("predict", str(path), str(digits[2]))
    assert "digit2.png" in table.stdout
    assert "%" in table.stdout


@one
def test_predict_says_what_is_wrong_with_weights(
    tmp_path: Path, digits: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(digits[0])
    assert "no such file" in refused(capsys, "predict", str(tmp_path / "none"), image)
    assert "cannot read weights" in refused(capsys, "predict", image, image)
    nameless = tmp_path / "plain.safetensors"
    weights.write(nameless, {"fc1.weight": np.zeros((2, 2), np.float32)}, {})
    said = refused(capsys, "predict", str(nameless), image)
    assert "does not say which architecture it is for; name it with --architecture" in said
    result = triptych("predict", str(nameless), image, "--architecture", "basic_net")
    assert result.returncode == 2
    assert "missing fc1.bias (128,)" in result.stderr
    assert "fc1.weight is (2, 2) and should be (128, 784)" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "no such" in refused(capsys, "predict", str(nameless), str(tmp_path / "no.png"))


def test_data_says_what_is_here(tmp_path: Path) -> None:
    result = triptych("data", "--data-dir", str(tmp_path))
    assert result.returncode == 0
    assert result.stdout.count("not here") == 2
    assert "here, checked" in result.stdout
    verified = triptych("data", "verify", "sample")
    assert verified.returncode == 0
    assert verified.stdout.count("is whole") == 4
    missing = triptych("data", "verify", "mnist", "--data-dir", str(tmp_path))
    assert missing.returncode == 1
    assert missing.stdout.count("is missing") == 4


@one
def test_mnist_that_cannot_be_had_is_replaced_by_the_sample_with_a_notice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Port 9 of this machine answers nobody.
    nowhere = dict.fromkeys(mnist.MIRRORS, ("http://127.0.0.1:9/",))
    monkeypatch.setattr(mnist, "MIRRORS", nowhere)
    monkeypatch.chdir(tmp_path)
    common = ["--epochs", "1", "--data-dir", str(tmp_path / "data"), "--backends", BACKEND]
    with pytest.raises(SystemExit) as caught:
        cli.main(["compare", "basic_net", "--data", "mnist", "--json", "x.json", *common])
    assert caught.value.code == 0
    out, err = capsys.readouterr()
    assert "notice: cannot download mnist" in err
    assert "notice: using the embedded sample of 5,000 MNIST digits instead" in err
    assert "basic_net on sample" in out
    result = json.loads((tmp_path / "x.json").read_text())
    assert (result["data_asked_for"], result["request"]["data"]) == ("mnist", "sample")
    said = refused(capsys, "compare", "--data", "fashion_mnist", *common)
    assert "cannot download fashion_mnist" in said


@one
def test_parity_exits_with_its_verdict_and_writes_every_check(tmp_path: Path) -> None:
    path = tmp_path / "parity.json"
    result = triptych("parity", "basic_net", "--dtype", "float64", "--json", str(path))
    proved = len(INSTALLED) > 1
    assert result.returncode == (0 if proved else 1)
    written = json.loads(path.read_text())
    assert written["proved"] is proved
    assert f"{len(written['checks'])} checks" in result.stdout
    if proved:
        assert {check["rung"] for check in written["checks"]} == {
            "mirror", "counts", "tensors", "outputs", "forward", "exchange",
        }  # fmt: skip
    else:
        assert "nothing is proved" in result.stdout
    assert "\x1b" not in result.stdout
