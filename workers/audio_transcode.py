"""Sound in a codec that the output's container takes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from mien.contract.errors import OutputError
from mien.contract.frames import SECOND_NS
from workers.channels import has_own_order, layout_of
from workers.pauses import Pauses, silence_of
from workers.write_errors import encoding

_BIT_RATES = {"aac": 96_000, "libopus": 64_000, "libmp3lame": 96_000, "mp2": 128_000}
"""Bits a second and channel: transparent for speech, good for music."""
_SLOW_MP2 = 160_000
"""Bits a second, all channels together: the most that mp2 takes below 32 kHz."""
_STEREO_ONLY = {"mp2", "libmp3lame"}
_LAYOUTS = ("mono", "stereo", "5.1")
_USUAL_RATE = 48_000
_LATE = {"libmp3lame": 1105}
"""Encoder delay in samples; containers with time stamps make up for it."""
_LEAST_RATE = 32_000
"""Lowest sample rate, in hertz, at which the loss of so many samples is not noticed."""


class AudioTranscoder:
    """Decodes the packets of one source stream and encodes them for the output.

    Packets that cannot be decoded are left out; the times of the others stay. Ask `why_unmixable`
    before: where it has an answer, there will be no sound.

    Args:
        output: Gets a new stream.
        encoder: FFmpeg's name of an audio encoder.
        source: The stream that the packets are from.
        silence_from_ns: Time stamp from which silence fills the time before the first sound and
            every pause, for containers without time stamps; None fills nothing.

    Raises:
        OutputError: The encoder cannot be opened for this sound.
    """

    def __init__(
        self,
        output: OutputContainer,
        encoder: str,
        source: AudioStream,
        silence_from_ns: int | None,
    ) -> None:
        self._source = source
        self._pauses: Pauses | None = None
        if silence_from_ns is not None:
            self._pauses = Pauses(Fraction(silence_from_ns, SECOND_NS))
        codec = av.Codec(encoder, "w")
        self.codec = codec.canonical_name
        rate = source.codec_context.sample_rate
        if codec.audio_rates and rate not in codec.audio_rates:
            rate = _USUAL_RATE
        self._surplus = 0 if self._pauses is None else _LATE.get(encoder, 0)
        if self._surplus and rate < _LEAST_RATE:
            rate = _USUAL_RATE
        self.stream = cast(AudioStream, output.add_stream(encoder, rate=rate))
        layout = _layout(layout_of(source.codec_context), encoder)
        self.stream.codec_context.layout = layout
        self.stream.codec_context.bit_rate = _bit_rate(encoder, rate, layout.nb_channels)
        self._open()
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[object, ...] = ()
        self.note = ""
        """What was left out on the way, as a sentence; empty where nothing was."""

    def packets(self, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        """Encoded packets that are ready after one packet of the source."""
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return  # damaged: the rest of the sound goes on
        for frame in frames:
            yield from self._silence_before(frame)
            yield from self._encode(frame)

    def flush(self) -> Iterator[Packet[AudioStream]]:
        """The packets that decoder and encoder still hold."""
        try:
            frames = self._source.codec_context.decode(None)
        except av.error.FFmpegError:
            frames = []
        for frame in frames:
            yield from self._silence_before(frame)
            yield from self._encode(frame)
        yield from self._drain()
        yield from self._send(None)

    def _silence_before(self, frame: AudioFrame) -> Iterator[Packet[AudioStream]]:
        if self._pauses is None:
            return
        rate = frame.sample_rate
        base = frame.time_base or Fraction(1, rate)
        # of several frames in a packet FFmpeg stamps the first alone
        stamp_s = None if frame.pts is None else frame.pts * base
        gap_s, start_s = self._pauses.before(stamp_s, Fraction(frame.samples, rate))
        end = round(start_s * rate)
        begin = end - round(gap_s * rate)
        for start in range(begin, end, rate):
            silence = av.AudioFrame(frame.format.name, frame.layout.name, min(rate, end - start))
            # of eight planar channels or more PyAV gives planes that there are not
            for plane in silence.planes[: _plane_count(frame)]:
                plane.update(silence_of(frame.format.name) * plane.buffer_size)
            silence.sample_rate = rate
            silence.time_base = base  # the resampler wants one for all
            silence.pts = round(Fraction(start, rate) / base)
            yield from self._encode(silence)

    def _encode(self, frame: AudioFrame) -> Iterator[Packet[AudioStream]]:
        form = (frame.format.name, frame.layout.name, frame.sample_rate, frame.time_base)
        if self._resampler is None or form != self._form:
            # broadcasts change between mono, stereo and more as they like
            yield from self._drain()
            context = self.stream.codec_context
            self._form = form
            self._resampler = av.AudioResampler(context.format, context.layout, context.rate)
        try:
            parts = self._resampler.resample(frame)
        except av.error.FFmpegError:  # to these channels it has changed on the way
            self._resampler = None
            if self._pauses is not None:
                self._pauses.take_back(Fraction(frame.samples, frame.sample_rate))
            self.note = _left_out(
                frame.layout, self.stream.codec_context.layout, "left out in part"
            )
            return
        for part in parts:
            yield from self._send_timely(part)

    def _drain(self) -> Iterator[Packet[AudioStream]]:
        if self._resampler is not None:
            for part in self._resampler.resample(None):
                yield from self._send_timely(part)
            self._resampler = None

    def _send_timely(self, frame: AudioFrame) -> Iterator[Packet[AudioStream]]:
        """Send a frame, but for a sound's first samples, which make up for the encoder delay."""
        surplus = min(self._surplus, frame.samples)
        self._surplus -= surplus
        if surplus < frame.samples:
            yield from self._send(_without(frame, surplus) if surplus else frame)

    def _send(self, frame: AudioFrame | None) -> Iterator[Packet[AudioStream]]:
        with encoding(self.codec):
            packets = self.stream.codec_context.encode(frame)
        for packet in packets:
            packet.stream = self.stream
            yield packet

    def _open(self) -> None:
        try:
            self.stream.codec_context.open()
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise OutputError(
                f"the sound cannot be encoded with {self.codec} at "
                f"{self.stream.codec_context.sample_rate} Hz"
            ) from error


