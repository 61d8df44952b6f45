"""The sound of a source on its way into an output: copied where it fits, else encoded anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from workers.audio_transcode import AudioTranscoder
from workers.containers import Container

_NS = 1_000_000_000
_HEARD_NS = 15_000_000
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
        if codec in container.audio and (container.stamped or not _is_late(source, start_ns)):
            self._stream = output.add_stream_from_template(source)
            self.summary = f"{codec} copied"
        else:
            silence_from_ns = None if container.stamped else start_ns
            self._transcoder = AudioTranscoder(
                output, container.audio_encoder, source, silence_from_ns
            )
            self._stream = self._transcoder.stream
            self.summary = f"{codec} transcoded to {self._transcoder.codec}"
        self._stream.disposition = source.disposition
        for key in _KEPT_METADATA:
            if key in source.metadata:
                self._stream.metadata[key] = source.metadata[key]

    def packets(self, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        """What is to be muxed for one packet of the source."""
        if self._transcoder is not None:
            yield from self._transcoder.packets(packet)
        elif packet.dts is not None and packet.size:
            packet.stream = self._stream
            yield packet

    def flush(self) -> Iterator[Packet[AudioStream]]:
        """What the transcoder still holds."""
        if self._transcoder is not None:
            yield from self._transcoder.flush()


class AudioMux:
    """Gives the packets of all audio streams, on the output's time line.

    The time line starts where the source's container does, for sound and pictures alike; so their
    distance stays what it was. It must not drop what comes after the last picture.
    """

    def __init__(
        self, output: OutputContainer, container: Container, audio: AudioPackets | None
    ) -> None:
        self._audio = audio
        self._start_ns = audio.start_ns if audio is not None else 0
        templates = audio.templates if audio is not None else ()
        self._tracks = [
            _Track(output, container, template, self._start_ns) for template in templates
        ]

    @property
    def summaries(self) -> list[str]:
        """One a stream: 'aac copied', 'pcm_s16le transcoded to aac'."""
        return [track.summary for track in self._tracks]

    def until(self, time_ns: int | None) -> Iterator[Packet[AudioStream]]:
        """The packets before `time_ns`; with None all that are left, and what encoders hold."""
        if self._audio is None or not self._tracks:
            return
        for position, packet in self._audio.take(time_ns):
            for ready in self._tracks[position].packets(packet):
                yield self._shifted(ready)
        if time_ns is None:
            for track in self._tracks:
                for ready in track.flush():
                    yield self._shifted(ready)

    def _shifted(self, packet: Packet[AudioStream]) -> Packet[AudioStream]:
        ticks = round(self._start_ns / (packet.time_base * _NS))
        if packet.pts is not None:
            packet.pts -= ticks
        if packet.dts is not None:
            packet.dts -= ticks
        return packet


def _is_late(stream: AudioStream, start_ns: int) -> bool:
    """Whether the sound starts after the container does by more than an ear forgives."""
    if stream.start_time is None or stream.time_base is None:
        return False
    return stream.start_time * stream.time_base * _NS - start_ns > _HEARD_NS
