"""The command line as a user meets it."""

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

from shared import cli, compare, draw, mnist, registry, specs, tasks, training, weights
from shared.benchmark import run
from shared.benchmark import table as bench_table
from shared.parity import ladder, mirror

INSTALLED = registry.installed()
one = pytest.mark.skipif(not INSTALLED, reason="needs a backend")
BACKEND = INSTALLED[0] if INSTALLED else "torch"
DRAWN = {"unet": "mask", "seq2seq": "attention"}  # whose predictions are pictures, and of what


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


def printed(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int | None = 0
) -> dict[str, Any]:
    """What a verb prints with `--json`: strict JSON and nothing else; any status for None."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--json"])
    assert status in (None, caught.value.code)
    return strict(capsys.readouterr().out)


def strict(text: str) -> Any:
    """The value of strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


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
    rows = strict(triptych("list", "--json").stdout)
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


@pytest.mark.parametrize("names", [("basic_net", "branching_net"), ("BasicNet", "branching")])
def test_show_has_two_architectures_beside_each_other(names: tuple[str, str]) -> None:
    lines = triptych("show", *names).stdout.splitlines()  # in a pipe 60 characters each
    for package in specs.PANELS.values():
        assert [f"{package}/mlp.py", f"{package}/branching.py"] in [line.split() for line in lines]
    assert sum(line.count("class BasicNet(") for line in lines) == 3
    assert sum("class BasicNet(" in line and "class BranchingNet(" in line for line in lines) == 3


def test_show_of_one_panel_has_only_that_of_several_architectures() -> None:
    text = triptych("show", "mimo_net", "basic_net", "--backend", "keras").stdout
    assert text.split()[:2] == ["keras_impl/mimo.py", "keras_impl/mlp.py"]
    assert "torch_impl" not in text


def test_show_finds_the_file_of_a_part_and_shows_it_once() -> None:
    names = ("MultiHeadAttention", "attention", "EncoderLayer")
    result = triptych("show", *names, "--backend", "torch")
    assert result.stdout == mirror.source("torch", "attention").read_text()


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (table,) = printed(capsys, "show", "mimo_net")["tables"]
    assert list(table["columns"]) == list(specs.PANELS)
    for backend, column in table["columns"].items():
        assert column["path"] == str(mirror.source(backend, "mimo"))
    assert "MIMONet.forward" in [row["role"] for row in table["rows"]]
    tables = printed(capsys, "show", "mimo_net", "basic_net", "--backend", "flax")["tables"]
    assert [list(table["columns"]) for table in tables] == [["mimo", "mlp"]]


def test_show_needs_a_name() -> None:
    result = triptych("show")
    assert result.returncode == 2
    assert "required: ARCHITECTURE" in result.stderr


@pytest.mark.parametrize("name", ["residual", "SimpleResNet", "simple_resnet"])
def test_an_architecture_goes_by_its_file_and_class_too(name: str) -> None:
    assert specs.find(name).name == "simple_resnet"


def test_version_and_help_name_every_verb() -> None:
    assert triptych("--version").stdout.startswith("triptych 0.")
    text = triptych("--help").stdout
    verbs = "list show compare bench parity record conventions train predict data"
    for verb in verbs.split():
        assert re.search(rf"\n    {verb}\s", text)
        assert triptych(verb, "--help").returncode == 0


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


