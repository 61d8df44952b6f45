"""The sound of a file, packet by packet and undecoded, read apart from its pictures."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Discard

from mien.contract.frames import SECOND_NS
from producer.addresses import parse
from producer.decoding import FRUITLESS_READS
from producer.opening import USUAL_TIMEOUTS_S, open_container
from producer.probe import container_start, time_base_of, wrap_ticks
from producer.restarts import NEAR_S, Restarts
from producer.strays import Strays
from producer.timestamps import JUMP_S, LONGEST_S, to_ns

PATIENCE_NS = 10 * SECOND_NS
"""So much longer a new beginning of the sound waits for that of the pictures, if it must."""

MOST_ASTRAY = 32
"""Packets of sound that one damaged stamp may lead astray: containers give it to many at once."""


class Clock:
    """One audio stream's time stamps, which go on where the source's start over.

    A new beginning goes where the pictures' new beginning went (`producer.restarts`), so that the
    two keep their distance. Until that is known, and where there is none, it is a guess: stamps
    that go back follow the sound before, those that leap ahead stay, since sound may pause for
    hours while the pictures go on.
    """

    def __init__(
        self, time_base: Fraction, wrap_ticks: int | None, restarts: Restarts | None
    ) -> None:
        """wrap_ticks: as of the container; restarts: the pictures' new beginnings, if known."""
        self._time_base, self._wrap, self._restarts = time_base, wrap_ticks, restarts
        self._jump = round(JUMP_S / time_base)
        self._leap = round((LONGEST_S - NEAR_S) / time_base)  # that of the pictures is longer
        self._shift = 0
        self._used = 0
        self._next: int | None = None
        self._filled = 0
        self._overlaps = False
        self.guesses = False
        """Whether the packet that was corrected last may belong elsewhere."""

    def correct(self, packet: Packet[AudioStream]) -> None:
        """Move a packet's stamps to where they belong (`producer.timestamps` does for frames)."""
        assert packet.dts is not None  # noqa: S101
        back = 0 if self._next is None else self._next - (packet.dts + self._shift)
        if self._wrap is not None and abs(back) > self._wrap // 2:
            step = self._wrap if back > 0 else -self._wrap
            self._shift += step
            back -= step
        if self._next is not None and not -self._leap <= back <= self._jump:
            self.guesses = self._restarts is not None
            if back > 0:
                self._shift = self._filled - packet.dts
        _move(packet, self._shift)

    def settle(self, packet: Packet[AudioStream]) -> None:
        """Put a guessed packet, corrected before, where it belongs, if that is known by now."""
        if not self.guesses or self._restarts is None:
            return
        assert packet.dts is not None  # noqa: S101
        wrap_s = None if self._wrap is None else self._wrap * self._time_base
        stamp = packet.dts - self._shift
        stamp_s, behind_s = stamp * self._time_base, (self._filled - stamp) * self._time_base
        found = self._restarts.match(stamp_s, behind_s, wrap_s, self._used)
        if found is None:
            return
        self._used = found[0] + 1
        change = round(found[1].shift_s / self._time_base) - self._shift
        if self._wrap is not None:
            change -= self._wrap * round(Fraction(change, self._wrap))
        self._shift += change
        self._overlaps = change < 0
        self.guesses = False
        _move(packet, change)

    def accepts(self, packet: Packet[AudioStream]) -> bool:
        """Count a settled packet as given; False where a new beginning lies in time that the
        sound before it has filled: then it is left out."""
        assert packet.dts is not None  # noqa: S101
        self.guesses = False
        length = packet.duration or 0
        self._next = packet.dts + length
        self._overlaps = self._overlaps and packet.dts < self._filled - length // 2
        if not self._overlaps:
            self._filled = self._next
        return not self._overlaps


def _move(packet: Packet[AudioStream], ticks: int) -> None:
    """Add to both stamps of a packet, which has a dts."""
    packet.dts = (packet.dts or 0) + ticks
    if packet.pts is not None:
        packet.pts += ticks


