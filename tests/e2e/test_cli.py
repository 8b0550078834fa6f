"""The command line as a user meets it."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared import cli, registry, specs, weights
from shared.data import download
from shared.predict import draw
from tests.assertions import status
from tests.conftest import Lend
from tests.e2e.command import here, process
from tests.flavours import exhaustive
from tests.images import DRAWN, write_digits, write_scene
from tests.printed import refused, strict

INSTALLED = registry.installed()
one = pytest.mark.skipif(not INSTALLED, reason="needs a backend")
BACKEND = INSTALLED[0] if INSTALLED else "torch"


def test_list_has_every_architecture_with_what_it_shows_and_counts() -> None:
    result = process("list", COLUMNS="140")
    assert result.status == 0
    assert result.err == ""
    for spec in specs.SPECS.values():
        for text in (spec.name, spec.shows, f"{spec.parameters:,}"):
            assert text in result.out
    assert "\x1b" not in result.out
    whole = process("list", "--json").out
    for spec in specs.SPECS.values():
        for text in (spec.network.cls, f"{spec.network.file}.py"):
            assert f'"{text}"' in whole
    assert "metadata (N, 10)" in whole


def test_version_and_help_name_every_verb() -> None:
    assert process("--version").out.startswith("triptych 0.")
    text = process("--help").out
    assert process().out == text
    verbs = "list show compare bench parity record conventions train predict data completion"
    for verb in verbs.split():
        assert re.search(rf"\n    {verb}\s", text)
        assert status([verb, "--help"]) == 0


@one
@pytest.mark.parametrize("verb", ["compare", "bench", "parity", "train", "record"])
def test_a_device_that_is_missing_is_named(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    one_backend = verb in ("train", "record")
    extra = ["--backend", BACKEND] if one_backend else ["--backends", BACKEND]
    result = here(verb, "basic_net", *extra, "--device", "cuda", folder=tmp_path)
    assert result.status == 2
    last = result.err.strip().splitlines()[-1]
    assert last.startswith("triptych: ")
    assert BACKEND in last
    assert "device" in last
    assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def digits(tmp_path: Path) -> list[Path]:
    """Three digits as PNG files, of classes 0, 1 and 2."""
    return write_digits(tmp_path)


@one
def test_train_then_predict_in_every_backend(tmp_path: Path, digits: list[Path]) -> None:
    path, log = tmp_path / "w.safetensors", tmp_path / "history.json"
    trained = process(
        "train", "basic_net", "--backend", BACKEND, "--epochs", "4", "-o", str(path),
        "--json", str(log),
    )  # fmt: skip
    assert trained.status == 0, trained.err
    assert f"weights written to {path}" in trained.out
    assert trained.err.count(f"{BACKEND} epoch ") == 4
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
        predicted = here("predict", str(path), *map(str, digits), "--backend", backend, "--json")
        assert predicted.status == 0, predicted.err
        assert predicted.err == ""
        rows = json.loads(predicted.out)
        assert [row["digit"] for row in rows] == [0, 1, 2]
        assert [row["image"] for row in rows] == list(map(str, digits))
        confidences.append([row["confidence"] for row in rows])
    np.testing.assert_allclose(confidences, [confidences[0]] * len(INSTALLED), rtol=1e-4)
    assert all(0.1 < value <= 1 for value in confidences[0])
    table = here("predict", str(path), str(digits[2]))
    assert "digit2.png" in table.out
    assert "%" in table.out


@one
def test_options_change_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    trained = process(
        "train", "mnist_classifier", "--backend", BACKEND, "--preset", "fast", "--epochs", "1",
        "--batch-size", "400", "-o", str(path), "--json",
    )  # fmt: skip
    assert trained.status == 0, trained.err
    value = strict(trained.out)  # progress is elsewhere
    assert f"{BACKEND} epoch 1/1" in trained.err
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
    message = refused(capsys, "predict", str(nameless), image)
    assert "does not say which architecture it is for; name it with --architecture" in message
    message = refused(capsys, "predict", str(nameless), image, "--architecture", "basic_net")
    assert "missing fc1.bias (128,)" in message
    assert "fc1.weight is (2, 2) and should be (128, 784)" in message
    none = ["--architecture", "basic_net", str(tmp_path / "no.png")]
    assert "no such file" in refused(capsys, "predict", str(nameless), *none)
    assert "it is not trained" in refused(
        capsys, "predict", str(nameless), image, "--architecture", "inference_model"
    )


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A canvas as a PNG file, its pixels, and its mask."""
    return write_scene(tmp_path)


def write_untrained(backend: str, folder: Path) -> None:
    """In a worker: weights as `triptych train` writes them, without a training."""
    for name in DRAWN:
        network = specs.find(name).network
        arrays = registry.load(backend).build(network, seed=1).weights()
        metadata = {"architecture": name, "config": network.plain_config()}
        weights.write(folder / name, arrays, metadata)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory, lend: Lend) -> dict[str, Path]:
    """Files of weights of the networks that draw."""
    folder = tmp_path_factory.mktemp("untrained")
    lend(BACKEND).call(write_untrained, BACKEND, folder)
    return {name: folder / name for name in DRAWN}


@one
@pytest.mark.xdist_group("untrained")
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
    told = here(*command)
    assert told.status == 0, told.err
    assert told.err == ""
    assert f"unet on {BACKEND}" in told.out
    names = ["scene-mask.png", "large-mask.png"]
    assert told.out.splitlines()[-2:] == [f"written to {out / name}" for name in names]
    assert {file.name for file in out.iterdir()} == set(names)
    rows = json.loads(here(*command, "--json").out)
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
            assert str(digit) in told.out
            assert str(count) in told.out
            painted = (pixels == draw.PALETTE[digit]).all(axis=-1).sum() - draw.SWATCH**2
            assert painted in {count * scale**2 for scale in (4, 5, 6)}


