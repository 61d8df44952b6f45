"""What is published arrives; a server that is away, stuck or wrong harms nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cameras import Gatekeeper
from tests.live import INFO, feed, is_gapless, settings_for, shown
from tests.publishing import ROOT, listening, process_lines, recording
from tests.servers import free_port
from tests.waiting import wait_for
from workers.live_sink import LiveSink
from workers.publisher import CUT_OFF, TOO_SLOW, UNREACHABLE, Patience
from workers.publishing_connection import BROKEN_OFF
from workers.sink import OutputHealth

PATIENT = Patience(stall_s=60.0, backlog_s=60.0, farewell_s=60.0)
HASTY = Patience(stall_s=1.5, first_retry_s=0.2, last_retry_s=0.4, farewell_s=2.0)
PACE_S = 0.01
"""Four times as fast as the pictures' own time."""
PASSWORD = "do-not-show"

ORPHAN = """
import sys
from tests.live import INFO, feed, settings_for
from workers.live_sink import LiveSink
sink = LiveSink(settings_for(sys.argv[1]), INFO)
for number in feed(sink, range(10_000), pace_s=0.02):
    print(number, flush=True)
"""


def address(scheme: str) -> str:
    return f"{scheme}://127.0.0.1:{free_port()}/live/cam"


class Camera:
    """A sink that records into a file and publishes, and is fed picture by picture."""

    def __init__(self, folder: Path, url: str, patience: Patience = HASTY) -> None:
        self.file = folder / "cam.mkv"
        self.sink = LiveSink(settings_for(self.file, url), INFO, patience)
        self.written = 0

    def run(self, count: int, *, pace_s: float = PACE_S, noisy: bool = False) -> None:
        numbers = range(self.written, self.written + count)
        for number in feed(self.sink, numbers, pace_s=pace_s, noisy=noisy):
            self.written = number + 1

    def run_until_fine(self) -> None:
        while not self.health().fine:
            assert self.written < 2000
            self.run(10)

    def health(self) -> OutputHealth:
        return self.sink.health()[1]

    def finish(self) -> dict[str, int]:
        """Pictures that did not arrive, by reason; the books add up, and the file has them all."""
        file, published = self.sink.finish()
        assert shown(self.file) == list(range(self.written))
        assert file.frames == self.written
        assert published.frames + sum(published.lost.values()) == self.written
        return dict(published.lost)


@contextmanager
def camera(folder: Path, url: str, patience: Patience = HASTY) -> Iterator[Camera]:
    found = Camera(folder, url, patience)
    try:
        yield found
    finally:
        found.sink.abort()


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp"])
def test_what_is_published_arrives_whole_and_in_order(tmp_path: Path, scheme: str) -> None:
    url = address(scheme)
    with listening(url) as listener:
        listener.wait_until_it_listens()
        with camera(tmp_path, url, PATIENT) as running:
            running.run_until_fine()
            running.run(100)
            assert running.finish() == {}
        assert listener.end() == list(range(running.written))


def test_modules_in_the_current_folder_are_let_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workers").mkdir()
    for name in ("workers/__init__.py", "av.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('not meant for mien')")
    monkeypatch.chdir(tmp_path)
    url = address("rtsp")
    with listening(url) as listener:
        listener.wait_until_it_listens()
        with camera(tmp_path, url, PATIENT) as running:
            running.run_until_fine()
            assert running.finish() == {}
        assert listener.end() == list(range(running.written))


@pytest.mark.parametrize("method", ["BASIC", "DIGEST"])
def test_a_server_that_wants_a_password_gets_it_and_nobody_else_does(
    tmp_path: Path, method: str
) -> None:
    with recording(tmp_path / "server.ts", PASSWORD, method) as place:
        with camera(tmp_path, f"rtsp://user:{PASSWORD}@{place}") as running:
            running.run(100)
            others = [line for line in process_lines().splitlines() if "record_server" not in line]
            assert PASSWORD not in "".join(others)
            assert PASSWORD not in repr(running.sink.health())
            assert running.finish() == {}
        assert shown(tmp_path / "server.ts") == list(range(100))


def test_another_password_than_the_servers_is_told(tmp_path: Path) -> None:
    patience = Patience(first_retry_s=0.1, last_retry_s=60.0)
    with (
        Gatekeeper(free_port(), f"user:{PASSWORD}", digest=True) as keeper,
        camera(tmp_path, f"rtsp://user:{PASSWORD}-not@127.0.0.1:{keeper.port}/cam", patience) as it,
    ):
        it.run(10)
        wait_for(lambda: it.health().reason is not None)
        assert "401" in str(it.health().reason)
        assert PASSWORD not in repr(it.sink.health())
        assert it.finish() == {UNREACHABLE: 10}


def test_a_wrong_password_is_told_and_not_tried_again_soon(tmp_path: Path) -> None:
    patience = Patience(first_retry_s=0.1, last_retry_s=60.0)
    with (
        recording(tmp_path / "server.ts", PASSWORD, "DIGEST") as place,
        camera(tmp_path, f"rtsp://user:{PASSWORD}-not@{place}", patience) as running,
    ):
        running.run(100)
        wait_for(lambda: running.health().reason is not None)
        reason = str(running.health().reason)
        assert "401" in reason
        assert PASSWORD not in repr(running.sink.health())
        running.run(200)
        assert running.finish() == {UNREACHABLE: 300}


