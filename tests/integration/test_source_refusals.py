"""Inputs that cannot be read get one clear sentence, and no password is ever shown."""

import os
import socket
import traceback
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from mien.contract.errors import SourceError
from mien.contract.urls import without_password
from producer.addresses import local_path, parse
from producer.source import open_source
from tests.builders import make_clip


def refusal(name: str) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(name, timeout_s=(1.0, 1.0))
    return str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    assert refusal(str(path)) == f"cannot read {path}: no such file"


def test_a_folder(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)) == f"cannot read {tmp_path}: it is a folder"


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    assert refusal(str(path)).endswith("the file is empty")


def test_a_link_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.symlink_to(tmp_path / "gone.mp4")
    assert refusal(str(path)).endswith("it is a link to nothing")


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    os.mkfifo(path)
    assert "it is a pipe" in refusal(str(path))


def test_a_device_and_a_socket(tmp_path: Path) -> None:
    assert refusal("/dev/zero").endswith("it is a device or socket, not a file")
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert refusal(path).endswith("it is a device or socket, not a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_file(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=1)
    path.chmod(0)
    assert refusal(str(path)).endswith("permission denied")


def test_names_that_are_none() -> None:
    assert "no name of a file" in refusal("")
    assert "no name of a file" in refusal("a\0b.mp4")
    assert "name too long" in refusal("a" * 5000)


def test_a_text_file_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("a,b\n1,2\n" * 100)
    assert refusal(str(path)).endswith("this is no video or picture that can be read")


@pytest.mark.parametrize("name", ["notes.txt", "notes.ans", "notes.nfo", "notes.diz"])
def test_lines_of_text_are_no_video(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("hello\n" * 200)
    assert refusal(str(path)).endswith("this is no video or picture that can be read")


@pytest.mark.parametrize(
    "name", ["-i.mp4", "a:b.mp4", "file:x.mp4", "clip %03d.mp4", "ünï 🎬.mp4", "concat:a|b.mp4"]
)
def test_odd_names_are_only_names(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "plain.mp4", frames=2, size=(64, 48)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    source = open_source(name)
    assert source.info.name == name
    assert len(list(source.frames())) == 2
    source.close()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/a/b.mp4", "/a/b.mp4"),
        ("/a/b c:d%20.mp4", "/a/b c:d%20.mp4"),
        ("file:///a/b%20c.mp4", "/a/b c.mp4"),
        ("FILE:///a/b.mp4", "/a/b.mp4"),
        ("file:x.mp4", "{here}/file:x.mp4"),
        ("-", "{here}/-"),
        ("", None),
        ("a\0b", None),
        ("file://", None),
        ("file://[/a.mp4", None),
        ("/dev/video0", None),
        ("rtsp://cam/live", None),
        ("http://host/a.mp4", None),
        ("http://[/a.mp4", None),
        ("ftp://host/a.mp4", None),
    ],
)
def test_a_name_means_a_local_file_or_none(name: str, path: str | None) -> None:
    expected = None if path is None else Path(path.format(here=Path.cwd()))
    assert local_path(name) == expected


def test_a_name_means_nothing_where_the_current_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert local_path("a.mp4") is None


def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mp4")
    make_clip(tmp_path / "plain.mp4", frames=2, size=(64, 48)).rename(name)
    source = open_source(name)
    assert len(list(source.frames())) == 2
    source.close()


def test_a_file_url_is_a_file(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a b.mp4", frames=2, size=(64, 48))
    source = open_source(path.as_uri())
    assert len(list(source.frames())) == 2
    source.close()


@pytest.mark.parametrize(
    "name", ["ftp://host/a.mp4", "concat://a", "subfile://x", "data://x", "gopher://h/x", "srt://h"]
)
def test_other_protocols_are_not_spoken(name: str) -> None:
    assert "its protocol is not one of those allowed" in refusal(name)


def test_a_picture_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.gif"
    make_clip(path, frames=2, codec="gif", pix_fmt="rgb8", size=(64, 48))
    data = bytearray(path.read_bytes())
    data[6:10] = (20000).to_bytes(2, "little") + (20000).to_bytes(2, "little")
    path.write_bytes(data)
    assert refusal(str(path)).endswith("its picture is too large")


def test_a_video_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", frames=1, codec="ffv1", size=(300, 260))
    data = path.read_bytes()
    for old, new in (
        (b"\xb0\x82\x01\x2c", b"\xb0\x82\x3c\x8c"),
        (b"\xba\x82\x01\x04", b"\xba\x82\x3c\x8c"),
    ):
        assert data.count(old) == 1, "the width and the height in the header"
        data = data.replace(old, new)
    path.write_bytes(data)
    assert refusal(str(path)).endswith("its picture is too large")


def test_a_photo_may_be_larger_than_a_video(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("1", (10_000, 7_000)).save(path)
    source = open_source(str(path))
    assert (source.info.width, source.info.height) == (10_000, 7_000)
    source.close()


def test_an_absurd_shape_of_pixels_does_not_make_a_picture_too_large(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    make_clip(path, frames=1, size=(1000, 600), sar=Fraction(200), codec="mpeg4")
    source = open_source(str(path))
    assert (source.info.width, source.info.height) == (1000, 600)
    source.close()


SECRETS = "hunter2"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:hunter2@cam/live", "rtsp://user@cam/live"),
        ("rtsp://:hunter2@cam:554/live", "rtsp://cam:554/live"),
        ("rtsp://user:a@hunter2@cam/live", "rtsp://user@cam/live"),
        ("rtsp://user:hun/hunter2@cam/live", "rtsp://cam/live"),
        ("rtsp://user:h#hunter2@cam/live", "rtsp://cam/live"),
        ("rtsp://user:h?hunter2@cam/live", "rtsp://cam/live"),
        ("http://cam/v?user=me&password=hunter2&n=1", "http://cam/v?user=me&password=***&n=1"),
        ("http://cam/v?PWD=hunter2", "http://cam/v?PWD=***"),
        (
            "rtsp://cam:554/user=admin_password=hunter2_x_channel=1_stream=0.sdp?real_stream",
            "rtsp://cam:554/user=admin_password=***?real_stream",
        ),
        ("rtsp://cam/user=me&password=hunter2&channel=1", "rtsp://cam/user=me&password=***"),
        ("rtsp://cam/user=me;pwd=hunter2/main", "rtsp://cam/user=me;pwd=***/main"),
        ("rtsp://cam/v?user=me;pwd=hunter2", "rtsp://cam/v?user=me;pwd=***"),
        ("rtsp://cam/v?user=me_password=hunter2", "rtsp://cam/v?user=me_password=***"),
        ("http://cam/v?usr=me&loginpas=hunter2", "http://cam/v?usr=me&loginpas=***"),
        ("http://cam/v?jwt=hunter2", "http://cam/v?jwt=***"),
        ("http://cam/v#token=hunter2", "http://cam/v#token=***"),
        ("http://cam/v?to=a%3Ftoken%3Dhunter2%3D1", "http://cam/v?to=a%3Ftoken%3D***"),
        (
            "https://cdn/live.m3u8?hdnts=st=1~exp=2~acl=/*~hmac=hunter2",
            "https://cdn/live.m3u8?hdnts=***",
        ),
        (
            "https://cdn/hdntl=exp=2~acl=/*~hmac=hunter2/live.m3u8",
            "https://cdn/hdntl=***/*~hmac=***/live.m3u8",
        ),
        (
            "https://nas:5001/entry.cgi?api=S&_sid=hunter2",
            "https://nas:5001/entry.cgi?api=S&_sid=***",
        ),
        ("http://cam/h264/c?session=hunter2&q=1", "http://cam/h264/c?session=***&q=1"),
        ("http://cam/v?md5=hunter2&expires=1", "http://cam/v?md5=***&expires=1"),
        ("http://cam/v?hash=hunter2&ticket=hunter2", "http://cam/v?hash=***&ticket=***"),
        ("http://cam/v?usr=me&p=hunter2", "http://cam/v?usr=me&p=***"),
        ("https://host/v;jsessionid=hunter2?n=1", "https://host/v;jsessionid=***?n=1"),
        (
            "rtsp://cam/v?channel=1&subtype=0&profile=p1&fps=25&resolution=640x480&step=3",
            "rtsp://cam/v?channel=1&subtype=0&profile=p1&fps=25&resolution=640x480&step=3",
        ),
        ("rtsp://cam/keys/v_1=2;pasture=3?n=1", "rtsp://cam/keys/v_1=2;pasture=3?n=1"),
        ("https://host/@me/v.mp4?access_token=hunter2", "https://host/@me/v.mp4?access_token=***"),
        ("https://host:8443/@me/v.mp4", "https://host:8443/@me/v.mp4"),
        ("http://[::1]:80/@me/v.mp4", "http://[::1]:80/@me/v.mp4"),
        ("http://[::1/hunter2", "http://(an address that is not valid)"),
    ],
)
def test_a_password_is_not_in_the_name(url: str, shown: str) -> None:
    assert without_password(url) == shown
    address = parse(url)
    assert SECRETS not in address.name
    assert SECRETS not in repr(address)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("scheme", ["rtsp", "Rtsp", "http", "HTTP"])
def test_a_refused_connection_says_so_without_the_password(scheme: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(f"{scheme}://user:hunter2@127.0.0.1:{free_port()}/live", timeout_s=(2.0, 2.0))
    assert str(caught.value).endswith("the connection was refused")
    assert SECRETS not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_says_nothing_is_given_up(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        words = refusal(f"{scheme}://user:hunter2@127.0.0.1:{port}/live")
    assert "did not answer in time" in words
    assert SECRETS not in words


def test_a_camera_that_is_not_there() -> None:
    assert refusal("/dev/video77") == "cannot read /dev/video77: no such file"
