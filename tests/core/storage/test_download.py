"""Downloads from a hub that stalls, disconnects and sends wrong files."""

import hashlib
import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vicinal.core.storage import download
from vicinal.core.storage.download import HubFile, fetch, find_cached
from vicinal.errors import ModelFileError, RunError, SettingError

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
HASH = hashlib.sha256(CONTENT).hexdigest()
WANTED = HubFile("timm/tiny.in1k", "c0ffee", "model.safetensors", HASH, len(CONTENT))
OF_A_BRANCH = HubFile("timm/tiny.in1k", "main", "model.safetensors")
QUICK = 0.2  # seconds without a byte, where a server stalls
MANUALLY = r"To download it manually, save http.*model\.safetensors.* --weights FILE"


class Hub(ThreadingHTTPServer):
    """A hub on this machine: it tells the hash and sends on to its storage.

    `moods` says how each request for the content is answered, the last one also all
    that follow; `asked` keeps the Range of each.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.moods = ["well"]
        self.asked: list[str | None] = []
        self.content = CONTENT
        self.etag = f'"{HASH}"'
        self.go = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent where a client has gone away."""


class Answers(BaseHTTPRequestHandler):
    server: Hub  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def begin(self, code: int, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def do_GET(self) -> None:
        if self.path != "/storage":
            messages = {"X_Linked_ETag": self.server.etag, "X_Repo_Commit": "c0ffee"}
            return self.begin(302, Location="/storage", Content_Length=0, **messages)
        hub, asked = self.server, self.headers["Range"]
        hub.asked.append(asked)
        mood = hub.moods.pop(0) if len(hub.moods) > 1 else hub.moods[0]
        start = int(asked.strip("bytes=-")) if asked else 0
        start = 0 if mood == "from the start" else start
        if mood.isdigit():
            self.begin(int(mood), Content_Length=0)
        elif start >= len(hub.content):
            self.begin(416, Content_Length=0)
        else:
            self.send(mood, start, hub.content[start:])

    def send(self, mood: str, start: int, body: bytes) -> None:
        body = {"wrong": b"x" * len(body), "a page": b"<p>Please log in"}.get(
            mood, body
        )
        length = len(body) + {"long": 1000, "short": -1000}.get(mood, 0)
        headers = {} if mood == "no length" else {"Content_Length": length}
        place = f"bytes {start}-{start + len(body) - 1}/{start + len(body)}"
        if mood == "hold":
            self.server.go.wait(60)
        self.begin(206 if start else 200, ETag='"md5"', Content_Range=place, **headers)
        sent = {"cut": 100_000, "stall": 100_000, "no byte": 0}.get(mood, len(body))
        self.wfile.write(body[:sent])
        self.wfile.flush()
        if mood in ("stall", "no byte"):
            self.server.go.wait(10)


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Iterator[Hub]:
    """A hub that is asked in place of the real one; the real one's cache is empty."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(download, "PAUSE", 0)
    yield server
    server.go.set()
    server.shutdown()
    server.server_close()
    thread.join()


def get(folder: Path, file: HubFile = WANTED, timeout: float = 10) -> Path:
    return fetch(file, folder, timeout=timeout)


def left_in(folder: Path) -> set[str]:
    """Endings of what lies there."""
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    return {name.removeprefix("model.safetensors") for name in names} - {".lock"}


@pytest.mark.parametrize("file", [WANTED, OF_A_BRANCH])
def test_a_file_is_downloaded_once_and_verified(hub, file, tmp_path):
    messages: list[str] = []
    path = fetch(file, tmp_path, log=messages.append)
    assert path == tmp_path / "timm--tiny.in1k" / file.revision / "model.safetensors"
    assert path.read_bytes() == CONTENT
    assert messages == [f"Downloading {file.address}"]
    assert file.address.startswith(f"{hub.address}/timm/tiny.in1k/resolve/")
    recorded = path.with_name("model.safetensors.sha256").read_text()
    assert recorded == f"{HASH}  model.safetensors\n"
    assert fetch(file, tmp_path) == path == find_cached(file, tmp_path)
    assert hub.asked == [None]
    assert left_in(tmp_path) == {"", ".sha256"}


# --- servers that fail ---------------------------------------------------------------


def test_a_download_resumes_after_a_disconnect(hub, tmp_path):
    hub.moods = ["cut", "503", "cut", "well"]
    assert get(tmp_path).read_bytes() == CONTENT
    assert hub.asked == [None, *["bytes=100000-"] * 2, "bytes=200000-"]


def test_a_server_without_range_requests(hub, tmp_path):
    hub.moods = ["cut", "from the start"]
    assert get(tmp_path).read_bytes() == CONTENT
    assert hub.asked == [None, "bytes=100000-"]


@pytest.mark.parametrize("file", [WANTED, OF_A_BRANCH])
def test_the_next_call_resumes_after_a_stall(hub, file, tmp_path):
    hub.moods = ["stall", "no byte"]
    with pytest.raises(RunError, match=rf"server stalled.*resumes.*{MANUALLY}"):
        get(tmp_path, file, QUICK)
    assert left_in(tmp_path) == {".part"} and find_cached(file, tmp_path) is None
    assert hub.asked == [None, *["bytes=100000-"] * 3]
    hub.moods, hub.asked = ["well"], []
    assert get(tmp_path, file).read_bytes() == CONTENT
    assert hub.asked == ["bytes=100000-"]


@pytest.mark.parametrize("file", [WANTED, OF_A_BRANCH])
def test_a_partial_file_that_is_complete_or_too_long(hub, file, tmp_path):
    part = file.path(tmp_path).with_name("model.safetensors.part")
    part.parent.mkdir(parents=True)
    for left in (CONTENT, CONTENT + b"more"):
        part.write_bytes(left)
        assert get(tmp_path, file).read_bytes() == CONTENT
        file.path(tmp_path).unlink()


def test_a_partial_file_of_another_file_fails_the_check(hub, tmp_path):
    part = WANTED.path(tmp_path).with_name("model.safetensors.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another file")
    with pytest.raises(ModelFileError, match="Try again"):
        get(tmp_path)
    assert get(tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("file", "mood", "flaw"),
    [
        (WANTED, "wrong", f"its SHA-256 is [0-9a-f]+, not {HASH}"),
        (WANTED, "a page", "it has 16 bytes, not 512,000"),
        (WANTED, "long", "it has 513,000 bytes, not 512,000"),
        (WANTED, "short", "it has 511,000 bytes, not 512,000"),
        (OF_A_BRANCH, "wrong", f"its SHA-256 is [0-9a-f]+, not {HASH}"),
        (OF_A_BRANCH, "a page", f"its SHA-256 is [0-9a-f]+, not {HASH}"),
        (OF_A_BRANCH, "short", f"its SHA-256 is [0-9a-f]+, not {HASH}"),
    ],
)
def test_a_wrong_file_is_rejected_and_removed(file, mood, flaw, hub, tmp_path):
    hub.moods = [mood]
    with pytest.raises(ModelFileError, match=rf"{flaw}\. It was removed\..*{MANUALLY}"):
        get(tmp_path, file)
    assert left_in(tmp_path) == set() and len(hub.asked) == 1
    hub.moods = ["well"]
    assert get(tmp_path, file).read_bytes() == CONTENT


def test_a_login_page_keeps_the_partial_file(hub, tmp_path):
    hub.moods = ["cut", "a page", "well"]
    with pytest.raises(ModelFileError, match="not 512,000"):
        get(tmp_path)
    assert get(tmp_path).read_bytes() == CONTENT
    assert hub.asked == [None, *["bytes=100000-"] * 2]


@pytest.mark.parametrize(
    ("file", "mood", "reason", "tries"),
    [
        (WANTED, "404", "HTTP status 404 Not Found", 1),
        (WANTED, "401", "HTTP status 401 Unauthorized", 1),
        (WANTED, "416", "HTTP status 416", 1),
        (WANTED, "503", "HTTP status 503 Service Unavailable", 3),
        (WANTED, "no byte", "the server stalled", 3),
        # once for the whole, then three times: what follows it (416), and the whole
        (OF_A_BRANCH, "long", "the connection ended after 512,000 of 513,000 bytes", 7),
        (OF_A_BRANCH, "no length", "does not send the file's length", 1),
    ],
)
def test_http_errors(file, mood, reason, tries, hub, tmp_path):
    hub.moods = [mood]
    with pytest.raises(
        RunError, match=rf"cannot be downloaded: .*{reason}.*"
    ) as caught:
        get(tmp_path, file, QUICK if mood == "no byte" else 10)
    assert not isinstance(caught.value, ModelFileError)
    assert f" as {file.path(tmp_path)}; or" in str(caught.value)
    assert len(hub.asked) == tries and find_cached(file, tmp_path) is None


def test_nothing_is_downloaded_without_a_hash(hub, tmp_path):
    hub.etag = f'"{HASH[:40]}"'  # git's hash, which the hub tells of small files
    with pytest.raises(RunError, match="does not send the file's SHA-256"):
        get(tmp_path, OF_A_BRANCH)
    assert get(tmp_path).read_bytes() == CONTENT  # the wanted file has its own


def test_the_length_can_come_from_file_or_server(hub, tmp_path):
    hub.moods = ["no length"]
    assert get(tmp_path).read_bytes() == CONTENT


def test_a_server_that_does_not_respond(hub, monkeypatch, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(RunError, match=rf"Connection refused.*{MANUALLY}"):
            get(tmp_path)


@pytest.mark.parametrize("address", ["ftp://hub", "file:///etc", "localhost:80"])
def test_an_invalid_endpoint(address, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(SettingError, match=rf"HF_ENDPOINT must be .*{address}"):
        get(tmp_path)


# --- what is on disk -----------------------------------------------------------------


def test_cached_files_are_used_offline(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        RunError, match=rf"does not exist, and HF_HUB_OFFLINE.*{MANUALLY}"
    ):
        get(tmp_path)
    path = WANTED.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(RunError, match=rf"is damaged, and HF_HUB_OFFLINE.*{MANUALLY}"):
        get(tmp_path)
    path.write_bytes(CONTENT)  # saved manually
    assert get(tmp_path) == path
    assert not hub.asked


@pytest.mark.parametrize("file", [WANTED, OF_A_BRANCH])
@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT[:-1] + b"x"])
def test_a_damaged_cache_is_detected_and_repaired(hub, file, damage, tmp_path):
    path = get(tmp_path, file)
    path.write_bytes(damage)
    messages: list[str] = []
    assert fetch(file, tmp_path, log=messages.append).read_bytes() == CONTENT
    assert messages[0] == f"{path} is damaged; downloading it again."
    assert len(hub.asked) == 2


def test_a_manually_saved_file_without_hash_is_trusted(hub, tmp_path):
    path = OF_A_BRANCH.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"by hand")
    assert get(tmp_path, OF_A_BRANCH) == path == find_cached(OF_A_BRANCH, tmp_path)
    assert not hub.asked


def test_the_cache_of_huggingface_hub_is_used_if_the_hash_matches(hub, tmp_path):
    blob = tmp_path / "hub" / "models--timm--tiny.in1k" / "blobs" / HASH
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"damaged")
    assert get(tmp_path / "own").is_relative_to(tmp_path / "own")
    assert len(hub.asked) == 1 and blob.read_bytes() == b"damaged"  # it is not ours
    blob.write_bytes(CONTENT)
    assert (
        get(tmp_path / "another") == blob == find_cached(WANTED, tmp_path / "another")
    )
    assert len(hub.asked) == 1


def test_a_disk_that_is_too_small_is_detected_before(hub, small_disk):
    hub.content = CONTENT * 4
    with pytest.raises(
        RunError, match=r"takes 2,048,000 bytes, .*free. Free some space"
    ):
        get(small_disk, OF_A_BRANCH)
    assert left_in(small_disk) == set()


def test_a_disk_that_fills_during_the_download(hub, small_disk, monkeypatch):
    hub.content = CONTENT * 4
    plenty = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=10**9))
    monkeypatch.setattr(download, "shutil", plenty)
    with pytest.raises(RunError, match=r"No space left on device\. Free some space"):
        get(small_disk, OF_A_BRANCH)
    assert left_in(small_disk) == {".part"}


def test_an_invalid_cache_directory(hub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be saved: .*VICINAL_CACHE"):
        get(tmp_path / "file")
    assert not hub.asked


# --- two processes -------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
from vicinal.core.storage.download import HubFile, fetch

*names, size, folder = sys.argv[1:]
file = HubFile(*names, int(size))
print(fetch(file, Path(folder), log=lambda text: print(text, flush=True)))
"""


@pytest.fixture
def fetcher(start, tmp_path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """A function that begins to fetch WANTED in a process of its own."""
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = (*vars(WANTED).values(), tmp_path / "cache")
    running: list[subprocess.Popen[str]] = []

    def begin() -> "subprocess.Popen[str]":
        running.append(start(tmp_path / "program.py", *arguments))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def test_two_processes_download_a_file_once(hub, fetcher, tmp_path):
    hub.moods = ["hold"]
    first = fetcher()
    wait_for(lambda: len(hub.asked) == 1)
    second = fetcher()
    line = second.stdout.readline()
    assert line == "Another process is downloading model.safetensors; waiting for it.\n"
    hub.go.set()
    place = WANTED.path(tmp_path / "cache")
    for process in (first, second):
        assert process.communicate()[0].splitlines()[-1] == str(place)
    assert place.read_bytes() == CONTENT and len(hub.asked) == 1


def test_a_killed_process_leaves_a_partial_file_and_no_lock(hub, fetcher, tmp_path):
    hub.moods = ["stall", "well"]
    part = WANTED.path(tmp_path / "cache").with_name("model.safetensors.part")
    process = fetcher()
    wait_for(lambda: part.exists() and part.stat().st_size > 0)
    process.kill()
    process.wait()
    there = part.stat().st_size
    assert get(tmp_path / "cache").read_bytes() == CONTENT
    assert hub.asked == [None, f"bytes={there}-"]


# --- progress ------------------------------------------------------------------------


def test_a_progress_bar_on_a_terminal(hub, monkeypatch, tmp_path):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    get(tmp_path)
    assert "model.safetensors" in screen.getvalue()
    assert "512.0/512.0 kB" in screen.getvalue()


def test_progress_lines_in_a_log(hub, monkeypatch, tmp_path):
    clock = SimpleNamespace(monotonic=count(0, 20).__next__)  # 20 s at every look
    monkeypatch.setattr(download, "time", clock)
    messages: list[str] = []
    fetch(WANTED, tmp_path, log=messages.append)
    assert messages[-1] == "model.safetensors: 0.5 of 0.5 MB"
