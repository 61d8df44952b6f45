"""Live sources over HTTP: a playlist comes in bursts and is shown at its own speed, a camera's
pictures are shown as they come."""

import time
from contextlib import suppress
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import av
import cv2
import pytest

from mien.contract.frames import Frame
from producer.connection import FINITE
from producer.live import LiveSource
from producer.source import open_source
from tests.broadcast import Silent, broadcasting, photographing, served
from tests.builders import Clip, add_video, draw_number, make_clip, pictures, read_number
from tests.watcher import Watcher


def test_a_live_playlist_is_shown_at_its_own_speed_until_it_is_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with broadcasting(tmp_path, 10) as address:
        source = open_source(address, timeout_s=(5.0, 5.0))
        assert isinstance(source, LiveSource)
        frames, taken = [], []
        for item in source.frames():
            if isinstance(item, Frame):
                frames.append(item)
                taken.append(time.time_ns())
        source.close()
    assert source.reason == "end of file"
    assert source.trouble == ""
    assert [record.args[1] for record in caplog.records if record.args] == ["the stream ended"]
    numbers = [read_number(frame.picture) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 150
    assert all(b.pts_ns > a.pts_ns for a, b in pairwise(frames))
    utc_ns = [frame.capture.utc_ns for frame in frames if frame.capture]
    assert utc_ns == sorted(utc_ns), "it is captured when it is due, though it came in a burst"
    late_ns = [at - utc_ns[0] - frame.pts_ns for at, frame in zip(taken, frames, strict=True)]
    assert min(late_ns) > -1e8, "no picture is handed on before its time"


@pytest.mark.parametrize("fps", [50, 10])
def test_a_camera_that_sends_jpegs_is_shown_as_they_come_however_many(fps: int) -> None:
    """FFmpeg counts 25 of them a second."""
    with photographing(fps) as (address, sent_s):
        source = open_source(address, timeout_s=(5.0, 5.0))
        assert isinstance(source, LiveSource)
        assert source.info.source_fps is None, "nobody knows it"
        late_s, drifts_ns = [], []
        for item in source.frames():
            if isinstance(item, Frame):
                assert item.capture
                late_s.append(time.monotonic() - sent_s[read_number(item.picture)])
                drifts_ns.append(item.pts_ns - item.capture.arrived_ns)
            if len(late_s) == 5 * fps:
                break
        source.close()
    assert median(late_s[-fps:]) < 1, "it does not grow"
    assert max(drifts_ns) - min(drifts_ns) < 1e7, "its time is that of its arrival"


def test_a_slow_camera_that_sends_jpegs_begins_without_an_outage() -> None:
    """FFmpeg gives out the first three together, when it has the third."""
    with photographing(0.5) as (address, _):
        source = open_source(address, timeout_s=(10.0, 10.0))
        items = list(islice(source.frames(), 5))
        source.close()
    assert all(isinstance(item, Frame) for item in items)


def test_a_camera_that_is_spoken_for_by_a_picture_is_waited_for() -> None:
    """A proxy answers in its place, once, with a picture that has an end."""
    answers = 0

    class Proxied(Silent):
        def do_GET(self) -> None:  # noqa: N802 - what the library calls
            nonlocal answers
            answers += 1
            jpeg = cv2.imencode(".jpg", draw_number(answers, (160, 120)))[1].tobytes()
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
            self.send_response(200)
            with suppress(OSError):
                if answers == 2:
                    self.wfile.write(f"Server: proxy\r\n{head}\r\n".encode() + jpeg)
                    return
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
                self.end_headers()
                for _ in range(25):
                    self.wfile.write(f"--next\r\n{head}\r\n".encode() + jpeg + b"\r\n")
                    time.sleep(0.04)

    with served(Proxied) as address, Watcher(f"http://{address}/video") as watcher:
        watcher.wait_for(lambda: watcher.source.trouble == FINITE)
        watcher.wait_for(lambda: watcher.source.reconnects == 1)
    assert read_number(watcher.frames[-1].picture) == 3
    assert watcher.source.reason == "stopped"


def test_a_camera_that_sends_fewer_pictures_than_it_states_has_no_outage_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.live.STALE_AFTER_S", 0.3)
    slow_s = 0.6
    times_s = [number / 25 for number in range(50)]
    times_s += [2 + slow_s * number for number in range(1, 9)]
    clip = Clip(frames=len(times_s), pts=[round(90_000 * at) for at in times_s])

    class Sender(Silent):
        def do_GET(self) -> None:  # noqa: N802 - what the library calls
            self.send_response(200)
            self.end_headers()
            began_s = time.monotonic()
            with (
                suppress(OSError),
                av.open(self.wfile, "w", format="mpegts", options={"flush_packets": "1"}) as out,
            ):
                video = add_video(out, clip)
                video.options = {"tune": "zerolatency"}
                for frame, at in zip(pictures(clip), times_s, strict=True):
                    time.sleep(max(0.0, began_s + at - time.monotonic()))
                    out.mux(video.encode(frame))

    with served(Sender) as address, Watcher(f"http://{address}/clip.ts") as watcher:
        watcher.wait_for(lambda: len(watcher.frames) > 55, 20)
    since_ns, until_ns = watcher.frames[52].pts_ns, watcher.frames[55].pts_ns
    assert not [gap for gap in watcher.outages if since_ns < gap.pts_ns < until_ns]


@pytest.mark.parametrize("stated", [True, False])
def test_bare_pictures_have_the_rate_that_their_codec_states(tmp_path: Path, stated: bool) -> None:
    options = {} if stated else {"x265-params": "vui-timing-info=0"}
    clip = make_clip(
        tmp_path / "clip.hevc", frames=50, fps=Fraction(10), codec="libx265", options=options
    ).read_bytes()

    class Sender(Silent):
        def do_GET(self) -> None:  # noqa: N802 - what the library calls
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(clip)

    with served(Sender) as address:
        source = open_source(f"http://{address}/clip.hevc", timeout_s=(5.0, 5.0))
        source.close()
    assert source.info.kind == "live"
    assert source.info.source_fps == (10 if stated else None)
