"""Live playlists that are not as one would have them, and a machine that is too slow for them."""

import time
from pathlib import Path

import av
import pytest

from mien.contract.live import SLOW_DECODER, SLOW_ENCODER
from producer.addresses import parse
from producer.connection import Connection
from producer.live_decoder import Decoded, LiveDecoder
from tests.broadcast import airing
from tests.builders import read_number
from tests.live_runs import Run, check_books, request_of
from tests.waiting import wait_for
from tests.watcher import QUICK, Watcher


class SlowDecoder(LiveDecoder):
    """Takes four times as long for a picture as one of ten a second lasts."""

    def _decode(self, packet: object) -> list[Decoded]:
        time.sleep(0.4)
        return super()._decode(packet)  # type: ignore[arg-type]


def test_a_playlist_that_is_decoded_too_slowly_is_shown_with_pictures_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.live_session.LiveDecoder", SlowDecoder)
    with airing(tmp_path, range(20), fps=10) as (address, _):
        run = Run(request_of(address, tmp_path))
        wait_for(lambda: run.stream.live_status()["drops"], 15)
        before = run.stream.progress.frames
        time.sleep(2)
        outcome = run.end()
    reasons = check_books(tmp_path, outcome)
    assert reasons[SLOW_DECODER] > reasons.get(SLOW_ENCODER, 0)
    assert outcome.outputs[0].frames > before


@pytest.mark.parametrize(("starts_s", "skipped"), [((30, 31, 5), 24), ((30, 900, 31), 0)])
def test_what_follows_stamps_that_begin_anew_is_not_left_out(
    tmp_path: Path, starts_s: tuple[int, ...], skipped: int
) -> None:
    """They do not tell whether it is overdue."""
    with airing(tmp_path, starts_s) as (address, _):
        connection = Connection(parse(address), QUICK, av.open(address))
        try:
            wait_for(lambda: len(connection._packets) > 60, 15)
            first = connection.take()
            assert first is not None
            connection.catch_up(first.packet.pts or 0, 5.0)
        finally:
            connection.release()
    assert connection.skipped == skipped


def test_a_leap_of_the_stamps_is_no_pause(tmp_path: Path) -> None:
    starts_s = [*range(4), *range(304, 312)]
    with airing(tmp_path, starts_s) as (address, _), Watcher(address) as watcher:
        watcher.wait_for(lambda: len(watcher.frames) >= 125, 20)
    assert read_number(watcher.frames[-1].picture) > 100, "the leap is behind them"
    assert watcher.frames[-1].pts_ns < 60e9


def test_of_several_playlists_only_the_one_that_is_shown_is_fetched(tmp_path: Path) -> None:
    with (
        airing(tmp_path, range(12)) as (address, sent),
        Watcher(address.replace("live", "all")) as watcher,
    ):
        watcher.wait_for(lambda: "/0/6.ts" in sent)
        assert watcher.source.reconnects == 0
    assert not {f"/{folder}/{number}.ts" for folder in (1, 2) for number in (4, 5, 6)} & set(sent)