@one
@pytest.mark.xdist_group("untrained")
def test_a_network_that_transcribes_writes_its_attention(
    untrained: dict[str, Path], digits: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["predict", str(untrained["seq2seq"]), *map(str, digits[:2])]
    told = here(*command)
    assert told.status == 0, told.err
    assert told.err == ""
    assert told.out.splitlines()[-2:] == [
        "written to digit0-attention.png",
        "written to digit1-attention.png",
    ]
    rows = json.loads(here(*command, "--json").out)
    for row, path in zip(rows, digits, strict=False):
        assert row["image"] == str(path)
        assert row["picture"] == f"{path.stem}-attention.png"
        assert row["columns"] == 28
        written = len(row["digits"]) + row["ended"]
        assert row["digits"] + ("" if row["ended"] else " (no end)") + " " in told.out
        with Image.open(row["picture"]) as drawn:
            assert drawn.format == "PNG"
            top = draw.MARGIN + 28 * draw.attention_scale(28) + draw.GAP
            assert drawn.height == top + written * draw.ROW + draw.MARGIN


@one
def test_mnist_that_cannot_be_had_is_replaced_by_the_sample_with_a_notice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Port 9 of this machine answers nobody.
    nowhere = dict.fromkeys(download.MIRRORS, ("http://127.0.0.1:9/",))
    monkeypatch.setattr(download, "MIRRORS", nowhere)
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
    message = refused(capsys, "compare", "--data", "fashion_mnist", *common)
    assert "cannot download fashion_mnist" in message


@one
def test_parity_exits_with_its_verdict_and_writes_every_check(tmp_path: Path) -> None:
    path = tmp_path / "parity.json"
    result = here(
        "parity", "basic_net", "--dtype", "float64", "--no-trainings", "--json", str(path)
    )
    proved = len(INSTALLED) > 1
    assert result.status == (0 if proved else 1)
    written = json.loads(path.read_text())
    assert written["proved"] is proved
    assert f"{len(written['checks'])} checks" in result.out
    if proved:
        assert {check["rung"] for check in written["checks"]} == {
            "mirror", "counts", "tensors", "outputs", "forward", "exchange",
            "activations", "methods", "loss", "gradients", "dropout", "edges", "trainers",
            "variants",
        }  # fmt: skip
    else:
        assert "nothing is proved" in result.out
    assert "\x1b" not in result.out


@one
@exhaustive  # docs/parity.md does the same
def test_shards_are_merged_into_what_a_single_climb_gives(tmp_path: Path) -> None:
    climb = ("parity", "basic_net", "skip_mlp", "--no-trainings", "--dtype", "float64")
    proved = len(INSTALLED) > 1
    paths = ["1.json", "2.json"]
    for path, shard in zip(paths, ("1/2", "2/2"), strict=True):
        result = here(*climb, "--shard", shard, "--json", path, folder=tmp_path)
        assert result.status == (0 if proved else 1), result.out + result.err
    one, two = (json.loads((tmp_path / path).read_text()) for path in paths)
    cases = [{(c["architecture"], c["case"]) for c in part["checks"]} for part in (one, two)]
    assert cases[0].isdisjoint(cases[1])
    merged = here("parity", *paths, "--json", "whole.json", folder=tmp_path)
    assert merged.status == (0 if proved else 1), merged.out + merged.err
    whole = json.loads((tmp_path / "whole.json").read_text())
    assert whole["proved"] is proved
    assert len(whole["checks"]) == len(one["checks"]) + len(two["checks"])
    expected = {
        (spec.name, label)
        for spec in map(specs.find, ("basic_net", "skip_mlp"))
        for label in ("sources", *(case.label for case in spec.cases))
    }
    assert {(c["architecture"], c["case"]) for c in whole["checks"]} == expected
    assert f"{len(whole['checks'])} checks" in merged.out
    twice = here("parity", paths[0], paths[0], folder=tmp_path)
    assert twice.status == 2
    assert "are the same shard, 1/2" in twice.err


@one
def test_evidence_is_recorded_and_held_against_itself(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.safetensors") for name in ("one", "two")]
    for path, extra in zip(paths, ([], ["--json"]), strict=True):
        options = ("--backend", BACKEND, "--dtype", "float32", "--no-trainings", "-o", path)
        result = here("record", "skip_mlp", *options, *extra)
        assert result.status == 0, result.err
        if not extra:
            assert result.out.startswith(f"evidence of skip_mlp by {BACKEND} (")
            continue
        value = strict(result.out)
        assert (value["architecture"], value["backend"]) == ("skip_mlp", BACKEND)
        assert value["dtypes"] == ["float32"]
        assert value["cases"] == [case.label for case in specs.find("skip_mlp").cases]
        assert (value["file"], value["bytes"]) == (path, Path(path).stat().st_size)
        assert value["versions"]
    result = here("parity", *paths)
    assert result.status == 0, result.out
    assert f"{BACKEND}#2" in result.out
    assert "not compared from files: the sources (mirror)" in result.out
    assert " 0 failed, 0 missing" in result.out
    result = here("parity", *paths, "--dtype", "float64")
    assert result.status == 2
    assert "do not all have float64; record all with the same --dtype" in result.err