@one
@pytest.mark.parametrize("verb", ["compare", "bench", "parity", "train", "record"])
def test_a_device_that_is_missing_is_named(verb: str, tmp_path: Path) -> None:
    one_backend = verb in ("train", "record")
    extra = ["--backend", BACKEND] if one_backend else ["--backends", BACKEND]
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
    assert len(history["history"]["losses"]) > 4
    assert history["history"]["epochs"][-1]["test_accuracy"] > 85
    arrays, metadata = weights.read(path)
    assert metadata["architecture"] == "basic_net"
    assert metadata["data"] == "sample"
    assert "losses" not in str(metadata["history"])
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
def test_options_change_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    trained = triptych(
        "train", "mnist_classifier", "--backend", BACKEND, "--preset", "fast", "--epochs", "1",
        "--batch-size", "400", "-o", str(path), "--json",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    value = strict(trained.stdout)  # progress is elsewhere
    assert f"{BACKEND} epoch 1/1" in trained.stderr
    assert value["weights"] == str(path)
    kept: Any = weights.read(path)[1]["history"]
    assert {**value["history"], **kept} == value["history"]
    assert len(value["history"]["losses"]) == 10  # which are not kept beside the weights
    assert "losses" not in kept
    settings = value["history"]["settings"]
    preset = specs.find("mnist_classifier").preset("fast")
    changed = replace(preset.settings, epochs=1, batch_size=400)
    assert settings == asdict(preset.scheduled(changed, 4000))
    assert settings["warmup_steps"] + settings["decay_steps"] == 10


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
    none = ["--architecture", "basic_net", str(tmp_path / "no.png")]
    assert "no such file" in refused(capsys, "predict", str(nameless), *none)
    assert "it is not trained" in refused(
        capsys, "predict", str(nameless), image, "--architecture", "inference_model"
    )


class Oracle:
    """In place of a backend and its model: it says what it is told to, and keeps what it is asked.

    Of several digits it says that they are all of the class 4, as sure as their place is far.
    """

    def __init__(self, **answers: np.ndarray) -> None:
        self.answers = answers
        self.asked: list[dict[str, np.ndarray]] = []

    def build(self, network: specs.Network, *, seed: int | None, way: str) -> "Oracle":
        assert seed is None  # weights are loaded next
        assert way == "tuned"
        self.network = network
        return self

    def load_weights(self, arrays: dict[str, np.ndarray]) -> None:
        assert list(arrays) == ["weight"]

    def predict(self, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(inputs)
        if "mask" in self.answers:
            return self.answers["mask"][None], self.answers["confidence"][None]
        count = len(inputs["image"])
        return np.full(count, 4, np.int32), np.linspace(0.5, 0.75, count)

    def decode(self, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(inputs)
        return self.answers["tokens"][None], self.answers["attention"][None]


Consult = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def consult(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Consult:
    """Predict for an architecture with an oracle; the rows. The pictures go to `tmp_path`."""

    def call(oracle: Oracle, architecture: str, *images: Path) -> list[dict[str, Any]]:
        path = tmp_path / "oracle.safetensors"
        weights.write(path, {"weight": np.zeros(1)}, {"architecture": architecture})
        monkeypatch.setattr(registry, "load", lambda _: oracle)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as caught:
            cli.main(["predict", str(path), *map(str, images), "--backend", "torch", "--json"])
        assert caught.value.code == 0
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out)

    return call


@pytest.mark.parametrize(
    "architecture", [s.name for s in specs.SPECS.values() if s.task and s.name not in DRAWN]
)
def test_every_network_of_one_digit_is_asked_what_its_task_asks(
    architecture: str, consult: Consult, digits: list[Path]
) -> None:
    oracle = Oracle()
    rows = consult(oracle, architecture, *digits)
    assert [row["digit"] for row in rows] == [4, 4, 4]
    assert [row["image"] for row in rows] == list(map(str, digits))
    spec = specs.find(architecture)
    assert all(list(inputs) == list(spec.network.inputs) for inputs in oracle.asked)
    stored = np.stack([np.asarray(Image.open(path)) for path in digits])[..., None]
    wanted = {"image": mnist.normalise(stored), "metadata": tasks.metadata(stored)}
    for name in spec.network.inputs:
        asked = [inputs[name] for inputs in oracle.asked]
        np.testing.assert_array_equal(np.concatenate(asked), wanted[name], strict=True)
    batches = [len(inputs["image"]) for inputs in oracle.asked]
    # One confident image must not decide for the others whether they leave early.
    alone = spec.require_task().evaluation_batch == 1
    assert batches == ([1, 1, 1] if alone else [3])
    confidence = [0.5, 0.5, 0.5] if alone else [0.5, 0.625, 0.75]
    assert [row["confidence"] for row in rows] == confidence


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A canvas as a PNG file, its pixels uint8 (64, 64, 1), and its mask (64, 64)."""
    images, masks = tasks.canvases(mnist.load("sample").test, np.random.default_rng(3))
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "scene.png")
    return tmp_path / "scene.png", images[0], masks[0]


def test_a_mask_is_counted_and_drawn(
    consult: Consult, scene: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    path, canvas, mask = scene
    held = sorted(set(mask.ravel().tolist()) - {tasks.BACKGROUND})
    assert len(held) > 1
    oracle = Oracle(mask=mask, confidence=np.where(mask == held[0], 0.25, 0.75))
    rows = consult(oracle, "unet", path)
    assert rows == [
        {
            "image": str(path),
            "digits": held,
            "pixels": [int((mask == digit).sum()) for digit in held],
            "confidence": [0.25, *[0.75] * (len(held) - 1)],
            "picture": "scene-mask.png",
        }
    ]
    np.testing.assert_array_equal(oracle.asked[0]["image"], mnist.normalise(canvas[None]))
    with Image.open(tmp_path / "scene-mask.png") as drawn:
        assert drawn.format == "PNG"
        assert ImageChops.difference(drawn, draw.mask_picture(canvas, mask)).getbbox() is None


def test_a_canvas_gets_sides_that_the_network_can_halve(consult: Consult, tmp_path: Path) -> None:
    path = tmp_path / "two.png"
    sheet = np.full((30, 61), 255, np.uint8)
    sheet[5:25, 10:13] = sheet[5:25, 40:43] = 0
    Image.fromarray(sheet).save(path)
    oracle = Oracle(mask=np.full((32, 64), 10), confidence=np.ones((32, 64)))
    (row,) = consult(oracle, "unet", path)
    assert oracle.asked[0]["image"].shape == (1, 32, 64, 1)
    assert (row["digits"], row["pixels"], row["confidence"]) == ([], [], [])


@pytest.mark.parametrize(
    ("tokens", "digits", "ended"),
    [
        ([3, 0, 9, 10, 10, 10, 10], "309", True),
        ([3, 0, 9, 10, 5, 10, 10], "309", True),
        ([0, 0, 1, 2, 3, 4, 5], "0012345", False),
        ([10] * 7, "", True),
    ],
)
def test_a_transcript_is_read_to_its_end_and_its_attention_drawn(
    consult: Consult, tmp_path: Path, tokens: list[int], digits: str, ended: bool
) -> None:
    images, length, _ = tasks.strips(mnist.load("sample").test, np.random.default_rng(0))
    short = int(np.argmin(length))
    strip = images[short, :, : length[short]]
    assert strip.shape[1] < tasks.STRIP_COLUMNS
    Image.fromarray(strip).save(tmp_path / "strip.png")
    attention = np.random.default_rng(0).random((7, 42), np.float32)
    oracle = Oracle(tokens=np.array(tokens, np.int32), attention=attention)
    rows = consult(oracle, "seq2seq", tmp_path / "strip.png")
    assert rows == [
        {
            "image": str(tmp_path / "strip.png"),
            "digits": digits,
            "columns": strip.shape[1],
            "ended": ended,
            "picture": "strip-attention.png",
        }
    ]
    wanted = tasks.columns(images[short][None], length[short : short + 1])
    assert list(oracle.asked[0]) == ["columns", "length"]
    for name, array in wanted.items():
        np.testing.assert_array_equal(oracle.asked[0][name], array, strict=True)
    with Image.open(tmp_path / "strip-attention.png") as drawn:
        assert drawn.format == "PNG"
        picture = draw.attention_picture(
            strip, strip.shape[1], [int(digit) for digit in digits], attention, 4
        )
        assert ImageChops.difference(drawn, picture).getbbox() is None


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of the networks that draw, as `triptych train` writes them, without a training."""
    folder = tmp_path_factory.mktemp("untrained")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from shared import registry, specs, weights\n"
        "for name in sys.argv[3:]:\n"
        "    network = specs.find(name).network\n"
        "    arrays = registry.load(sys.argv[1]).build(network, seed=1).weights()\n"
        "    metadata = {'architecture': name, 'config': network.plain_config()}\n"
        "    weights.write(Path(sys.argv[2], name), arrays, metadata)\n"
    )
    command = [sys.executable, "-c", code, BACKEND, str(folder), *DRAWN]
    subprocess.run(command, check=True)
    return {name: folder / name for name in DRAWN}


@one
def test_a_network_that_segments_writes_masks(
    untrained: dict[str, Path], scene: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    path, canvas, _ = scene
    large = tmp_path / "large.jpg"
    Image.fromarray(255 - np.kron(canvas[..., 0], np.ones((7, 9), np.uint8))).save(large)
    out = tmp_path / "drawn"
    out.mkdir()
    where = ["--output-dir", str(out)]
    command = ["predict", str(untrained["unet"]), str(path), str(large), *where]
    told = triptych(*command)
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    assert f"unet on {BACKEND}" in told.stdout
    names = ["scene-mask.png", "large-mask.png"]
    assert told.stdout.splitlines()[-2:] == [f"written to {out / name}" for name in names]
    assert {file.name for file in out.iterdir()} == set(names)
    rows = json.loads(triptych(*command, "--json").stdout)
    assert [row["picture"] for row in rows] == [str(out / name) for name in names]
    assert [row["image"] for row in rows] == [str(path), str(large)]
    for row in rows:
        with Image.open(row["picture"]) as drawn:
            assert drawn.format == "PNG"
            pixels = np.asarray(drawn)
        assert row["digits"] == sorted(set(row["digits"]))
        assert len(row["digits"]) == len(row["pixels"]) == len(row["confidence"]) > 0
        assert sum(row["pixels"]) <= 64 * 80
        for digit, count, confidence in zip(
            row["digits"], row["pixels"], row["confidence"], strict=True
        ):
            assert 1 / 11 < confidence <= 1
            assert str(digit) in told.stdout
            assert str(count) in told.stdout
            painted = (pixels == draw.PALETTE[digit]).all(axis=-1).sum() - draw.SWATCH**2
            assert painted in {count * scale**2 for scale in (4, 5, 6)}


@one
def test_a_network_that_transcribes_writes_its_attention(
    untrained: dict[str, Path], digits: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["predict", str(untrained["seq2seq"]), *map(str, digits[:2])]
    told = triptych(*command)
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    assert told.stdout.splitlines()[-2:] == [
        "written to digit0-attention.png",
        "written to digit1-attention.png",
    ]
    rows = json.loads(triptych(*command, "--json").stdout)
    for row, path in zip(rows, digits, strict=False):
        assert row["image"] == str(path)
        assert row["picture"] == f"{path.stem}-attention.png"
        assert row["columns"] == 28
        written = len(row["digits"]) + row["ended"]
        assert row["digits"] + ("" if row["ended"] else " (no end)") + " " in told.stdout
        with Image.open(row["picture"]) as drawn:
            assert drawn.format == "PNG"
            top = draw.MARGIN + 28 * draw.attention_scale(28) + draw.GAP
            assert drawn.height == top + written * draw.ROW + draw.MARGIN


@pytest.mark.parametrize(("name", "kind"), DRAWN.items())
def test_predict_refuses_before_any_work(
    name: str,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    digits: list[Path],
) -> None:
    def never(_: str) -> None:
        raise AssertionError("a backend was loaded")

    monkeypatch.setattr(registry, "load", never)
    path = tmp_path / "w.safetensors"
    weights.write(path, {"weight": np.zeros(1)}, {"architecture": name})

    def said(*arguments: str | Path) -> str:
        before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        words = ["predict", path, *arguments, "--backend", "torch"]
        text = refused(capsys, *map(str, words))
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
        return text

    first, second, _ = digits
    none = tmp_path / "none"
    text = said(first, "--output-dir", none)
    assert f"digit0-{kind}.png cannot be written: {none} is no directory" in text
    text = said(first, "--output-dir", first)
    assert f"{first} is no directory" in text
    monkeypatch.chdir(tmp_path)

    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "digit0.jpg"
    Image.open(first).save(twin)
    text = said(first, second, twin)
    assert f"the pictures for {first} and {twin} would both be digit0-{kind}.png" in text
    own = tmp_path / f"digit0-{kind}.png"
    first.rename(own)
    second.rename(first)
    text = said(first, own)
    assert f"the picture digit0-{kind}.png would be written over an image" in text
    own.unlink()
    own.mkdir()
    assert f"digit0-{kind}.png is a directory" in said(first)
    own.rmdir()

    blank = tmp_path / "blank.png"
    Image.new("L", (90, 90), 255).save(blank)
    text = said(first, blank)
    assert f"there is nothing on the image {blank}; it must show digits" in text
    assert not own.exists()
    long = tmp_path / "long.png"
    Image.fromarray(np.tile(np.asarray(Image.open(first)), (1, 9))).save(long)
    if name == "seq2seq":
        assert "has 252 columns at a height of 28, and there may be 168" in said(long)
    weights.write(
        path, {"weight": np.zeros(1)}, {"architecture": name, "config": {"num_classes": 7}}
    )
    assert f"the weights in {path} are not for the ten digits" in said(first)


def test_one_digit_needs_no_directory_and_may_have_the_name_of_another(
    consult: Consult, digits: list[Path], tmp_path: Path
) -> None:
    rows = consult(Oracle(), "basic_net", digits[0], digits[0])
    assert len(rows) == 2
    assert not list(tmp_path.glob("*-*.png"))


def test_a_picture_that_cannot_be_saved_is_named(
    consult: Consult,
    scene: tuple[Path, np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    path, _, mask = scene
    with pytest.raises(AssertionError):
        consult(Oracle(mask=mask, confidence=np.ones((64, 64))), "unet", path)
    said = capsys.readouterr().err
    assert said == "triptych: cannot write scene-mask.png: No space left on device\n"


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


def test_data_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = printed(capsys, "data", "--data-dir", str(tmp_path))
    assert value["directory"] == str(tmp_path)
    assert value["data_sets"] == [
        {"name": "sample", "here": True, "where": str(mnist.SAMPLE_FOLDER), "problem": None},
        *(
            {"name": name, "here": False, "where": None, "problem": None}
            for name in ("mnist", "fashion_mnist")
        ),
    ]
    value = printed(capsys, "data", "verify", "sample")
    assert (value["name"], value["whole"]) == ("sample", True)
    assert [file["problem"] for file in value["files"]] == [None] * 4
    value = printed(capsys, "data", "verify", "mnist", "--data-dir", str(tmp_path), status=1)
    assert value["whole"] is False
    assert [file["problem"] for file in value["files"]] == ["is missing"] * 4


def test_a_download_as_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mnist, "download", lambda *_: tmp_path)
    value = printed(capsys, "data", "download", "mnist")
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
    value = printed(capsys, "compare", "basic_net", status=1)
    assert value["data_asked_for"] == "sample"
    assert value["rows"]["torch"]["difference"] is None
    assert value["rows"]["torch"]["history"]["epochs"][0]["test_loss"] is None

    check = ladder.Check("forward", "basic_net", "default", "float64", "a-b", "failed", math.inf)
    climbed = ladder.Outcome([check], {"torch": {"torch": "9"}})
    monkeypatch.setattr(ladder, "climb", lambda *_, **__: climbed)
    value = printed(capsys, "parity", "basic_net", status=1)
    assert value["proved"] is False
    assert value["checks"][0]["difference"] is None

    monkeypatch.setattr(run, "run", lambda request, _: run.Outcome(request))
    readme = tmp_path / "x.md"
    readme.write_text(f"{bench_table.BEGIN}\n{bench_table.END}\n")
    value = printed(capsys, "bench", "unet", "--readme", str(readme), status=None)
    assert value["request"]["architectures"] == ["unet"]
    assert value["ratios"] == {}
    assert list(tmp_path.iterdir()) == [readme]


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
    result = triptych(
        "parity", "basic_net", "--dtype", "float64", "--no-trainings", "--json", str(path)
    )
    proved = len(INSTALLED) > 1
    assert result.returncode == (0 if proved else 1)
    written = json.loads(path.read_text())
    assert written["proved"] is proved
    assert f"{len(written['checks'])} checks" in result.stdout
    if proved:
        assert {check["rung"] for check in written["checks"]} == {
            "mirror", "counts", "tensors", "outputs", "forward", "exchange",
            "activations", "loss", "gradients", "dropout", "ways",
        }  # fmt: skip
    else:
        assert "nothing is proved" in result.stdout
    assert "\x1b" not in result.stdout


@one
def test_evidence_is_recorded_and_held_against_itself(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.safetensors") for name in ("one", "two")]
    for path, extra in zip(paths, ([], ["--json"]), strict=True):
        options = ("--backend", BACKEND, "--dtype", "float32", "--no-trainings", "-o", path)
        result = triptych("record", "skip_mlp", *options, *extra)
        assert result.returncode == 0, result.stderr
        if not extra:
            assert result.stdout.startswith(f"evidence of skip_mlp by {BACKEND} (")
            continue
        value = strict(result.stdout)
        assert (value["architecture"], value["backend"]) == ("skip_mlp", BACKEND)
        assert value["dtypes"] == ["float32"]
        assert value["cases"] == [case.label for case in specs.find("skip_mlp").cases]
        assert (value["file"], value["bytes"]) == (path, Path(path).stat().st_size)
        assert value["versions"]
    result = triptych("parity", *paths)
    assert result.returncode == 0, result.stdout
    assert f"{BACKEND}#2" in result.stdout
    assert "not compared from files: the sources (mirror)" in result.stdout
    assert " 0 failed, 0 missing" in result.stdout
    result = triptych("parity", *paths, "--dtype", "float64")
    assert result.returncode == 2
    assert "do not all have float64; record all with the same --dtype" in result.stderr
