"""The sound of a source on its way into an output: copied where it fits, else encoded anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Protocol

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from mien.contract.frames import SECOND_NS
from workers.audio_transcode import AudioTranscoder, why_unmixable
from workers.containers import Container
from workers.pauses import HEARD_S, PcmPauses

_HEADED = ("flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2")
"""Demuxers of containers that keep a codec's header (extradata) apart from its packets."""
_HEADER_BYTES = {"aac": 2, "alac": 24, "flac": 34, "opus": 19, "vorbis": 30}
"""Least size of that header, by codec."""
_LONGEST_GAP_TICKS = 2**31 - 1
_PRIMED = frozenset({"aac", "mp3", "opus", "vorbis"})
"""Codecs whose packets cannot be decoded well without the one before."""
_PRIMERS = 2
"""Packets that their decoders want before what is heard first, at most: so many Apple's AAC has."""
_KEPT_METADATA = ("language", "title", "handler_name")


class AudioPackets(Protocol):
    """The sound of a source, read apart from its pictures (`producer.audio.AudioFeed` is one)."""

    @property
    def templates(self) -> Sequence[AudioStream]:
        """The source's audio streams, in its order."""

    @property
    def start_ns(self) -> int:
        """Where the source's container starts on the time line of the packets' stamps."""

    def take(self, until_ns: int | None) -> Iterator[tuple[int, Packet[AudioStream]]]:
        """Packets not yet taken that start earlier than `until_ns` after the container's start.

        Each comes with the position of its stream in `templates`; None takes all that is left.
        """

    def close(self) -> None:
        """Let the source go. The packets and templates must not be used after it."""


