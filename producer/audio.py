"""The sound of a file, packet by packet and undecoded, read apart from its pictures."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Discard

from producer.addresses import parse
from producer.decoding import FRUITLESS_READS
from producer.opening import Timeouts, open_container
from producer.probe import AV_TIME_BASE, container_start, wrap_ticks
from producer.timestamps import JUMP_S, to_ns


class Clock:
    """One audio stream's time stamps, which go on where the source's start over."""

    def __init__(self, jump_ticks: int, wrap_ticks: int | None) -> None:
        """jump_ticks: a step back of more is a new beginning; wrap_ticks: as of the container."""
        self._jump, self._wrap = jump_ticks, wrap_ticks
        self._shift = 0
        self._next: int | None = None

    def correct(self, packet: Packet[AudioStream]) -> None:
        """Move a packet's stamps to where they belong (`producer.timestamps` does for frames)."""
        assert packet.dts is not None  # noqa: S101
        back = 0 if self._next is None else self._next - (packet.dts + self._shift)
        if self._wrap is not None and abs(back) > self._wrap // 2:
            step = self._wrap if back > 0 else -self._wrap
            self._shift += step
            back -= step
        if self._next is not None and back > self._jump:
            self._shift = self._next - packet.dts
        packet.dts += self._shift
        if packet.pts is not None:
            packet.pts += self._shift
        self._next = packet.dts + (packet.duration or 0)


class AudioFeed:
    """A second, independent reader of the same file, for its audio alone.

    It never decodes. Read and close it from one and the same thread. A live source cannot be read
    twice, and a photo has no sound: neither is for this class.
    """

    def __init__(self, name: str, *, timeout_s: Timeouts = (10.0, 30.0)) -> None:
        """Opens the file.

        Raises:
            SourceError: it cannot be opened.
        """
        self._container = open_container(parse(name), timeout_s)
        self.start_ns = to_ns(container_start(self._container))
        """Where the container starts on the time line of the packets' own stamps."""
        self.templates: list[AudioStream] = [
            stream for stream in self._container.streams.audio if stream.codec_context is not None
        ]
        """The audio streams, to make output streams of; empty where there are none."""
        wanted = {stream.index for stream in self.templates}
        for stream in self._container.streams:
            if stream.index not in wanted:
                stream.discard = Discard.all
        self._position = {stream.index: at for at, stream in enumerate(self.templates)}
        self._packets = self._read()
        self._ahead: tuple[int, Packet[AudioStream]] | None = None
        wrap = wrap_ticks(self._container)
        self._clocks = [
            Clock(round(JUMP_S / (stream.time_base or AV_TIME_BASE)), wrap)
            for stream in self.templates
        ]

    def take(self, until_ns: int | None) -> Iterator[tuple[int, Packet[AudioStream]]]:
        """The next packets, up to the first that is not before a time.

        until_ns: nanoseconds after the container's start, which `SourceInfo.first_pts_ns` counts
        from too; None takes all that is left. Gives (position in `templates`, packet) in the
        file's order, the packet's time stamps still the source's, but for a clock that starts
        over: that goes on.
        """
        while True:
            item = self._ahead or next(self._packets, None)
            self._ahead = None
            if item is None:
                return
            if until_ns is not None and self._time_ns(item[1]) >= until_ns:
                self._ahead = item
                return
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
        """All packets that have a time; after an error the reading goes on where it can."""
        fruitless = 0 if self.templates else FRUITLESS_READS
        while fruitless < FRUITLESS_READS:
            try:
                for packet in self._container.demux(tuple(self.templates)):
                    if packet.size and packet.dts is not None:
                        fruitless = 0
                        position = self._position[packet.stream_index]
                        self._clocks[position].correct(packet)
                        yield position, packet
            except (av.error.ExitError, IndexError):  # the second as in `producer.decoding`
                return
            except (av.error.FFmpegError, OSError):
                fruitless += 1
            else:
                return
