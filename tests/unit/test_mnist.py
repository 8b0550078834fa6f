"""The MNIST loader: its arrays, its files in every layout, its failures and its downloads.

The full data sets are read only where TRIPTYCH_DATA names a directory that holds them. Elsewhere
tiny ones stand in, by other sums and counts in the loader's tables; the code is the same.
"""

import gzip
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from shared import mnist
from shared.errors import ConfigurationError, DataError, InputError
from tests.idx_files import FULL_NAMES, GIVEN, put, require_full

ROOT = Path(mnist.__file__).parents[1]
Contents = dict[str, dict[str, bytes]]


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests from the user's own data."""
    monkeypatch.delenv(mnist.DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setattr(mnist.platformdirs, "user_cache_dir", lambda app: str(tmp_path / app))


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Contents:
    """Make MNIST and Fashion-MNIST two sets of 30 and 20 random images; return their contents."""
    from hashlib import sha256

    rng = np.random.default_rng(7)
    sets: Contents = {}
    for name in FULL_NAMES:
        sets[name] = {}
        for part, count in (("train", 30), ("t10k", 20)):
            images = rng.integers(0, 256, (count, 28, 28))
            sets[name][f"{part}-images-idx3-ubyte"] = idx(images)
            sets[name][f"{part}-labels-idx1-ubyte"] = idx(rng.integers(0, 10, count))
        sums = {file: sha256(contents).hexdigest() for file, contents in sets[name].items()}
        monkeypatch.setitem(mnist.SUMS, name, sums)
        monkeypatch.setitem(mnist.COUNTS, name, (30, 20))
    return sets


def files_under(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def assert_holds(data: mnist.Dataset, files: dict[str, bytes]) -> None:
    for split, part in ((data.train, "train"), (data.test, "t10k")):
        assert split.images.tobytes() == files[f"{part}-images-idx3-ubyte"][16:]
        assert bytes(split.labels.tolist()) == files[f"{part}-labels-idx1-ubyte"][8:]


def sentence(call: Callable[[], object]) -> str:
    """The sentence of the DataError that a call raises."""
    with pytest.raises(DataError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


# The sample and the arrays


def test_the_sample_has_the_promised_shapes_and_types() -> None:
    data = mnist.load("sample", download=False)
    assert (data.name, data.source) == ("sample", "the embedded sample")
    for split, count in ((data.train, 4000), (data.test, 1000)):
        assert split.images.shape == (count, 28, 28, 1)
        assert split.images.dtype == np.uint8
        assert split.labels.shape == (count,)
        assert split.labels.dtype == np.int32
        assert split.images.flags.writeable  # PyTorch warns of arrays that are not
        assert np.bincount(split.labels).tolist() == [count // 10] * 10


def test_the_sample_is_shuffled_and_has_no_image_twice() -> None:
    data = mnist.load("sample")
    images = np.concatenate([data.train.images, data.test.images])
    assert len({image.tobytes() for image in images}) == 5000
    for split in (data.train, data.test):
        first = np.bincount(split.labels[: len(split.labels) // 4], minlength=10)
        assert first.min() > 0.5 * first.mean()


def test_normalise_equals_the_formula_for_every_pixel_value() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    result = mnist.normalise(pixels)
    assert result.dtype == np.float32
    assert result.shape == pixels.shape
    expected = (pixels / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-7)


def test_normalise_refuses_images_that_are_not_bytes() -> None:
    with pytest.raises(InputError, match="float64; they must be uint8"):
        mnist.normalise(np.zeros((1, 28, 28, 1)))


@pytest.mark.parametrize("name", FULL_NAMES)
def test_the_full_set_loads_whole(name: str) -> None:
    require_full(name)
    data = mnist.load(name, GIVEN, download=False)
    assert data.train.images.shape == (60_000, 28, 28, 1)
    assert data.test.images.shape == (10_000, 28, 28, 1)
    assert all(check.ok for check in mnist.verify(name, GIVEN))


def test_the_sample_is_part_of_the_full_training_set() -> None:
    require_full("mnist")
    full = mnist.load("mnist", GIVEN, download=False)
    labels = {
        image.tobytes(): label
        for image, label in zip(full.train.images, full.train.labels, strict=True)
    }
    sample = mnist.load("sample")
    for split in (sample.train, sample.test):
        for image, label in zip(split.images, split.labels, strict=True):
            assert labels[image.tobytes()] == label


# The order of the batches


def test_an_epoch_order_is_a_permutation_that_depends_on_its_arguments_alone() -> None:
    first = mnist.epoch_order(1000, 3, 5)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    mnist.epoch_order(1000, 8, 1)
    again = mnist.epoch_order(1000, 3, 5)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]
    assert first.dtype == np.int64
    assert sorted(first.tolist()) == list(range(1000))
    assert first.tolist() == again.tolist()
    orders = {tuple(mnist.epoch_order(1000, s, e)) for s in range(4) for e in range(4)}
    assert len(orders) == 16


@pytest.mark.parametrize("arguments", [(-1, 0, 0), (10, -1, 0), (10, 0, -1)])
def test_an_epoch_order_refuses_negative_arguments(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigurationError, match="must each be 0 or more"):
        mnist.epoch_order(*arguments)


def rows(count: int) -> dict[str, np.ndarray]:
    return {"image": np.arange(count * 2).reshape(count, 2), "label": np.arange(count)}


@pytest.mark.parametrize(
    ("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])], ids=["keep", "drop"]
)
@pytest.mark.parametrize("seed", [None, 0])
def test_batches_have_the_right_sizes_and_keep_rows_together(
    drop_last: bool, sizes: list[int], seed: int | None
) -> None:
    got = list(mnist.batches(rows(10), 4, seed=seed, drop_last=drop_last))
    assert [len(batch["label"]) for batch in got] == sizes
    for batch in got:
        assert list(batch) == ["image", "label"]
        assert (batch["image"][:, 0] == 2 * batch["label"]).all()


def test_batches_come_in_order_without_a_seed_and_in_the_epochs_order_with_one() -> None:
    def labels(**how: int) -> list[int]:
        return np.concatenate([b["label"] for b in mnist.batches(rows(100), 7, **how)]).tolist()  # type: ignore[arg-type]

    assert labels() == list(range(100))
    assert labels(epoch=3) == list(range(100))
    assert labels(seed=2) == mnist.epoch_order(100, 2, 0).tolist()
    assert labels(seed=2, epoch=1) == mnist.epoch_order(100, 2, 1).tolist()


def test_no_rows_give_no_batches() -> None:
    assert list(mnist.batches(rows(0), 4, seed=1)) == []


def test_batches_refuse_at_the_call_what_they_cannot_do() -> None:
    with pytest.raises(ConfigurationError, match="batch size 0 must be 1 or more"):
        mnist.batches(rows(3), 0)
    with pytest.raises(DataError, match=r"'image': 3, 'label': 2.*must be of one length"):
        mnist.batches({"image": np.zeros((3, 1)), "label": np.zeros(2)}, 1)
    with pytest.raises(DataError, match="must be of one length"):
        mnist.batches({}, 1)


# Where files are found


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("dot", [False, True], ids=["dash", "dot"])
@pytest.mark.parametrize("flat", [False, True], ids=["torchvision", "flat"])
@pytest.mark.parametrize("name", FULL_NAMES)
def test_every_layout_is_read(
    name: str, flat: bool, dot: bool, zipped: bool, tiny: Contents, tmp_path: Path
) -> None:
    torchvision = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}
    folder = tmp_path if flat else tmp_path / torchvision[name]
    put(folder, tiny[name], zipped=zipped, dot=dot)
    data = mnist.load(name, tmp_path, download=False)
    assert data.source == str(folder)
    assert_holds(data, tiny[name])
    checks = mnist.verify(name, tmp_path)
    assert len(checks) == 4
    assert all(check.ok and check.path.parent == folder for check in checks)
    found = {s.name: (s.found, s.where, s.problem) for s in mnist.status(tmp_path)}
    other = next(n for n in FULL_NAMES if n != name)
    assert found[name] == (True, folder, None)
    assert found[other] == (False, None, None)
    assert found["sample"] == (True, mnist.SAMPLE_FOLDER, None)


def test_the_directory_is_the_argument_else_the_variable_else_the_cache(
    tiny: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "triptych", tiny["mnist"])
    assert mnist.load("mnist", download=False).source == str(tmp_path / "triptych")
    put(tmp_path / "variable", tiny["mnist"])
    monkeypatch.setenv("TRIPTYCH_DATA", str(tmp_path / "variable"))
    assert mnist.load("mnist", download=False).source == str(tmp_path / "variable")
    put(tmp_path / "argument", tiny["mnist"])
    argument = str(tmp_path / "argument")
    assert mnist.load("mnist", argument, download=False).source == argument


def test_a_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert mnist.data_directory("~/data") == tmp_path / "data"


def test_a_flat_file_of_the_other_data_set_is_passed_over(tiny: Contents, tmp_path: Path) -> None:
    put(tmp_path, tiny["fashion_mnist"])
    text = sentence(lambda: mnist.load("mnist", tmp_path, download=False))
    assert f"mnist is not in {tmp_path}: train-images-idx3-ubyte is missing" in text
    assert [s.found for s in mnist.status(tmp_path)] == [True, False, True]
    assert [s.problem for s in mnist.status(tmp_path)] == [None, None, None]
    assert {check.problem for check in mnist.verify("mnist", tmp_path)} == {"is missing"}
    # And the two may lie side by side.
    put(tmp_path, tiny["mnist"], zipped=True)
    for name in FULL_NAMES:
        assert_holds(mnist.load(name, tmp_path, download=False), tiny[name])


def test_a_whole_file_is_preferred_to_a_damaged_one_which_verify_still_names(
    tiny: Contents, tmp_path: Path
) -> None:
    put(tmp_path, tiny["mnist"], zipped=True)
    bad = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    put(bad.parent, {bad.name: b"damaged"})
    assert_holds(mnist.load("mnist", tmp_path, download=False), tiny["mnist"])
    checks = mnist.verify("mnist", tmp_path)
    assert len(checks) == 5
    assert [check.path for check in checks if not check.ok] == [bad]


def test_a_folder_with_the_name_of_a_file_is_passed_over(tiny: Contents, tmp_path: Path) -> None:
    put(tmp_path, tiny["mnist"], dot=True)
    (tmp_path / mnist.TRAIN_IMAGES).mkdir()
    assert_holds(mnist.load("mnist", tmp_path, download=False), tiny["mnist"])
    assert [check.ok for check in mnist.verify("mnist", tmp_path)] == [True] * 4


# Files that are missing or damaged


def test_a_missing_data_set_and_a_missing_file_are_named(tiny: Contents, tmp_path: Path) -> None:
    text = sentence(lambda: mnist.load("mnist", tmp_path / "none", download=False))
    assert text.startswith(f"mnist is not in {tmp_path / 'none'}")
    assert "TRIPTYCH_DATA" in text
    assert "'sample'" in text
    put(tmp_path, tiny["mnist"])
    (tmp_path / mnist.TEST_LABELS).unlink()
    text = sentence(lambda: mnist.load("mnist", tmp_path, download=False))
    assert "t10k-labels-idx1-ubyte is missing" in text
    record = mnist.status(tmp_path)[1]
    assert (record.found, record.where) == (False, tmp_path)
    assert record.problem is not None
    assert record.problem.endswith("t10k-labels-idx1-ubyte is missing")
    assert [check.ok for check in mnist.verify("mnist", tmp_path)] == [True, True, True, False]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda b: b[:0], "begins with nothing, where the IDX magic number 00000803 is right"),
    "magic": (lambda b: b"\0\0\x08\x01" + b[4:], "begins with 00000801, where the IDX magic"),
    "header": (lambda b: b[:11], "ends after 11 bytes, within its header of 16"),
    "dimensions": (
        lambda b: b[:8] + struct.pack(">I", 27) + b[12:],
        r"has the dimensions (30, 27, 28), where mnist has (30, 28, 28)",
    ),
    "truncated": (lambda b: b[:-5], "holds 23515 bytes of values, where 23520 are right"),
    "too long": (lambda b: b + b"\0", "holds 23521 bytes of values, where 23520 are right"),
    "one bit": (lambda b: b[:-1] + bytes([b[-1] ^ 1]), "is damaged: its contents' SHA-256 is "),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_contents_are_told(case: str, zipped: bool, tiny: Contents, tmp_path: Path) -> None:
    damage, expected = DAMAGE[case]
    put(tmp_path, tiny["mnist"], zipped=zipped)
    broken = damage(tiny["mnist"][mnist.TRAIN_IMAGES])
    put(tmp_path, {mnist.TRAIN_IMAGES: broken}, zipped=zipped)
    assert_told(tmp_path, tmp_path / (mnist.TRAIN_IMAGES + (".gz" if zipped else "")), expected)


GZIP_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda b: b[: len(b) // 2],  # EOFError
    "not gzip": lambda b: b"<html>" + b,  # BadGzipFile
    "checksum": lambda b: b[:-8] + bytes(4) + b[-4:],  # BadGzipFile
    "stream": lambda b: b[:10] + b"\xff" * 30 + b[40:],  # zlib.error
}


@pytest.mark.parametrize("case", GZIP_DAMAGE)
def test_damaged_gzip_files_are_told(case: str, tiny: Contents, tmp_path: Path) -> None:
    put(tmp_path, tiny["mnist"], zipped=True)
    path = tmp_path / f"{mnist.TRAIN_IMAGES}.gz"
    path.write_bytes(GZIP_DAMAGE[case](path.read_bytes()))
    assert_told(tmp_path, path, "is not a whole gzip file (")


def test_a_file_that_cannot_be_read_is_told(
    tiny: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, tiny["mnist"])
    path, read = tmp_path / mnist.TRAIN_IMAGES, Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert_told(tmp_path, path, "cannot be read: Permission denied")


def test_the_other_data_sets_file_in_torchvisions_folder_is_told(
    tiny: Contents, tmp_path: Path
) -> None:
    folder = tmp_path / "MNIST" / "raw"
    put(folder, tiny["fashion_mnist"])
    assert_told(tmp_path, folder / mnist.TRAIN_IMAGES, "is fashion_mnist's file, not mnist's")


def assert_told(directory: Path, path: Path, expected: str) -> None:
    """Load, status and verify all name the file and say what is wrong, and nothing is mended."""
    text = sentence(lambda: mnist.load("mnist", directory))
    assert text.startswith(f"{path} {expected}")
    assert text.endswith("; remove it or download mnist again")
    bad = [check for check in mnist.verify("mnist", directory) if not check.ok]
    assert bad[0].path == path
    assert bad[0].problem is not None
    assert bad[0].problem.startswith(expected)
    record = mnist.status(directory)[1]
    assert (record.found, record.where) == (False, path.parent)
    assert record.problem == f"{path} {bad[0].problem}"


def test_a_damaged_sample_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "SAMPLE_FOLDER", tmp_path)
    text = sentence(lambda: mnist.load("sample"))
    assert "train-images-idx3-ubyte.gz is missing; install triptych again" in text
    assert "install triptych again" in sentence(lambda: mnist.download("sample"))


@pytest.mark.parametrize("call", [mnist.load, mnist.verify, mnist.download])
def test_an_unknown_name_is_told_with_those_that_exist(call: Callable[[str], object]) -> None:
    with pytest.raises(ConfigurationError, match="'cifar'; there are sample, mnist, fashion_mnist"):
        call("cifar")


# Downloads, by the real code, from a server on this machine


class Mirrors:
    """A server of several mirrors: an answer by path, and the paths that were asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answers.get(self.path, lambda h: h.send_error(404))(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False  # so that closing waits for every answer

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        if self.released.is_set():
            return
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def serve(
        self, mirror: str, files: dict[str, bytes], *, cut: bool = False, encoded: bool = False
    ) -> None:
        """Offer files, gzipped; `cut` breaks off half-way, `encoded` lets the client unpack."""
        for file, contents in files.items():
            self.answers[f"/{mirror}/{file}.gz"] = self.answer(
                gzip.compress(contents), cut, encoded
            )

    @staticmethod
    def answer(
        blob: bytes, cut: bool = False, encoded: bool = False
    ) -> Callable[[BaseHTTPRequestHandler], None]:
        def send(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(blob)))
            if encoded:
                handler.send_header("Content-Encoding", "gzip")
            handler.end_headers()
            handler.wfile.write(blob[: len(blob) // 2] if cut else blob)
            handler.close_connection = True

        return send


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirrors]:
    server = Mirrors()
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    monkeypatch.setitem(mnist.MIRRORS, "mnist", (f"{server.url}/one/", f"{server.url}/two/"))
    monkeypatch.setitem(mnist.MIRRORS, "fashion_mnist", (f"{server.url}/fashion/",))
    yield server
    server.close()


@pytest.mark.parametrize("name", FULL_NAMES)
def test_a_download_is_stored_as_torchvision_has_it_and_made_once(
    name: str, mirrors: Mirrors, tiny: Contents, tmp_path: Path
) -> None:
    mirrors.serve("one" if name == "mnist" else "fashion", tiny[name])
    data = mnist.load(name, tmp_path / "new" / "data")
    assert_holds(data, tiny[name])
    folder = tmp_path / "new" / "data" / mnist.FOLDERS[name]
    assert data.source == str(folder)
    assert files_under(tmp_path) == sorted(
        str((folder / file).relative_to(tmp_path)) for file in mnist.FILES
    )
    for file in mnist.FILES:
        assert (folder / file).read_bytes() == tiny[name][file]
    assert len(mirrors.asked) == 4
    mnist.load(name, tmp_path / "new" / "data")
    assert mnist.download(name, tmp_path / "new" / "data") == folder
    assert len(mirrors.asked) == 4


def test_only_what_is_missing_is_downloaded(
    mirrors: Mirrors, tiny: Contents, tmp_path: Path
) -> None:
    put(tmp_path, tiny["mnist"], zipped=True)
    (tmp_path / f"{mnist.TEST_LABELS}.gz").unlink()
    mirrors.serve("one", tiny["mnist"])
    assert_holds(mnist.load("mnist", tmp_path), tiny["mnist"])
    assert mirrors.asked == ["/one/t10k-labels-idx1-ubyte.gz"]


def test_download_mends_a_damaged_file(mirrors: Mirrors, tiny: Contents, tmp_path: Path) -> None:
    mirrors.serve("one", tiny["mnist"])
    folder = mnist.download("mnist", tmp_path)
    (folder / mnist.TEST_IMAGES).write_bytes(b"damaged")
    assert "begins with 64616d61" in sentence(lambda: mnist.load("mnist", tmp_path))
    mnist.download("mnist", tmp_path)
    assert_holds(mnist.load("mnist", tmp_path, download=False), tiny["mnist"])


def test_the_sample_needs_no_download(mirrors: Mirrors) -> None:
    assert mnist.download("sample") == mnist.SAMPLE_FOLDER
    assert mirrors.asked == []


def test_contents_that_the_client_unpacked_are_right_too(
    mirrors: Mirrors, tiny: Contents, tmp_path: Path
) -> None:
    mirrors.serve("one", tiny["mnist"], encoded=True)
    assert_holds(mnist.load("mnist", tmp_path), tiny["mnist"])
    assert all(path.startswith("/one/") for path in mirrors.asked)


def serve_wrong(mirrors: Mirrors, tiny: Contents) -> None:
    mirrors.serve("one", tiny["fashion_mnist"])


def serve_cut(mirrors: Mirrors, tiny: Contents) -> None:
    mirrors.serve("one", tiny["mnist"], cut=True)


def serve_page(mirrors: Mirrors, tiny: Contents) -> None:
    for file in tiny["mnist"]:
        mirrors.answers[f"/one/{file}.gz"] = mirrors.answer(b"<html>Please log in</html>")


def serve_half_a_gzip(mirrors: Mirrors, tiny: Contents) -> None:
    for file, contents in tiny["mnist"].items():
        half = gzip.compress(contents)[: len(contents) // 2]
        mirrors.answers[f"/one/{file}.gz"] = mirrors.answer(half[:-9])


def serve_nothing(mirrors: Mirrors, tiny: Contents) -> None:
    pass


def serve_silence(mirrors: Mirrors, tiny: Contents) -> None:
    def wait(handler: BaseHTTPRequestHandler) -> None:
        mirrors.released.wait(60)
        handler.close_connection = True

    for file in tiny["mnist"]:
        mirrors.answers[f"/one/{file}.gz"] = wait


BAD_MIRRORS = {
    "wrong": (serve_wrong, "is fashion_mnist's file, not mnist's"),
    "cut": (serve_cut, "could not be reached or broke off"),
    "page": (serve_page, "begins with 3c68746d, where the IDX magic number"),
    "half a gzip": (serve_half_a_gzip, "is not a whole gzip file"),
    "404": (serve_nothing, "answered with status 404"),
    "silence": (serve_silence, "did not answer in time"),
}


@pytest.mark.parametrize("case", BAD_MIRRORS)
def test_a_bad_mirror_is_told_and_leaves_nothing_and_the_next_one_is_tried(
    case: str,
    mirrors: Mirrors,
    tiny: Contents,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if case == "silence":
        monkeypatch.setattr(mnist, "TIMEOUT", (4, 1))
    serve, expected = BAD_MIRRORS[case]
    serve(mirrors, tiny)
    text = sentence(lambda: mnist.load("mnist", tmp_path))
    asked = [f"/{mirror}/train-images-idx3-ubyte.gz" for mirror in ("one", "two")]
    assert mirrors.asked == asked
    assert text.startswith(f"cannot download mnist: {mirrors.url}{asked[0]} {expected}")
    assert f"; {mirrors.url}{asked[1]} answered with status 404" in text
    assert files_under(tmp_path) == []

    mirrors.serve("two", tiny["mnist"])
    assert_holds(mnist.load("mnist", tmp_path), tiny["mnist"])
    folder = mnist.FOLDERS["mnist"]
    assert files_under(tmp_path) == sorted(str(folder / file) for file in mnist.FILES)


@pytest.mark.usefixtures("tiny")
def test_mirrors_that_cannot_be_reached_are_told(tmp_path: Path, mirrors: Mirrors) -> None:
    mirrors.close()  # the port is free again, so a connection is refused
    text = sentence(lambda: mnist.load("mnist", tmp_path))
    assert f"{mirrors.url}/two/train-images-idx3-ubyte.gz could not be reached" in text
    assert files_under(tmp_path) == []


def test_a_directory_that_cannot_be_written_is_told_before_any_transfer(
    mirrors: Mirrors, tiny: Contents, tmp_path: Path
) -> None:
    mirrors.serve("one", tiny["mnist"])
    (tmp_path / "file").write_text("not a directory")
    text = sentence(lambda: mnist.load("mnist", tmp_path / "file"))
    assert text.startswith(f"cannot write {mnist.TRAIN_IMAGES} into {tmp_path / 'file'}")
    assert "TRIPTYCH_DATA" in text
    assert mirrors.asked == []


def test_a_full_disk_is_told_and_leaves_nothing(
    mirrors: Mirrors, tiny: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        assert self.parent == target.parent  # a rename within a folder is atomic
        assert self.read_bytes() == tiny["mnist"][target.name]
        raise OSError(28, "No space left on device", str(target))

    mirrors.serve("one", tiny["mnist"])
    monkeypatch.setattr(Path, "replace", refuse)
    text = sentence(lambda: mnist.load("mnist", tmp_path))
    assert ": No space left on device; " in text
    assert files_under(tmp_path) == []


@pytest.mark.usefixtures("tiny")
def test_an_interrupted_download_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist._Bar, "reset", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mnist.load("mnist", tmp_path)
    assert files_under(tmp_path) == []


@pytest.mark.parametrize("progress", [True, False])
def test_progress_is_shown_on_stderr_when_wanted(
    progress: bool,
    mirrors: Mirrors,
    tiny: Contents,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mirrors.serve("one", tiny["mnist"])
    mnist.load("mnist", tmp_path, progress=progress)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("mnist: train-images-idx3-ubyte" in printed.err) is progress
    if progress:
        size = len(gzip.compress(tiny["mnist"][mnist.TRAIN_IMAGES])) / 1000
        assert f"{size:.1f}/{size:.1f} kB" in printed.err
    else:
        assert printed.err == ""


def test_the_loader_imports_no_framework() -> None:
    script = (
        "import sys; from shared import mnist; data = mnist.load('sample');"
        "mnist.normalise(data.train.images); list(mnist.batches({'x': data.train.images}, 100));"
        "frameworks = {'torch', 'torchvision', 'jax', 'flax', 'tensorflow', 'keras'};"
        "print(sorted(frameworks & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr
