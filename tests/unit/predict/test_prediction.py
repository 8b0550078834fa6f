"""`triptych predict`, with an oracle in place of a network: what is asked, told and drawn."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

from shared import cli, registry, specs, weights
from shared.data import mnist, tasks
from shared.predict import draw, images
from tests.images import DRAWN, write_digits, write_scene
from tests.printed import refused


@pytest.fixture
def digits(tmp_path: Path) -> list[Path]:
    """Three digits as PNG files, of classes 0, 1 and 2."""
    return write_digits(tmp_path)


class Oracle:
    """In place of a backend and its model: it says what it is told to, and keeps what it is asked.

    Of several digits it says that they are all of the class 4, as sure as their place is far.
    """

    def __init__(self, **answers: np.ndarray) -> None:
        self.answers = answers
        self.asked: list[dict[str, np.ndarray]] = []

    def build(self, network: specs.Network, *, seed: int | None, variant: str) -> "Oracle":
        assert seed is None  # weights are loaded next
        assert variant == "tuned"
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
    expected = {"image": mnist.normalise(stored), "metadata": tasks.metadata(stored)}
    for name in spec.network.inputs:
        asked = [inputs[name] for inputs in oracle.asked]
        np.testing.assert_array_equal(np.concatenate(asked), expected[name], strict=True)
    batches = [len(inputs["image"]) for inputs in oracle.asked]
    # One confident image must not decide for the others whether they leave early.
    alone = spec.require_task().evaluation_batch == 1
    assert batches == ([1, 1, 1] if alone else [3])
    confidence = [0.5, 0.5, 0.5] if alone else [0.5, 0.625, 0.75]
    assert [row["confidence"] for row in rows] == confidence


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A canvas as a PNG file, its pixels, and its mask."""
    return write_scene(tmp_path)


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
    expected = tasks.columns(images[short][None], length[short : short + 1])
    assert list(oracle.asked[0]) == ["columns", "length"]
    for name, array in expected.items():
        np.testing.assert_array_equal(oracle.asked[0][name], array, strict=True)
    with Image.open(tmp_path / "strip-attention.png") as drawn:
        assert drawn.format == "PNG"
        picture = draw.attention_picture(
            strip, strip.shape[1], [int(digit) for digit in digits], attention, 4
        )
        assert ImageChops.difference(drawn, picture).getbbox() is None


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

    def refusal(*arguments: str | Path) -> str:
        before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        words = ["predict", path, *arguments, "--backend", "torch"]
        text = refused(capsys, *map(str, words))
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
        return text

    first, second, _ = digits
    none = tmp_path / "none"
    text = refusal(first, "--output-dir", none)
    assert f"digit0-{kind}.png cannot be written: {none} is no directory" in text
    text = refusal(first, "--output-dir", first)
    assert f"{first} is no directory" in text
    monkeypatch.chdir(tmp_path)

    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "digit0.jpg"
    Image.open(first).save(twin)
    text = refusal(first, second, twin)
    assert f"the pictures for {first} and {twin} would both be digit0-{kind}.png" in text
    own = tmp_path / f"digit0-{kind}.png"
    first.rename(own)
    second.rename(first)
    text = refusal(first, own)
    assert f"the picture digit0-{kind}.png would be written over an image" in text
    own.unlink()
    own.mkdir()
    assert f"digit0-{kind}.png is a directory" in refusal(first)
    own.rmdir()

    blank = tmp_path / "blank.png"
    Image.new("L", (90, 90), 255).save(blank)
    text = refusal(blank, tmp_path / "none.png")
    assert f"there is nothing on the image {blank}; it must show digits" in text
    assert not own.exists()
    long = tmp_path / "long.png"
    Image.fromarray(np.tile(np.asarray(Image.open(first)), (1, 9))).save(long)
    if name == "seq2seq":
        assert "has 252 columns at a height of 28, and there may be 168" in refusal(long)
    weights.write(
        path, {"weight": np.zeros(1)}, {"architecture": name, "config": {"num_classes": 7}}
    )
    assert f"the weights in {path} are not for the ten digits" in refusal(first)