def test_a_server_that_comes_late_and_comes_again_gets_all_from_a_key_picture_on(
    tmp_path: Path,
) -> None:
    url = address("rtsp")
    with camera(tmp_path, url) as running:
        running.run(60)
        wait_for(lambda: running.health().reason is not None)
        assert not running.health().fine
        assert running.health().reason == "Connection refused"
        for again in (False, True):
            with listening(url) as listener:
                before = running.written
                while len(listener.numbers()) < 80:
                    assert running.written < before + 2000
                    running.run(10)
                assert running.health().reconnects == again
                numbers = listener.numbers()
                assert is_gapless(numbers)
                assert numbers[0] % 50 == 0
                assert numbers[0] >= before
                listener.kill()
            running.run(100)
            wait_for(lambda: not running.health().fine)
        lost = running.finish()
        assert lost[UNREACHABLE] >= 60
        assert set(lost) <= {UNREACHABLE, CUT_OFF}


def test_a_server_that_stops_taking_pictures_holds_nothing_up(tmp_path: Path) -> None:
    url = address("rtsp")
    with listening(url) as listener:
        listener.wait_until_it_listens()
        with camera(tmp_path, url) as running:
            running.run(50)
            listener.wait_for(20)
            listener.stall()
            # large pictures, so that the buffers on the way are full at once
            deadline = time.monotonic() + 20
            while running.health().reason in (None, TOO_SLOW):
                assert time.monotonic() < deadline
                running.run(10, pace_s=0.0, noisy=True)
            assert running.health().reason == "the server stopped taking pictures"
            lost = running.finish()
        # had a write waited for the server, none would have found the queue full
        assert lost[TOO_SLOW] > 0
        assert lost[CUT_OFF] > 0


def test_a_server_that_is_too_slow_is_not_fine_until_no_picture_has_been_lost_for_a_while(
    tmp_path: Path,
) -> None:
    url = address("rtsp")
    patience = Patience(stall_s=600.0, slow_s=5.0, farewell_s=60.0)
    with listening(url) as listener:
        listener.wait_until_it_listens()
        with camera(tmp_path, url, patience) as running:
            running.run_until_fine()
            listener.stall()
            while TOO_SLOW not in running.health().lost:
                assert running.written < 5000
                running.run(10, pace_s=0.0, noisy=True)
            assert (running.health().fine, running.health().reason) == (False, TOO_SLOW)
            wait_for(lambda: running.health().fine)  # as far as can be known
            assert running.health().reason is None


def test_the_end_does_not_wait_long_for_a_server_that_takes_nothing(tmp_path: Path) -> None:
    url = address("rtsp")
    patience = Patience(stall_s=60.0, farewell_s=1.0)
    with listening(url) as listener:
        listener.wait_until_it_listens()
        with camera(tmp_path, url, patience) as running:
            running.run(50)
            listener.wait_for(20)
            listener.stall()
            running.run(600, pace_s=0.0, noisy=True)
            begin = time.monotonic()
            running.finish()
            assert time.monotonic() - begin < 30.0


def test_many_servers_that_take_nothing_are_waited_for_together(tmp_path: Path) -> None:
    patience = Patience(stall_s=60.0, farewell_s=4.0)
    urls = [address("rtsp") for _ in range(3)]
    with ExitStack() as listeners:
        for url in urls:
            listeners.enter_context(listening(url)).wait_until_it_listens()
        sink = LiveSink(settings_for(*urls), INFO, patience)
        try:
            for _ in feed(sink, range(2000), pace_s=PACE_S):
                if all(health.fine for health in sink.health()):
                    break
            for process in publishers():
                os.kill(process, signal.SIGSTOP)
            begin = time.monotonic()
            notes = [note for summary in sink.finish() for note in summary.notes]
            assert time.monotonic() - begin < 2 * patience.farewell_s
        finally:
            sink.abort()
    assert len([note for note in notes if note.endswith(BROKEN_OFF)]) == 3


def test_a_process_that_another_kills_is_not_said_to_be_the_server(tmp_path: Path) -> None:
    url = address("rtsp")
    with listening(url) as listener:
        listener.wait_until_it_listens()
        with camera(tmp_path, url) as running:
            while not running.health().fine:
                assert running.written < 2000
                running.run(10)
            (process,) = publishers()
            os.kill(process, signal.SIGKILL)
            wait_for(lambda: running.health().reason is not None)
            assert running.health().reason == "its process was killed by signal 9"


def test_a_killed_camera_leaves_no_process_that_publishes_on(tmp_path: Path) -> None:
    url = address("rtsp")
    with listening(url) as listener:
        listener.wait_until_it_listens()
        command = [sys.executable, "-c", ORPHAN, url]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            try:
                listener.wait_for(30)
                (child,) = children(process.pid)
            finally:
                process.kill()
        wait_for(lambda: not Path(f"/proc/{child}").exists())
        assert is_gapless(listener.end())


def publishers() -> list[int]:
    """Processes of ours that publish."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(os.getpid())}
    return [pid for pid, command in commands.items() if b"publishing_process" in command]


def children(pid: int) -> list[int]:
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for text in texts for child in text.split()]
