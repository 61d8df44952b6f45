"""Where silence stands for a pause, and that nothing else is filled."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import pytest
from av.audio.stream import AudioStream

from workers.audio_transcode import AudioTranscoder
from workers.pauses import Pauses, PcmPauses

RATE = 48_000
MILLISECOND = Fraction(1, 1000)


def test_a_part_without_a_stamp_goes_on_from_the_one_before() -> None:
    pauses, length_s = Pauses(Fraction(0)), Fraction(24, 1000)
    stamps = [Fraction(0), None, Fraction(48, 1000), None, Fraction(196, 1000)]
    found = [pauses.before(stamp_s, length_s) for stamp_s in stamps]
    assert [gap_s for gap_s, _ in found] == [0, 0, 0, 0, Fraction(100, 1000)]
    assert [start_s for _, start_s in found] == [n * MILLISECOND for n in (0, 24, 48, 72, 196)]


@pytest.fixture
def stream() -> Iterator[AudioStream]:
    with av.open(io.BytesIO(), "w", format="wav") as container:
        yield container.add_stream("pcm_s16le", rate=RATE, layout="mono")


def test_silence_between_late_and_short_packets_goes_back_nowhere(stream: AudioStream) -> None:
    pauses, given = PcmPauses(stream, None), []
    for stamp_ms in (0, 22, 10_022):
        packet = av.Packet(b"\x01" * (2 * RATE // 100))
        packet.time_base, packet.pts = MILLISECOND, stamp_ms
        given += [(part.dts, part.size) for part in pauses.filled(packet)]
    times = [dts for dts, _ in given]
    assert times == sorted(set(times))
    assert sum(size for _, size in given) == 2 * RATE * 10_032 // 1000


def mp3_packets(joined: int) -> Iterator[av.Packet[AudioStream]]:
    """Two seconds of mp3, so many of its frames a packet."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        sound = out.add_stream("libmp3lame", rate=RATE, layout="mono")
        for start in range(0, 2 * RATE, 1152):
            frame = av.AudioFrame("s16p", "mono", 1152)
            frame.planes[0].update(bytes(frame.planes[0].buffer_size))
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    with av.open(io.BytesIO(file.getvalue())) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        for first in range(0, len(packets) - joined + 1, joined):
            packet = av.Packet(b"".join(map(bytes, packets[first : first + joined])))
            packet.pts = packet.dts = packets[first].pts
            packet.time_base, packet.stream = packets[first].time_base, packets[first].stream
            yield packet


@pytest.mark.parametrize("joined", [1, 2])
def test_several_frames_in_a_packet_are_no_pause(joined: int) -> None:
    packets = list(mp3_packets(joined))
    with av.open(io.BytesIO(), "w", format="avi") as output:
        transcoder = AudioTranscoder(output, "libmp3lame", packets[0].stream, 0)
        given = [len(list(transcoder.packets(packet))) for packet in packets]
        given.append(len(list(transcoder.flush())))
    assert sum(given) == pytest.approx(2 * RATE / 1152, abs=4)
