"""A playlist on the disk reads files of its own folder, and no others, whatever it is called."""

import socket
from pathlib import Path

import pytest

from mien.contract.errors import SourceError
from producer.audio import AudioFeed
from producer.source import open_source
from tests.builders import make_clip

OUTSIDE = "which is no file in its own folder"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two clips and a link that leads out of it, to `secret.ts` beside it."""
    secret = make_clip(tmp_path / "secret.ts", frames=10, size=(64, 48))
    inner = tmp_path / "inner"
    (inner / "below").mkdir(parents=True)
    for name in ("one.ts", "below/two.ts"):
        (inner / name).write_bytes(secret.read_bytes())
    (inner / "link.ts").symlink_to(secret)
    (inner / "out").symlink_to(tmp_path)
    return inner


def hls(*names: str, tags: str = "") -> str:
    entries = "".join(f"#EXTINF:1,\n{name}\n" for name in names)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{tags}{entries}#EXT-X-ENDLIST\n"


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def count(path: Path) -> int:
    source = open_source(str(path))
    frames = sum(1 for _ in source.frames())
    source.close()
    return frames


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(str(path), timeout_s=(1.0, 1.0))
    return str(caught.value)


def test_files_in_its_own_folder_and_below_are_read(folder: Path) -> None:
    assert count(write(folder / "list.m3u8", hls("one.ts", "below/two.ts"))) == 20
    assert count(write(folder / "win.m3u8", hls("./one.ts").replace("\n", "\r\n"))) == 10
    text = "ffconcat version 1.0\n# both\nfile one.ts\nduration 0.4\nfile 'below/two.ts'\n"
    assert count(write(folder / "list.txt", text)) == 20


def test_a_playlist_may_name_playlists_that_do_the_same(folder: Path) -> None:
    write(folder / "below/part.m3u8", hls("two.ts"))
    text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nbelow/part.m3u8\n"
    assert count(write(folder / "main.m3u8", text)) == 10


def test_a_segment_with_a_separate_header_is_read(folder: Path) -> None:
    options = {"hls_segment_type": "fmp4", "hls_fmp4_init_filename": "init.mp4"}
    path = folder / "list.m3u8"
    make_clip(path, frames=10, size=(64, 48), format="hls", container_options=options)
    assert "#EXT-X-MAP:URI=" in path.read_text()
    assert count(path) == 10


NAMES = [
    "../secret.ts",
    "below/../../secret.ts",
    "{secret}",
    "file:{secret}",
    "file://{secret}",
    "//host{secret}",
    "link.ts",
    "out/secret.ts",
    "below",
    "http://host/a.ts",
    "subfile,,start,0,end,0,,:{secret}",
    "concat:one.ts|{secret}",
    "data:text/plain,x",
    "crypto:one.ts",
    "one.ts?x",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", ["list.m3u8", "clip.mp4"])
def test_a_name_that_leads_elsewhere_is_refused(folder: Path, name: str, file: str) -> None:
    named = name.format(secret=folder.parent / "secret.ts")
    words = refusal(write(folder / file, hls("one.ts", named)))
    assert words.startswith(f"cannot read {folder / file}: it is a playlist that names ")
    assert words.endswith(OUTSIDE)


@pytest.mark.parametrize(
    "tag",
    [
        '#EXT-X-MAP:URI="../secret.ts"',
        "#EXT-X-MAP:URI=../secret.ts",
        '#EXT-X-MEDIA:TYPE=AUDIO,NAME="URI=",GROUP-ID="a",URI="../secret.ts"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="http://host/a.m3u8"',
    ],
)
def test_a_tag_that_leads_elsewhere_is_refused(folder: Path, tag: str) -> None:
    assert refusal(write(folder / "list.m3u8", hls("one.ts", tags=f"{tag}\n"))).endswith(OUTSIDE)


def test_an_encrypted_playlist_is_refused(folder: Path) -> None:
    write(folder / "key", "0123456789abcdef")
    for key in ("key", "../secret.ts", "http://host/key"):
        tag = f'#EXT-X-KEY:METHOD=AES-128,URI="{key}"\n'
        words = refusal(write(folder / "list.m3u8", hls("one.ts", tags=tag)))
        assert words.endswith("it is a playlist that is encrypted")


@pytest.mark.parametrize("name", ["part.m3u8", "part.ts"])
def test_a_playlist_in_a_playlist_is_checked_as_well(folder: Path, name: str) -> None:
    write(folder / name, hls("../secret.ts"))
    assert refusal(write(folder / "list.m3u8", hls("one.ts", name))).endswith(OUTSIDE)
    words = refusal(write(folder / "list.txt", f"ffconcat version 1.0\nfile {name}\n"))
    assert words.endswith(OUTSIDE)


def test_a_playlist_without_its_end_is_read_to_where_it_was_cut(folder: Path) -> None:
    text = hls("one.ts", "below/two.ts").removesuffix("#EXT-X-ENDLIST\n")
    path = write(folder / "list.m3u8", text)
    source, sound = open_source(str(path)), AudioFeed(str(path))
    assert len(list(source.frames())) == 20
    assert list(sound.take(None)) == []
    assert source.reason == "damaged"
    source.close()
    sound.close()


def test_a_playlist_in_a_playlist_needs_its_end(folder: Path) -> None:
    write(folder / "below/part.m3u8", hls("two.ts").removesuffix("#EXT-X-ENDLIST\n"))
    text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nbelow/part.m3u8\n"
    assert "without an end" in refusal(write(folder / "main.m3u8", text))


def test_playlists_that_name_each_other_come_to_an_end(folder: Path) -> None:
    write(folder / "a.m3u8", hls("b.m3u8"))
    refusal(write(folder / "b.m3u8", hls("a.m3u8")))
    for depth in range(6):
        write(folder / f"{depth}.m3u8", hls(f"{depth + 1}.m3u8"))
    assert "too many others" in refusal(folder / "0.m3u8")


@pytest.mark.parametrize(
    "line",
    [
        "file ../secret.ts",
        "file link.ts",
        "file 'a'\\''b'",
        "option safe 0",
        "stream\tx",
        "file a:b",
    ],
)
def test_a_concat_list_may_say_little(folder: Path, line: str) -> None:
    path = write(folder / "list.ffconcat", f"ffconcat version 1.0\nfile one.ts\n{line}\n")
    assert "it is a playlist that " in refusal(path)


@pytest.mark.parametrize("bad", ["\0", "x" * 5000])
def test_a_line_that_ffmpeg_would_read_in_another_way_is_refused(folder: Path, bad: str) -> None:
    assert "it is a playlist that " in refusal(write(folder / "list.m3u8", hls("one.ts", bad)))


def test_other_formats_that_name_files_are_not_read(folder: Path) -> None:
    index = (
        "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:01:000, filepos: 000000000\n"
    )
    session = (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 33\n"
    )
    (folder / "s.sub").symlink_to(folder.parent / "secret.ts")
    for name, text in (("s.idx", index), ("s.sdp", session)):
        assert refusal(write(folder / name, text)).endswith("no video or picture that can be read")


def test_the_sound_is_read_by_the_same_rule(folder: Path) -> None:
    with pytest.raises(SourceError, match=OUTSIDE):
        AudioFeed(str(write(folder / "list.m3u8", hls("../secret.ts"))))


def test_a_local_playlist_cannot_reach_the_net(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]
        path = tmp_path / "list.m3u8"
        path.write_text(f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n")
        assert "names 'http://127.0.0.1" in refusal(path)
        with pytest.raises(TimeoutError):
            server.accept()