class AudioFeed:
    """A second, independent reader of the same file, for its audio alone.

    It never decodes. A live source cannot be read twice, and a photo has no sound: neither is for
    this class.
    """

    def __init__(self, name: str, *, restarts: Restarts | None = None) -> None:
        """Opens the file.

        restarts: those of the source that reads the pictures (`Source.restarts`); without them,
        sound and picture may drift apart where the stamps begin anew.

        Raises:
            SourceError: it cannot be opened.
        """
        self._container = open_container(parse(name), USUAL_TIMEOUTS_S)
        self.start_ns = to_ns(container_start(self._container))
        """Where the container starts on the time line of the packets' own stamps."""
        self.templates: list[AudioStream] = [
            stream
            for stream in self._container.streams.audio
            # Without a rate there was no sound to tell it, as in broadcasts that only announce one.
            if stream.codec_context is not None and stream.codec_context.sample_rate > 0
        ]
        """The audio streams, to make output streams of; empty where there are none."""
        wanted = {stream.index for stream in self.templates}
        for stream in self._container.streams:
            if stream.index not in wanted:
                stream.discard = Discard.all
        self._position = {stream.index: at for at, stream in enumerate(self.templates)}
        self._packets = self._read()
        self._strays: list[Strays[Packet[AudioStream]]] = [
            Strays(time_base_of(stream), MOST_ASTRAY) for stream in self.templates
        ]
        self._ahead: tuple[int, Packet[AudioStream]] | None = None
        wrap = wrap_ticks(self._container.format.name)
        self._clocks = [Clock(time_base_of(stream), wrap, restarts) for stream in self.templates]

    def take(self, until_ns: int | None) -> Iterator[tuple[int, Packet[AudioStream]]]:
        """The next packets, up to the first that is not before a time.

        until_ns: nanoseconds after the container's start, which `SourceInfo.first_pts_ns` counts
        from too; None takes all that is left. Gives (position in `templates`, packet) in the
        file's order, the packet's time stamps still the source's, but for a clock that starts
        over: that goes on. A new beginning that the pictures have not got to yet is not given
        before a time that is later by `PATIENCE_NS`.
        """
        while True:
            item = self._ahead or next(self._packets, None)
            self._ahead = None
            if item is None:
                return
            clock = self._clocks[item[0]]
            clock.settle(item[1])
            patience_ns = PATIENCE_NS if clock.guesses else 0
            if until_ns is not None and self._time_ns(item[1]) + patience_ns >= until_ns:
                self._ahead = item
                return
            if clock.accepts(item[1]):
                yield item

    def close(self) -> None:
        """Give everything back; may be called again; never while another thread reads."""
        self._packets.close()
        self._ahead = None
        self._container.close()

    def _time_ns(self, packet: Packet[AudioStream]) -> int:
        assert packet.dts is not None  # noqa: S101
        return to_ns(packet.dts * packet.time_base) - self.start_ns

    def _read(self) -> Generator[tuple[int, Packet[AudioStream]], None, None]:
        """All packets that have a time, at the time where they belong as far as is known."""
        for packet in self._demuxed():
            position = self._position[packet.stream_index]
            yield from self._corrected(position, self._strays[position].push(packet, packet.dts))
        for position, strays in enumerate(self._strays):
            yield from self._corrected(position, strays.flush())

    def _corrected(
        self, position: int, checked: list[tuple[Packet[AudioStream], int | None]]
    ) -> Iterator[tuple[int, Packet[AudioStream]]]:
        for packet, dts in checked:
            _move(packet, (dts or 0) - (packet.dts or 0))
            self._clocks[position].correct(packet)
            yield position, packet

    def _demuxed(self) -> Iterator[Packet[AudioStream]]:
        """All packets that have a time; after an error the reading goes on where it can."""
        fruitless = 0 if self.templates else FRUITLESS_READS
        while fruitless < FRUITLESS_READS:
            try:
                for packet in self._container.demux(tuple(self.templates)):
                    if packet.size and packet.dts is not None:
                        fruitless = 0
                        yield packet
            except (av.error.ExitError, IndexError):  # the second as in `producer.decoding`
                return
            except (av.error.FFmpegError, OSError):
                fruitless += 1
            else:
                return