def test_one_digit_needs_no_directory_and_may_have_the_name_of_another(
    consult: Consult, digits: list[Path], tmp_path: Path
) -> None:
    rows = consult(Oracle(), "basic_net", digits[0], digits[0])
    assert len(rows) == 2
    assert not list(tmp_path.glob("*-*.png"))


Predict = Callable[..., tuple[int, str, str]]


@pytest.fixture
def predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Predict:
    """Predict for an architecture with an oracle: the exit status, and what is printed where."""

    def call(oracle: Oracle, architecture: str, *words: str | Path) -> tuple[int, str, str]:
        path = tmp_path / "oracle.safetensors"
        weights.write(path, {"weight": np.zeros(1)}, {"architecture": architecture})
        monkeypatch.setattr(registry, "load", lambda _: oracle)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as caught:
            cli.main(["predict", str(path), *map(str, words), "--backend", "torch"])
        return int(caught.value.code or 0), *capsys.readouterr()

    return call


def test_what_can_be_read_is_answered_beside_what_cannot(
    predict: Predict, digits: list[Path], tmp_path: Path
) -> None:
    none, blank = tmp_path / "none.png", tmp_path / "blank.png"
    Image.new("L", (90, 90), 255).save(blank)
    problems = [
        f"cannot read the image {none}: no such file",
        f"there is nothing on the image {blank}; it must show one digit",
    ]
    paths = [digits[0], none, digits[1], blank, digits[2]]
    oracle = Oracle()
    status, out, err = predict(oracle, "basic_net", *paths, "--json")
    assert status == 2
    assert err.splitlines() == [f"triptych: {problem}" for problem in problems]
    rows = json.loads(out)
    assert [row["image"] for row in rows] == list(map(str, paths))
    assert [row.get("digit") for row in rows] == [4, None, 4, None, 4]
    assert [row.get("confidence") for row in rows] == [0.5, None, 0.625, None, 0.75]
    assert [row.get("problem") for row in rows] == [None, problems[0], None, problems[1], None]
    assert len(oracle.asked[0]["image"]) == 3

    status, out, err = predict(Oracle(), "basic_net", *paths)
    assert status == 2
    assert err.splitlines() == [f"triptych: {problem}" for problem in problems]
    assert out.count(" 4 │") == 3
    assert all(word in out for word in ("problem", "no such file", "there is nothing on the"))


def test_all_pictures_are_read_before_the_backend_is_loaded(
    monkeypatch: pytest.MonkeyPatch, predict: Predict, digits: list[Path], tmp_path: Path
) -> None:
    order: list[str] = []
    read = images.load_digit

    def load_digit(path: Path) -> np.ndarray:
        order.append(path.name)
        return read(path)

    class Late(Oracle):
        def build(self, network: specs.Network, *, seed: int | None, variant: str) -> Oracle:
            order.append("backend")
            return super().build(network, seed=seed, variant=variant)

    monkeypatch.setattr(images, "load_digit", load_digit)
    predict(Late(), "basic_net", digits[0], tmp_path / "none.png", digits[1])
    assert order == ["digit0.png", "none.png", "digit1.png", "backend"]


def test_a_picture_is_drawn_for_each_image_that_can_be_read(
    predict: Predict, scene: tuple[Path, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    path, _, mask = scene
    oracle = Oracle(mask=mask, confidence=np.ones((64, 64)))
    status, out, err = predict(oracle, "unet", tmp_path / "none.png", path)
    assert status == 2
    assert err == f"triptych: cannot read the image {tmp_path / 'none.png'}: no such file\n"
    assert [line for line in out.splitlines() if "written" in line] == ["written to scene-mask.png"]
    assert [file.name for file in tmp_path.glob("*-mask.png")] == ["scene-mask.png"]
    status, out, _ = predict(oracle, "unet", tmp_path / "none.png", path, "--json")
    rows = json.loads(out)
    assert "picture" not in rows[0]
    assert rows[1]["picture"] == "scene-mask.png"


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
    message = capsys.readouterr().err
    assert message == "triptych: cannot write scene-mask.png: No space left on device\n"
