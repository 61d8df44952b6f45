"""Sends the pictures of one stream that are to be analysed on their way."""

from __future__ import annotations

from mien.contract.analyses import AnalysisImage, AnalysisSettings
from mien.contract.geometry import AnalysisGeometry
from mien.contract.pictures import Picture
from mien.contract.stage import StageClock
from mien.transport.ports import StreamPort
from producer.analysis_image import shrink
from producer.sampling import AnalysisSampler


class ImageSender:
    """Says which frames are analysed, makes their analysis images, and sends these."""

    def __init__(
        self,
        stream: str,
        port: StreamPort,
        sampler: AnalysisSampler,
        geometry: AnalysisGeometry,
        settings: AnalysisSettings,
        clock: StageClock,
    ) -> None:
        self._stream = stream
        self._port = port
        self._sampler = sampler
        self._geometry = geometry
        self._settings = settings
        self._clock = clock

    def wants(self, pts_ns: int) -> bool:
        """Whether the frame of that time is analysed; to be asked once of each, in order."""
        return self._sampler.wants(pts_ns)

    def image_of(self, picture: Picture) -> Picture:
        """Its analysis image, which may be the picture itself."""
        with self._clock.time("shrink"):
            return shrink(picture, self._geometry)

    def send(self, index: int, image: Picture) -> None:
        """Hand the analysis image of a frame to the analyzers.

        Raises:
            Closed: the run is stopped.
        """
        self._port.offer(AnalysisImage(self._stream, index, image, self._settings))


def held_bytes(*parts: Picture | None) -> int:
    """Memory of pictures of which some may be missing, or the same one twice."""
    return sum({id(part): part.nbytes for part in parts if part is not None}.values())
