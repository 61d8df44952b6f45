"""One connection to a live source, read by a thread of its own that never waits for decoding."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from mien.contract.errors import SourceError
from mien.contract.frames import SECOND_NS
from producer.addresses import Address
from producer.explanations import NOT_MEDIA, explain
from producer.live_times import LEAP_NS
from producer.opening import Timeouts, open_container
from producer.sockets import Sockets
from producer.timestamps import JUMP_S
from producer.video import checked_stream, kind_of

PORTS = {"rtsp": 554, "rtsps": 322}

MOST_BYTES = 64_000_000
"""Packets that wait to be decoded; more of them are not read from a server that waits for us, and
from others take the place of those that wait."""

SEGMENTED = "hls"
"""FFmpeg's name of what is fetched in segments, each at once; all else comes as it is sent."""

NO_STAMPS = 128
"""FFmpeg's AVFMT_NOTIMESTAMPS, of a container that holds no times."""

ENDED = "the stream ended"
FINITE = "it sends a file now, which has an end"
GARBLED = "what it sends cannot be read any more"
"""A webcam whose cable was pulled out gives such a picture, too."""

LATER_S = 1.0
"""How much longer FFmpeg waits for a camera that is silent than whoever reads here."""

BEHIND_S, FAR_BEHIND_S = 1.0, 3.0
"""A packet that waited so long is left out, up to the next picture that can be decoded without
it; after the second time that picture is waited for. Of a server that waits for us, a picture that
is overdue by the second time is the last one before others are left out."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A packet, and when it came."""

    packet: Packet[VideoStream]
    utc_ns: int
    arrived_ns: int
    """By `time.monotonic_ns`."""