class _Track:
    """One audio stream of the output."""

    def __init__(
        self, output: OutputContainer, container: Container, source: AudioStream, start_ns: int
    ) -> None:
        codec = source.codec_context.codec.canonical_name
        self._transcoder: AudioTranscoder | None = None
        self._pcm_pauses: PcmPauses | None = None
        if _is_copied(container, source, start_ns):
            self._stream = output.add_stream_from_template(source)
            if codec.startswith("pcm_") and not container.keeps_pauses:
                start_s = Fraction(start_ns, SECOND_NS)
                self._pcm_pauses = PcmPauses(source, None if container.stamped else start_s)
            self.summary = f"{codec} copied"
        else:
            silence_from_ns = None if container.stamped else start_ns
            self._transcoder = AudioTranscoder(
                output, container.audio_encoder, source, silence_from_ns
            )
            self._stream = self._transcoder.stream
            self.summary = f"{codec} transcoded to {self._transcoder.codec}"
        copied_from_adts = self._transcoder is None and codec == "aac"
        self._is_adts = copied_from_adts and not source.codec_context.extradata
        # without times, what is there is heard from the beginning on
        primers = _PRIMERS if container.stamped and codec in _PRIMED else 0
        self._primers: deque[Packet[AudioStream]] = deque(maxlen=primers)
        self._last_dts: int | None = None
        self._given = 0
        self.damaged = 0
        """Packets that are none, or that the container has refused."""
        self._stream.disposition = source.disposition
        for key in _KEPT_METADATA:
            if key in source.metadata:
                self._stream.metadata[key] = source.metadata[key]

    def packets(self, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        """What is to be muxed for one packet of the source."""
        if self._transcoder is not None:
            yield from self._transcoder.packets(packet)
        elif self._is_adts and not _begins_adts(packet):
            # FFmpeg's muxers judge by the first whether all have such headers
            self.damaged += bool(packet.size)
        elif packet.dts is not None and packet.size:
            for shown in self._shown(packet):
                parts = (shown,) if self._pcm_pauses is None else self._pcm_pauses.filled(shown)
                for part in parts:
                    part.stream = self._stream
                    yield part

    def _shown(self, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        """Without what the source's edit list hides, but for what its beginning is decoded with.

        Not every container can hide it again: it would be heard, and come before the pictures.
        """
        if not packet.is_discard:
            yield from self._primers
            self._primers.clear()
            yield packet
        elif not self._given:
            self._primers.append(packet)

    @property
    def note(self) -> str:
        """What was left out of it, as a sentence; empty where nothing was."""
        return "" if self._transcoder is None else self._transcoder.note

    @property
    def is_silent(self) -> bool:
        """Whether nothing came of it: some containers then have no such stream."""
        return not self._given

    def owns(self, packet: Packet[VideoStream] | Packet[AudioStream]) -> bool:
        """Whether a packet that is to be muxed is one of this stream's."""
        return packet.stream is self._stream

    def refused(self) -> None:
        """Count the packet given last as damaged."""
        self._given -= 1
        self.damaged += 1

    def follows(self, packet: Packet[AudioStream]) -> bool:
        """Count a packet that is to be muxed as the last one.

        False where it does not come after the one before in the output's ticks, or so long after it
        that no container takes it, as in damaged sources.
        """
        if packet.dts is None:
            return True
        dts = round(packet.dts * packet.time_base / (self._stream.time_base or packet.time_base))
        if self._last_dts is not None and not 0 < dts - self._last_dts <= _LONGEST_GAP_TICKS:
            return False
        if packet.pts is not None:
            packet.pts = max(packet.pts, packet.dts)
        self._last_dts = dts
        self._given += 1
        return True

    def flush(self) -> Iterator[Packet[AudioStream]]:
        """What the transcoder still holds."""
        if self._transcoder is not None:
            yield from self._transcoder.flush()


class AudioMux:
    """Gives the packets of all audio streams, on the output's time line.

    The time line starts where the source's container does, for sound and pictures alike; so their
    distance stays what it was. It must not drop what comes after the last picture. A stream that
    can neither be copied nor encoded anew is left out, with a note.
    """

    def __init__(
        self, output: OutputContainer, container: Container, audio: AudioPackets | None
    ) -> None:
        self._audio = audio
        self._start_ns = audio.start_ns if audio is not None else 0
        templates = audio.templates if audio is not None else ()
        self._tracks: dict[int, _Track] = {}  # by the position of their template
        self._left_out: list[str] = []
        for position, template in enumerate(templates):
            why = ""
            if not _is_copied(container, template, self._start_ns):
                why = why_unmixable(template, container.audio_encoder)
            if why:
                self._left_out.append(why)
            else:
                self._tracks[position] = _Track(output, container, template, self._start_ns)

    @property
    def summaries(self) -> list[str]:
        """One a stream that is written: 'aac copied', 'pcm_s16le transcoded to aac'."""
        return [track.summary for track in self._tracks.values()]

    @property
    def notes(self) -> list[str]:
        """What was left out, a sentence each."""
        return [*self._left_out, *(track.note for track in self._tracks.values() if track.note)]

    @property
    def heard(self) -> int:
        """How many of the streams got any sound."""
        return sum(not track.is_silent for track in self._tracks.values())

    @property
    def damaged(self) -> int:
        """How many packets are none, or were refused by the container."""
        return sum(track.damaged for track in self._tracks.values())

    def refuse(self, packet: Packet[VideoStream] | Packet[AudioStream]) -> bool:
        """Count one that `until` has just given, and that the container does not take, as damaged.

        False where it is no packet of sound.
        """
        for track in self._tracks.values():
            if track.owns(packet):
                track.refused()
                return True
        return False

    def until(self, time_ns: int | None) -> Iterator[Packet[AudioStream]]:
        """The packets before `time_ns`; with None all that are left, and what encoders hold."""
        if self._audio is None or not self._tracks:
            return
        for position, packet in self._audio.take(time_ns):
            track = self._tracks.get(position)
            if track is not None:
                yield from filter(track.follows, map(self._shifted, track.packets(packet)))
        if time_ns is None:
            for track in self._tracks.values():
                yield from filter(track.follows, map(self._shifted, track.flush()))

    def _shifted(self, packet: Packet[AudioStream]) -> Packet[AudioStream]:
        ticks = round(self._start_ns / (packet.time_base * SECOND_NS))
        if packet.pts is not None:
            packet.pts -= ticks
        if packet.dts is not None:
            packet.dts -= ticks
        return packet


def _is_copied(container: Container, source: AudioStream, start_ns: int) -> bool:
    """Whether the container takes the sound as it is."""
    context = source.codec_context
    fits = container.copies(context.codec.canonical_name, context.sample_rate)
    whole = container.stamped or not _is_late(source, start_ns)
    return fits and whole and not _lacks_header(source)


def _lacks_header(stream: AudioStream) -> bool:
    """Whether sound cannot be copied since what every container needs to know of it is missing."""
    context = stream.codec_context
    least = _HEADER_BYTES.get(context.codec.canonical_name, 0)
    return len(context.extradata or b"") < least and stream.container.format.name in _HEADED


def _begins_adts(packet: Packet[AudioStream]) -> bool:
    """Whether a packet of AAC begins with a header of its own: twelve ones, layer 0."""
    first = bytes(memoryview(packet)[:2])
    return len(first) == 2 and first[0] == 0xFF and first[1] & 0xF6 == 0xF0


def _is_late(stream: AudioStream, start_ns: int) -> bool:
    """Whether the sound starts after the container does by more than `HEARD_S`."""
    if stream.start_time is None or stream.time_base is None:
        return False
    return stream.start_time * stream.time_base - Fraction(start_ns, SECOND_NS) > HEARD_S