def why_unmixable(source: AudioStream, encoder: str) -> str:
    """Why a sound cannot be transcoded, as a sentence; empty where it can.

    Of channels without names, or in an order of their own, FFmpeg does not know where they are
    heard.
    """
    found, rate = layout_of(source.codec_context), source.codec_context.sample_rate
    if not found.nb_channels:
        return ""  # it is known with the first packet
    layout = _layout(found, encoder)
    if has_own_order(found):
        return _left_out(found, layout)
    try:
        silence = av.AudioFrame("s16", found.name, 1)
        silence.sample_rate = rate
        av.AudioResampler("s16", layout, rate).resample(silence)
    except (ValueError, av.error.FFmpegError):
        return _left_out(found, layout)
    return ""


def _left_out(source: av.AudioLayout, target: av.AudioLayout, how: str = "left out") -> str:
    return f"sound of {source.name} is {how}: FFmpeg cannot mix it to {target.name}"


def _plane_count(frame: AudioFrame) -> int:
    return frame.layout.nb_channels if frame.format.is_planar else 1


def _without(frame: AudioFrame, count: int) -> AudioFrame:
    """A frame without its first samples, of which it has more."""
    rest = av.AudioFrame(frame.format.name, frame.layout.name, frame.samples - count)
    planes = _plane_count(frame)
    begin = count * frame.format.bytes * frame.layout.nb_channels // planes
    for old, new in zip(frame.planes[:planes], rest.planes[:planes], strict=True):
        new.update(bytes(old)[begin : begin + new.buffer_size])
    rest.sample_rate, rest.time_base, rest.pts = frame.sample_rate, frame.time_base, frame.pts
    return rest


def _bit_rate(encoder: str, rate: int, channels: int) -> int:
    wanted = _BIT_RATES[encoder] * channels
    return min(wanted, _SLOW_MP2) if encoder == "mp2" and rate < 32_000 else wanted


def _layout(source: av.AudioLayout, encoder: str) -> av.AudioLayout:
    """The source's channels where the encoder takes them, else stereo."""
    names = _LAYOUTS[:2] if encoder in _STEREO_ONLY else _LAYOUTS
    for name in names:
        layout = av.AudioLayout(name)
        if layout.nb_channels == source.nb_channels:
            return layout  # by its name, since raw sound says no more than a number
    return av.AudioLayout("stereo")