class Connection:
    """Opens an address, reads its packets and closes it, all in one thread of its own.

    Whoever takes the packets may use `stream` until `release`, and must call that in the end.
    """

    def __init__(
        self, address: Address, timeouts: Timeouts, container: InputContainer | None = None
    ) -> None:
        """container: one that is open already, which is the connection's from now on."""
        self._address, self._timeouts, self._container = address, timeouts, container
        self._changed = threading.Condition()
        self._packets: deque[Arrived] = deque()
        self._bytes = 0
        self._wanted_ns = 0  # what came before is not missed
        self._cut = False
        self._released = threading.Event()
        self.stream: VideoStream | None = None
        """The video, once it is open."""
        self.format = ""
        """FFmpeg's name of the container, once it is open."""
        self.has_stamps = True
        """Whether its pictures have times of their own, once it is open."""
        self.refusal: SourceError | None = None
        """Why it could not be opened, if it could not."""
        self.cause = "it sends nothing any more"
        """Why it ended, in words without a name, once it has."""
        self.complete = False
        """Whether it is a playlist that was ended: nothing will ever be added to it."""
        self.ended = False
        """Whether no packet will come any more."""
        self.skipped = 0
        """Packets that were left out since decoding fell behind."""
        self.came_s = time.monotonic()
        """When the last packet came, also one that was left out; at first, when this began."""
        self.blind_s: float | None = None
        """Since when a picture is waited for that can be decoded without those before it."""
        host, port = _host_and_port(address)
        self._sockets = Sockets(host, port)
        threading.Thread(target=self._run, name="camera", daemon=True).start()

    @property
    def is_patient(self) -> bool:
        """Whether its server waits for us: then no packet is old by itself."""
        return self.format == SEGMENTED

    def wait(self, limit_s: float) -> None:
        """Return when a packet is there, when something has become of it, or when time is up."""
        with self._changed:
            opened = self.stream is not None
            self._changed.wait_for(
                lambda: self._packets or self.ended or (self.stream is not None) is not opened,
                limit_s,
            )

    def take(self) -> Arrived | None:
        """The oldest packet that is worth decoding, if there is one now."""
        with self._changed:
            if self._packets and not self.is_patient:
                self._catch_up(self._packets[0])
            if not self._packets:
                return None
            oldest = self._packets.popleft()
            self._bytes -= oldest.packet.size
            self._changed.notify_all()
            return oldest

    def catch_up(self, pts: int, late_s: float) -> None:
        """Leave out what comes before the last picture that is due and needs none before it.

        Where there is none yet, nothing is left out: it would be for nothing. Nor is anything
        from where the stamps begin anew, since they do not tell what is due there.

        pts: the stamp of the picture that was taken last, which is so late.
        """
        with self._changed:
            last_key, before = 0, pts
            for number, packet in enumerate(one.packet for one in self._packets):
                tick_s = packet.time_base
                stamp = packet.pts if packet.dts is None else packet.dts  # which never goes back
                if stamp is None or packet.pts is None:
                    continue
                is_anew = not -JUMP_S <= (stamp - before) * tick_s <= LEAP_NS / SECOND_NS
                if is_anew or (stamp - pts) * tick_s > late_s:
                    break
                if packet.is_keyframe and (packet.pts - pts) * tick_s <= late_s:
                    last_key = number
                before = stamp
            self.skipped += self._leave_out(last_key)
            self._changed.notify_all()

    def forget(self) -> None:
        """Leave out, uncounted, what came until now and is not needed for what comes next.

        The rest of it is given all the same, to be decoded and not to be shown.
        """
        with self._changed:
            if self.is_patient:
                return
            keys = [n for n, one in enumerate(self._packets) if one.packet.is_keyframe]
            self._leave_out(max(keys, default=0))
            self._wanted_ns = time.monotonic_ns()

    def cut(self) -> None:
        """End it from outside, in whatever it is."""
        with self._changed:
            self._cut = True
            self._changed.notify_all()
        self._sockets.shut()

    def release(self) -> None:
        """Let its thread close it. Returns at once."""
        self.cut()
        self._released.set()

    def _run(self) -> None:
        try:
            if self._container is None:
                open_s, read_s = self._timeouts
                # FFmpeg gives up later than the session does: it would hand out what it has half
                # received, and one outage would be told as two
                self._container = open_container(self._address, (open_s, read_s + LATER_S))
            self._sockets.claim()
            if not self._cut:
                self._read(self._container, checked_stream(self._address, self._container))
        except SourceError as error:
            self.refusal = error
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()
            self._released.wait()
            self._sockets.forget()
            if self._container is not None:
                self._container.close()

    def _read(self, container: InputContainer, stream: VideoStream) -> None:
        with self._changed:
            is_finite = kind_of(self._address, container) != "live"
            self.complete = is_finite and container.format.name == SEGMENTED
            if is_finite:
                self.cause = FINITE
                return
            self.has_stamps = not container.format.flags & NO_STAMPS
            self.format, self.stream = container.format.name, stream
            self._changed.notify_all()
        try:
            for packet in container.demux(stream):
                if self._cut:
                    return
                if packet.size:
                    self._put(Arrived(packet, time.time_ns(), time.monotonic_ns()))
            self.cause = ENDED
        except (av.error.FFmpegError, OSError, IndexError) as error:
            reason = explain(error)
            self.cause = GARBLED if reason == NOT_MEDIA else reason

    def _put(self, arrived: Arrived) -> None:
        with self._changed:
            self.came_s = arrived.arrived_ns / 1e9
            if self.is_patient:
                self._changed.wait_for(lambda: self._cut or self._bytes < MOST_BYTES)
            elif self._bytes >= MOST_BYTES:
                self.blind_s = self.came_s
                self.skipped += self._leave_out(len(self._packets))
            if self.blind_s is not None and not arrived.packet.is_keyframe:
                self.skipped += 1
                return
            self.blind_s = None
            self._packets.append(arrived)
            self._bytes += arrived.packet.size
            self._changed.notify_all()

    def _catch_up(self, oldest: Arrived) -> None:
        """Leave out what is too old, as far as the next picture that needs none before it."""
        if not _is_old(oldest, BEHIND_S):
            return
        keys = [n for n, one in enumerate(self._packets) if n and one.packet.is_keyframe]
        count = max(keys, default=0)
        is_missed = oldest.arrived_ns >= self._wanted_ns
        if not keys and is_missed and _is_old(oldest, FAR_BEHIND_S):
            self.blind_s, count = time.monotonic(), len(self._packets)
        self.skipped += self._leave_out(count)

    def _leave_out(self, count: int) -> int:
        """The oldest packets; says how many of them are missed."""
        left_out = [self._packets.popleft() for _ in range(count)]
        self._bytes -= sum(one.packet.size for one in left_out)
        return sum(one.arrived_ns >= self._wanted_ns for one in left_out)


def _is_old(arrived: Arrived, limit_s: float) -> bool:
    """Whether a packet has waited for so long."""
    return time.monotonic_ns() - arrived.arrived_ns > limit_s * 1e9


def _host_and_port(address: Address) -> tuple[str | None, int | None]:
    """Where a camera's one connection goes; None for what has several or none."""
    if address.kind != "camera" or address.format is not None:
        return None, None
    with contextlib.suppress(ValueError):
        parts = urlsplit(address.url)
        return parts.hostname, parts.port or PORTS.get(parts.scheme.lower())
    return None, None
