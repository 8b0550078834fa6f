"""Downloads, by the real code, from a server on this machine."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.data import download, files, mnist
from tests.idx_files import FULL_NAMES, put
from tests.unit.data.conftest import Contents, assert_holds, sentence


def files_under(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


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
    monkeypatch.setitem(download.MIRRORS, "mnist", (f"{server.url}/one/", f"{server.url}/two/"))
    monkeypatch.setitem(download.MIRRORS, "fashion_mnist", (f"{server.url}/fashion/",))
    yield server
    server.close()


@pytest.mark.parametrize("name", FULL_NAMES)
def test_a_download_is_stored_as_torchvision_has_it_and_made_once(
    name: str, mirrors: Mirrors, tiny: Contents, tmp_path: Path
) -> None:
    mirrors.serve("one" if name == "mnist" else "fashion", tiny[name])
    data = mnist.load(name, tmp_path / "new" / "data")
    assert_holds(data, tiny[name])
    folder = tmp_path / "new" / "data" / files.FOLDERS[name]
    assert data.source == str(folder)
    assert files_under(tmp_path) == sorted(
        str((folder / file).relative_to(tmp_path)) for file in files.FILES
    )
    for file in files.FILES:
        assert (folder / file).read_bytes() == tiny[name][file]
    assert len(mirrors.asked) == 4
    mnist.load(name, tmp_path / "new" / "data")
    assert download.download(name, tmp_path / "new" / "data") == folder
    assert len(mirrors.asked) == 4


def test_only_what_is_missing_is_downloaded(
    mirrors: Mirrors, tiny: Contents, tmp_path: Path
) -> None:
    put(tmp_path, tiny["mnist"], zipped=True)
    (tmp_path / f"{files.TEST_LABELS}.gz").unlink()
    mirrors.serve("one", tiny["mnist"])
    assert_holds(mnist.load("mnist", tmp_path), tiny["mnist"])
    assert mirrors.asked == ["/one/t10k-labels-idx1-ubyte.gz"]


def test_download_mends_a_damaged_file(mirrors: Mirrors, tiny: Contents, tmp_path: Path) -> None:
    mirrors.serve("one", tiny["mnist"])
    folder = download.download("mnist", tmp_path)
    (folder / files.TEST_IMAGES).write_bytes(b"damaged")
    assert "begins with 64616d61" in sentence(lambda: mnist.load("mnist", tmp_path))
    download.download("mnist", tmp_path)
    assert_holds(mnist.load("mnist", tmp_path, download=False), tiny["mnist"])


def test_the_sample_needs_no_download(mirrors: Mirrors) -> None:
    assert download.download("sample") == files.SAMPLE_FOLDER
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
        monkeypatch.setattr(download, "TIMEOUT", (4, 0.5))
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
    folder = files.FOLDERS["mnist"]
    assert files_under(tmp_path) == sorted(str(folder / file) for file in files.FILES)


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
    assert text.startswith(f"cannot write {files.TRAIN_IMAGES} into {tmp_path / 'file'}")
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

    monkeypatch.setattr(download._Bar, "reset", interrupt)
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
        size = len(gzip.compress(tiny["mnist"][files.TRAIN_IMAGES])) / 1000
        assert f"{size:.1f}/{size:.1f} kB" in printed.err
    else:
        assert printed.err == ""
