"""All outputs of a camera: pictures are encoded once for those that want them alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import av

from mien.contract.errors import OutputError, UsageError
from mien.contract.frames import SourceInfo
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Picture
from workers.containers import live_container
from workers.hls import HlsStream
from workers.live_encoder import LiveEncoder
from workers.live_pictures import KEY_EVERY_S, EncodedPicture, LiveOutput, VideoFormat
from workers.publisher import Patience, Publisher
from workers.recording import Recording
from workers.sink import OutputHealth, OutputSummary
from workers.video_encoder import find_encoder
from workers.video_options import encoder_options


@dataclass(frozen=True, slots=True)
class _Branch:
    """One encoder and the outputs that share its pictures."""

    encoder: LiveEncoder
    outputs: list[LiveOutput]

    def put(self, pictures: Iterable[EncodedPicture]) -> None:
        for picture in pictures:
            for output in self.outputs:
                output.put(picture)


class LiveSink:
    """A `Sink` for a camera; outputs that are encoded alike share an encoder.

    A file or playlist that cannot be written ends the run; a server that cannot be reached does
    not, and holds nothing up. It has no sound.

    Raises:
        UsageError: The settings do not fit each other, the source or this FFmpeg.
        OutputError: A playlist cannot be begun.
    """

    def __init__(
        self, outputs: Sequence[OutputSettings], info: SourceInfo, patience: Patience | None = None
    ) -> None:
        self._is_open = True
        self._branches: list[_Branch] = []
        self._outputs: list[LiveOutput] = []
        with ExitStack() as begun:
            begun.callback(self.abort)
            known: dict[tuple[str, str, int], _Branch] = {}
            for settings in outputs:
                codec = _codec(settings)
                key = codec.name, settings.preset, settings.crf
                if key not in known:
                    known[key] = _Branch(LiveEncoder(codec, settings, info), [])
                output = _open(settings, known[key].encoder.video, patience or Patience())
                known[key].outputs.append(output)
                self._outputs.append(output)
            self._branches = list(known.values())
            begun.pop_all()

    def write(self, picture: Picture, pts_ns: int, duration_ns: int) -> None:
        self._check_open()
        try:
            for branch in self._branches:
                branch.put(branch.encoder.encode(picture, pts_ns, duration_ns))
        except BaseException:
            self.abort()
            raise

    def finish(self, *, goes_on: bool = False) -> list[OutputSummary]:
        """All outputs are finished, whichever fails; then the first failure is told."""
        self._check_open()
        failures: list[OutputError] = []
        summaries: list[OutputSummary] = []
        try:
            for branch in self._branches:
                with _noted(failures):
                    branch.put(branch.encoder.flush())
            for output in self._outputs:
                output.drain()
            for output in self._outputs:
                with _noted(failures):
                    summaries.append(output.finish(goes_on=goes_on))
        finally:
            self.abort()
        if failures:
            raise failures[0]
        return summaries

    def commit(self) -> None:
        """What was given has its names."""

    def abort(self) -> None:
        if self._is_open:
            self._is_open = False
            with ExitStack() as closing:  # each of them, whichever fails
                for output in self._outputs:
                    closing.callback(output.close)

    def _check_open(self) -> None:
        if not self._is_open:
            raise OutputError("the camera's outputs are closed already")

    def health(self) -> list[OutputHealth]:
        return [output.health() for output in self._outputs]


@contextmanager
def _noted(failures: list[OutputError]) -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        failures.append(error)


def check_live(settings: OutputSettings) -> None:
    """Refuse what a camera cannot be written to.

    Raises:
        UsageError: The file cannot grow playable, or encoder, preset or quality do not fit.
    """
    codec = _codec(settings)
    encoder_options(codec.name, settings.preset, settings.crf)
    if settings.segment_s is not None and settings.segment_s < KEY_EVERY_S:
        raise UsageError(f"segments last {KEY_EVERY_S} seconds or more")


def _codec(settings: OutputSettings) -> av.Codec:
    container = live_container(settings)
    takers = f"{settings.path.suffix} files" if settings.is_file else f"{settings.kind} servers"
    return find_encoder(settings.encoder or container.encoder, container, takers)


def _open(settings: OutputSettings, video: VideoFormat, patience: Patience) -> LiveOutput:
    if settings.kind == "file":
        return Recording(settings, video)
    if settings.kind == "playlist":
        return HlsStream(settings, video)
    return Publisher(settings, live_container(settings), video, patience)
