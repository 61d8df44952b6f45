"""What each file extension can carry, and what it carries unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from mien.contract.errors import UsageError
from mien.contract.frames import SourceInfo
from mien.contract.outputs import OutputSettings

_MPEG_RATES = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)
_USUAL_RATES = (Fraction(10), Fraction(12), Fraction(15), Fraction(20), *_MPEG_RATES)
_FALLBACK_RATE = Fraction(25)
_PCM = ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le")


@dataclass(frozen=True, slots=True)
class Container:
    """The abilities of one kind of video file; codec names are FFmpeg's canonical ones."""

    muxer: str
    video: tuple[str, ...]
    """Codecs that players expect in it."""
    encoder: str
    """FFmpeg encoder used where none is asked for."""
    audio: tuple[str, ...]
    """Codecs that are copied untouched, see `copies`."""
    audio_encoder: str
    """FFmpeg encoder for audio that cannot be copied."""
    audio_rates: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Hertz, by those codecs that it takes at some rates only."""
    variable_rate: bool = True
    """False where every picture has to last equally long."""
    stamped: bool = True
    """False where a picture has no time, only a number: no B-frames, times in whole pictures."""
    keeps_pauses: bool = True
    """False where PCM samples follow one another, whatever their stamps say."""
    tagged: bool = True
    """False where only the codec can say how colours are meant."""
    rates: tuple[Fraction, ...] = ()
    """The only frame rates it knows; empty where any will do."""
    muxer_options: dict[str, str] = field(default_factory=dict)
    growing_options: dict[str, str] | None = None
    """Of the muxer, so that a file can be played while it grows, and after its writer was killed;
    None where there is no such way."""

    def copies(self, codec: str, rate: int) -> bool:
        """Whether sound of that codec and sample rate can go into it untouched."""
        return codec in self.audio and rate in self.audio_rates.get(codec, (rate,))


_FLUSHED = {"flush_packets": "1"}
_FRAGMENTED = {
    "movflags": "+frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "1000000",
    **_FLUSHED,
}
_CLUSTERED = {"cluster_time_limit": "1000", **_FLUSHED}
"""Milliseconds: what a killed writer loses at most."""
_MP4_OPTIONS = {
    "movflags": "+faststart",
    # the default of 1000 would round the place of a video that starts late to milliseconds
    "movie_timescale": "90000",
}
_MP4 = Container(
    muxer="mp4",
    video=("h264", "hevc", "av1", "vp9", "mpeg4"),
    encoder="libx264",
    audio=("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"),
    audio_encoder="aac",
    audio_rates={"mp3": (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)},
    muxer_options=_MP4_OPTIONS,
    growing_options=_FRAGMENTED,
)

CONTAINERS: dict[str, Container] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container(
        muxer="mov",
        video=("h264", "hevc", "mpeg4"),
        encoder="libx264",
        audio=("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16be", "pcm_s24be", *_PCM),
        audio_encoder="aac",
        keeps_pauses=False,
        muxer_options=_MP4_OPTIONS,
        growing_options=_FRAGMENTED,
    ),
    ".mkv": Container(
        muxer="matroska",
        video=("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "ffv1"),
        encoder="libx264",
        audio=("aac", "mp3", "mp2", "ac3", "eac3", "dts", "opus", "vorbis", "flac", "alac", *_PCM),
        audio_encoder="aac",
        growing_options=_CLUSTERED,
    ),
    ".webm": Container(
        muxer="webm",
        video=("vp9", "vp8", "av1"),
        encoder="libvpx-vp9",
        audio=("opus", "vorbis"),
        audio_encoder="libopus",
        growing_options=_CLUSTERED,
    ),
    ".avi": Container(
        muxer="avi",
        video=("mpeg4", "h264", "ffv1"),
        encoder="mpeg4",
        audio=("mp3", "mp2", "ac3", "pcm_s16le", "pcm_u8"),
        audio_encoder="libmp3lame",
        variable_rate=False,
        stamped=False,
        keeps_pauses=False,
        tagged=False,
        # a sound that starts early must not push the pictures
        muxer_options={"avoid_negative_ts": "disabled"},
    ),
    ".ts": Container(
        muxer="mpegts",
        video=("h264", "hevc"),
        encoder="libx264",
        audio=("aac", "mp3", "mp2", "ac3", "eac3"),
        audio_encoder="aac",
        tagged=False,
        growing_options=_FLUSHED,
    ),
    ".flv": Container(
        muxer="flv",
        video=("h264", "flv1"),
        encoder="libx264",
        audio=("aac", "mp3"),
        audio_encoder="aac",
        audio_rates={"mp3": (11_025, 22_050, 44_100, 48_000)},
        tagged=False,
        growing_options=_FLUSHED,
    ),
    ".mpg": Container(
        muxer="mpeg",
        video=("mpeg2video", "mpeg1video"),
        encoder="mpeg2video",
        audio=("mp2", "mp3", "ac3"),
        audio_encoder="mp2",
        variable_rate=False,
        tagged=False,
        rates=_MPEG_RATES,
    ),
}
"""By extension, in lower case with its dot."""


def container_of(path: Path) -> Container:
    """The container that the extension asks for.

    Raises:
        UsageError: It asks for none that is known.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        known = " ".join(CONTAINERS)
        raise UsageError(
            f"{path.name} does not say which kind of video to write: its ending is none of {known}"
        ) from None


