"""What a source may reach: its own folder, or its own server, and nothing else."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.builders import make_clip
from tests.e2e.forkserver import ForkServer

Form = Callable[..., str]
"""Makes a playlist of names."""

CHEAP = ("--detector", "haar", "--analyze-fps", "1")
ANNOTATED = ("-o", "out.mp4", "--results", "r.jsonl", *CHEAP)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a clip of its own, and a secret beside it."""
    home = tmp_path / "home"
    home.mkdir()
    clip = make_clip(tmp_path / "secret.ts", frames=10, size=(64, 48))
    (home / "own.ts").write_bytes(clip.read_bytes())
    return home


def refuse(forks: ForkServer, folder: Path, source: object) -> str:
    """The one line of a refused run that left nothing."""
    before = sorted(folder.iterdir())
    done = forks.run(["run", *ANNOTATED, "--", source], folder, limit_s=60)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (3, ""), line
    assert line.startswith("mien: cannot read ")
    assert sorted(folder.iterdir()) == before
    return line


def hls(*names: str) -> str:
    entries = "".join(f"#EXTINF:1,\n{name}\n" for name in names)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{entries}#EXT-X-ENDLIST\n"


def concat(*names: str) -> str:
    return "ffconcat version 1.0\n" + "".join(f"file '{name}'\n" for name in names)


@pytest.mark.parametrize(("name", "form"), [("a.m3u8", hls), ("a.txt", concat), ("a.mp4", concat)])
def test_a_playlist_reads_its_own_folder(
    forks: ForkServer, home: Path, name: str, form: Form
) -> None:
    (home / name).write_text(form("own.ts"))
    done = forks.run(["run", name, *ANNOTATED], home)
    assert done.returncode == 0, done.stderr


TARGETS = ("file:///etc/hostname", "/etc/hostname", "../secret.ts", "file:../secret.ts",
           "own/../../secret.ts", "concat:own.ts|/etc/hostname", "subfile,,start,0,end,9,,:own.ts",
           "data:text/plain,x", "crypto:own.ts", "pipe:0")  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "form"), [("a.mp4", hls), ("a.txt", concat)])
def test_a_playlist_reaches_nothing_outside_its_folder(
    forks: ForkServer, home: Path, name: str, form: Form, target: str
) -> None:
    (home / name).write_text(form("own.ts", target))
    assert f"{name}: it is a playlist that " in refuse(forks, home, name)


@pytest.mark.parametrize("form", [hls, concat])
def test_a_playlist_on_the_disk_does_not_reach_the_net(
    forks: ForkServer, home: Path, form: Form
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        (home / "a.mp4").write_text(form("own.ts", f"http://127.0.0.1:{port}/a.ts"))
        refuse(forks, home, "a.mp4")
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("name", ["a.sdp", "a.mp4"])
def test_a_description_of_a_session_is_no_video(forks: ForkServer, home: Path, name: str) -> None:
    (home / name).write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 33\n"
    )
    refuse(forks, home, name)


@pytest.mark.parametrize(
    "address",
    ["concat:own.ts|own.ts", "subfile,,start,0,end,9,,:own.ts", "data:text/plain,x", "file:own.ts",
     "crypto:own.ts", "tee:own.ts", "lavfi:testsrc", "testsrc", "pipe:0", "pipe:", "-", "fd:",
     "async:own.ts", "cache:own.ts", "concat://own.ts", "data://x", "gopher://h/x", "ftp://h/x",
     "udp://127.0.0.1:1", "tcp://127.0.0.1:1", "rtmp://h/x", "smb://h/x", "ipfs://x", "srt://h:1",
     "/dev/zero", "/dev/stdin", "FILE:///etc/hostname", "*.ts", "own%d.ts", "own.ts?x"],
)  # fmt: skip
def test_an_address_is_a_file_or_one_of_four_protocols(
    forks: ForkServer, home: Path, address: str
) -> None:
    """FFmpeg would take most of these for something else."""
    refuse(forks, home, address)


class Handler(BaseHTTPRequestHandler):
    """Leads to a local file in one way or another; the part before the slash says which."""

    def do_GET(self) -> None:
        kind, _, target = self.path[1:].partition("/")
        if kind == "away":
            self.send_response(302)
            self.send_header("Location", f"file:///{target}")
            self.end_headers()
            return
        body = (concat if kind == "concat" else hls)(f"file:///{target}").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["away", "hls", "concat"])
def test_a_server_cannot_make_us_read_a_local_file(
    forks: ForkServer, home: Path, web: str, kind: str
) -> None:
    secret = (home.parent / "secret.ts").as_posix()
    refuse(forks, home, f"{web}/{kind}{secret}")
    refuse(forks, home, f"{web}/{kind}/etc/passwd")
