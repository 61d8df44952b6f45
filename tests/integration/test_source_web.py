"""Sources on a server: HTTP files, HLS, and what goes wrong there."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from pathlib import Path

import av
import pytest

from mien.contract.errors import SourceError
from producer.audio import AudioFeed
from producer.live import LiveOptions
from producer.source import open_source
from tests.broadcast import playlist_of_playlists, served
from tests.builders import Sound, make_clip, read_number


class Handler(BaseHTTPRequestHandler):
    """Serves a folder; `/code/404` answers so, `/half/x` breaks off, `/slow/x` stops sending;
    `/endless/x` does not say how much it sends."""

    folder: Path

    def do_GET(self) -> None:
        kind, _, name = self.path.split("?")[0][1:].partition("/")
        if kind == "code":
            self.send_error(int(name))
            return
        if kind == "away":
            self.send_response(302)
            self.send_header("Location", f"file://{self.folder / name}")
            self.end_headers()
            return
        file = self.folder / (name or kind)
        if not file.is_file():
            self.send_error(404)
            return
        self.send_body(kind, file.read_bytes())

    def send_body(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        if kind != "endless":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data if kind not in ("half", "slow") else data[: len(data) * 6 // 10])
            self.wfile.flush()
            if kind == "slow":
                time.sleep(3)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the test's own folder."""
    handler = type("FolderHandler", (Handler,), {"folder": tmp_path})
    with served(handler) as address:
        yield address


def make_hls(folder: Path, flags: str = "") -> Path:
    """A playlist of several segments, from a clip of two seconds."""
    clip = make_clip(folder / "clip.ts", frames=50, gop=10, audio=Sound(codec="mp2"))
    path = folder / "list.m3u8"
    options = {"hls_time": "0.4", "hls_list_size": "0"} | ({"hls_flags": flags} if flags else {})
    with av.open(str(clip)) as source, av.open(str(path), "w", options=options) as out:
        copies = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                out.mux(packet)
    assert len(list(folder.glob("list*.ts"))) > 2
    return path


ONCE = LiveOptions(give_up_after_s=0)
"""A connection that is lost is the end."""

FRONT = {"movflags": "faststart"}


def test_a_file_on_a_server_is_read_with_its_sound(tmp_path: Path, server: str) -> None:
    make_clip(tmp_path / "clip.mp4", frames=30, audio=Sound(), container_options=FRONT)
    url = f"http://me:hunter2@{server}/clip.mp4?token=hunter2"
    source, feed = open_source(url), AudioFeed(url)
    assert source.info.kind == "video"
    assert source.info.name == f"http://me@{server}/clip.mp4?token=***"
    assert [read_number(frame.picture) for frame in source.frames()] == list(range(30))
    assert source.reason == "end of file"
    assert len(list(feed.take(None))) > 40
    source.close()
    feed.close()


@pytest.mark.parametrize("name", ["notes.txt", "notes.ans"])
def test_lines_of_text_on_a_server_are_no_video(tmp_path: Path, server: str, name: str) -> None:
    (tmp_path / name).write_text("hello\n" * 200)
    with pytest.raises(SourceError, match=r"this is no video or picture that can be read$"):
        open_source(f"http://{server}/{name}")


def test_hls_that_is_complete_is_a_video(tmp_path: Path, server: str) -> None:
    make_hls(tmp_path)
    source = open_source(f"http://{server}/list.m3u8")
    assert source.info.kind == "video"
    frames = list(source.frames())
    assert [read_number(frame.picture) for frame in frames] == list(range(50))
    assert [frame.pts_ns for frame in frames] == [index * 40_000_000 for index in range(50)]
    source.close()


def test_of_several_playlists_only_the_one_that_is_shown_is_fetched(tmp_path: Path) -> None:
    make_hls(tmp_path)
    sent: list[str] = []

    class Recorder(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            sent.append(self.path)

        def translate_path(self, path: str) -> str:
            return str(tmp_path / path.rpartition("/")[2])

    (tmp_path / "all.m3u8").write_bytes(playlist_of_playlists(3, "list.m3u8"))
    with served(Recorder) as address:
        source = open_source(f"http://{address}/all.m3u8")
        assert [read_number(frame.picture) for frame in source.frames()] == list(range(50))
        source.close()
    assert len([path for path in sent if path.endswith("/list4.ts")]) == 1


def test_hls_on_the_disk_is_a_video(tmp_path: Path) -> None:
    source = open_source(str(make_hls(tmp_path)))
    assert len(list(source.frames())) == 50
    source.close()


def test_hls_without_an_end_is_live(tmp_path: Path, server: str) -> None:
    path = make_hls(tmp_path, "omit_endlist")
    source = open_source(f"http://{server}/list.m3u8", timeout_s=(5.0, 1.0), live=ONCE)
    assert (source.info.kind, source.info.duration_ns, source.info.frame_count) == (
        "live",
        None,
        None,
    )
    frames = source.frames()
    next(frames)
    path.unlink()  # the playlist is gone: so is the stream
    list(frames)
    assert source.reason == "connection lost"
    source.close()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.ts", {}),
        ("clip.flv", {"flvflags": "no_duration_filesize"}),
        ("clip.mkv", {"live": "1"}),
        ("clip.h264", {}),
    ],
)
def test_a_stream_of_unknown_size_and_length_is_live(
    tmp_path: Path, server: str, name: str, options: dict[str, str]
) -> None:
    make_clip(tmp_path / name, frames=60, container_options=options)
    for url, kind in ((f"endless/{name}", "live"), (name, "video")):
        source = open_source(f"http://{server}/{url}", timeout_s=(5.0, 1.0), live=ONCE)
        assert source.info.kind == kind
        assert len(list(source.frames())) == 60
        assert source.reason == ("connection lost" if kind == "live" else "end of file")
        source.close()


def test_a_file_of_unknown_size_that_states_its_length_is_a_video(
    tmp_path: Path, server: str
) -> None:
    make_clip(tmp_path / "clip.mkv", frames=20)
    source = open_source(f"http://{server}/endless/clip.mkv")
    assert source.info.kind == "video"
    source.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [(401, "(401)"), (403, "(403)"), (404, "(404)"), (429, "(429)"), (500, "5xx")],
)
def test_a_refusal_is_told_in_words(server: str, code: int, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(f"http://me:hunter2@{server}/code/{code}")
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", ["half", "slow"])
def test_a_connection_that_breaks_ends_the_video(tmp_path: Path, server: str, kind: str) -> None:
    make_clip(tmp_path / "clip.mp4", frames=100, container_options=FRONT)
    source = open_source(f"http://{server}/{kind}/clip.mp4", timeout_s=(1.0, 0.5))
    frames = list(source.frames())
    source.close()
    assert 10 < len(frames) < 100
    assert source.reason == "connection lost"
    assert [read_number(frame.picture) for frame in frames[:10]] == list(range(10))


def test_a_server_cannot_make_us_read_a_local_file(tmp_path: Path, server: str) -> None:
    clip = make_clip(tmp_path / "clip.ts", frames=10)
    (tmp_path / "evil.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{clip}\n#EXT-X-ENDLIST\n"
    )
    for name in ("evil.m3u8", "away/clip.ts"):
        with pytest.raises(SourceError, match="cannot read"):
            open_source(f"http://{server}/{name}", timeout_s=(2.0, 1.0))