_LIVE_CODECS = {"h264", "hevc", "av1", "vp9", "vp8"}
"""Those whose packets hold all that decoding from a key picture on needs."""
_LIVE = {
    "playlist": Container("mpegts", ("h264",), "libx264", ("aac",), "aac"),
    "rtsp": Container(
        muxer="rtsp",
        video=("h264", "hevc"),
        encoder="libx264",
        audio=("aac",),
        audio_encoder="aac",
        muxer_options={
            "rtsp_transport": "tcp",
            "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,udp,tls",
        },
    ),
    "rtmp": Container(
        muxer="flv",
        video=("h264",),
        encoder="libx264",
        audio=("aac",),
        audio_encoder="aac",
        muxer_options={"flvflags": "no_duration_filesize"},
    ),
}
"""A camera's outputs that are no single file, by kind."""


def live_container(settings: OutputSettings) -> Container:
    """The container for a camera's pictures, with the codecs that go there.

    Raises:
        UsageError: The target is a file of no known kind, or of one that cannot grow playable.
    """
    if settings.kind != "file":
        return _LIVE[settings.kind]
    container = container_of(settings.path)
    if container.growing_options is None:
        known = " ".join(suffix for suffix, c in CONTAINERS.items() if c.growing_options)
        raise UsageError(
            f"{settings.path.name} could not be played after a crash; a camera can be recorded "
            f"as {known}"
        )
    fitting = tuple(codec for codec in container.video if codec in _LIVE_CODECS)
    return replace(container, video=fitting)


def constant_fps(path: Path, info: SourceInfo) -> Fraction | None:
    """The rate to sample at, for a container of constant rate; None where it takes any times.

    Call it before the stream starts, and only where the user asks for no rate: the sampler then
    repeats or leaves out frames, so that the output lasts as long as the source.
    """
    container = container_of(path)
    if container.variable_rate:
        return None
    source = info.source_fps or _FALLBACK_RATE
    if container.rates:
        return _nearest(source, container.rates)
    nearest = _nearest(source, _USUAL_RATES)
    # an odd but sane rate stays as it is; averages of variable rates become a usual one
    return source if source.denominator in {1, 1001} and source <= 240 else nearest


def check_fps(path: Path, fps: Fraction | None) -> None:
    """Refuse a rate that the container does not know.

    Raises:
        UsageError: It does not.
    """
    rates = container_of(path).rates
    if fps is None or not rates or fps in rates:
        return
    known = ", ".join(f"{float(rate):.5g}" for rate in rates)
    raise UsageError(f"{path.suffix} files know the frame rates {known} only, not {float(fps):.5g}")


def _nearest(rate: Fraction, rates: tuple[Fraction, ...]) -> Fraction:
    return min(rates, key=lambda known: abs(known - rate))
