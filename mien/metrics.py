"""Every Prometheus metric of mien, declared once.

Workers keep their counts in plain types; who is scraped turns them into these families. Series by
job are there as long as the job runs on that worker, and no label holds what a user may write
without bound, nor a password.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from mien.contract.histogram import (
    BATCH_BOUNDS,
    LATENCY_BOUNDS_S,
    STAGE_BOUNDS_S,
    HistogramCounts,
)
from mien.contract.ledger import FRAME_STATES
from mien.stream_stats import FAILED, GIVEN_UP, REASONS

Kind = Literal["counter", "gauge", "histogram"]
Values = Iterable[tuple[Sequence[str], float]]
"""A metric's values, each with its labels in their order."""
ENDINGS: dict[Kind, tuple[str, ...]] = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}
EVERYWHERE = " Every worker tells the same of the whole deployment: use max()."
EVERY_STREAM_WORKER = " Every stream worker tells the same of the whole deployment: use max()."
LIVE, FILE = "live", "file"
"""What a frame is of, where it matters: those of cameras must not wait."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    """Without the endings that Prometheus adds."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Upper ends of a histogram's buckets."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        return tuple(self.name + ending for ending in ENDINGS[self.kind])

    @property
    def nothing(self) -> HistogramCounts:
        """Of a histogram that nobody has filled yet."""
        return HistogramCounts((0,) * (len(self.bounds) + 1), 0.0)

    def of(self, values: Values) -> Family:
        """The family of a counter or gauge."""
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for labels, value in values:
            family.add_metric([*map(_text, labels)], value)
        return family

    def alone(self, value: float) -> Family:
        """The family of a metric without labels."""
        return self.of([((), value)])

    def histogram(self, values: Iterable[tuple[Sequence[str], HistogramCounts]]) -> Family:
        """The family of a histogram."""
        family = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for labels, counts in values:
            ends = [*map(_bound, self.bounds), "+Inf"]
            buckets = list(zip(ends, accumulate(counts.counts), strict=True))
            family.add_metric([*map(_text, labels)], buckets, counts.total)
        return family


FRAMES = Metric(
    "mien_frames", "counter",
    "Frames by how they ended, why where they were lost, and whether of a file or live.",
    ("state", "reason", "kind"),
)  # fmt: skip
FACES = Metric("mien_faces", "counter", "Faces found in analysed frames.", ("expression",))
DEAD_LETTERS = Metric(
    "mien_dead_letters", "counter", "Frames whose analysis was given up or failed."
)
STAGE_SECONDS = Metric(
    "mien_stage_seconds", "histogram", "How long one piece of work took, by step.",
    ("stage",), STAGE_BOUNDS_S,
)  # fmt: skip
CAPTURE_TO_RESULT_SECONDS = Metric(
    "mien_capture_to_result_seconds", "histogram",
    "From the arrival of a live picture until it was handed to the encoder.",
    bounds=LATENCY_BOUNDS_S,
)  # fmt: skip
BATCH_FRAMES = Metric(
    "mien_batch_frames", "histogram", "Frames that an analyzer analysed at once.",
    bounds=BATCH_BOUNDS,
)  # fmt: skip
RECONNECTS = Metric(
    "mien_reconnects", "counter",
    "Cameras that gave pictures again, by why the connection before was lost.", ("reason",),
)  # fmt: skip
STREAM_UP = Metric(
    "mien_stream_up", "gauge", "Whether a running job's source gives pictures.", ("job",)
)
STREAM_FPS = Metric(
    "mien_stream_fps", "gauge",
    "Frames that a running job writes a second; of a camera over the last minute.", ("job",),
)  # fmt: skip
STREAM_INFO = Metric(
    "mien_stream_info", "gauge", "What a running job reads; always 1.", ("job", "source", "kind")
)
OUTPUT_UP = Metric(
    "mien_output_up", "gauge", "Whether an output of a live job is written; numbered from 1.",
    ("job", "output"),
)  # fmt: skip
WINDOW_BYTES = Metric(
    "mien_window_bytes", "gauge", "Bytes of the frames that wait in a running job.", ("job",)
)
QUEUE_FRAMES = Metric(
    "mien_queue_frames", "gauge",
    "Frames that wait for an analyzer or are in one's hands." + EVERYWHERE,
)  # fmt: skip
QUEUE_BYTES = Metric("mien_queue_bytes", "gauge", "Bytes of their images, about." + EVERYWHERE)
QUEUE_OLDEST_SECONDS = Metric(
    "mien_queue_oldest_seconds", "gauge",
    "How long the oldest of them has been waiting, of files and of live streams, which are taken "
    "first; 0 where none is." + EVERYWHERE,
    ("kind",),
)  # fmt: skip
QUEUE_STREAMS = Metric("mien_queue_streams", "gauge", "Streams that run." + EVERYWHERE)
ANALYZERS = Metric("mien_analyzers", "gauge", "Analyzers that live." + EVERYWHERE)
JOBS = Metric(
    "mien_jobs", "gauge", "Jobs that are remembered, by state." + EVERY_STREAM_WORKER, ("state",)
)
JOBS_ENDED = Metric(
    "mien_jobs_ended", "counter",
    "Jobs that have ended, by how; one that is tried again may end again." + EVERY_STREAM_WORKER,
    ("state",),
)  # fmt: skip
MODEL_INFO = Metric(
    "mien_model_info", "gauge", "Weights that an analyzer has loaded; always 1.",
    ("weights", "sha256", "device", "numerics"),
)  # fmt: skip
WORKER_BUSY_RATIO = Metric(
    "mien_worker_busy_ratio", "gauge",
    "Of an analyzer, the share of the last 30 seconds that it worked; of a stream worker, the "
    "share of its places that a job has.",
)  # fmt: skip
WORKER_INFO = Metric("mien_worker_info", "gauge", "What is scraped; always 1.", ("kind", "version"))
OUTPUT_FREE_BYTES = Metric(
    "mien_output_free_bytes", "gauge",
    "Room where a stream worker writes: in its output root, or else in its current folder.",
)  # fmt: skip
OUTPUT_SIZE_BYTES = Metric(
    "mien_output_size_bytes", "gauge", "Size of the file system that has this room."
)

METRICS: tuple[Metric, ...] = (
    FRAMES, FACES, DEAD_LETTERS, STAGE_SECONDS, CAPTURE_TO_RESULT_SECONDS, BATCH_FRAMES, RECONNECTS,
    STREAM_UP, STREAM_FPS, STREAM_INFO, OUTPUT_UP, WINDOW_BYTES, QUEUE_FRAMES, QUEUE_BYTES,
    QUEUE_OLDEST_SECONDS, QUEUE_STREAMS, ANALYZERS, JOBS, JOBS_ENDED, MODEL_INFO,
    WORKER_BUSY_RATIO, WORKER_INFO, OUTPUT_FREE_BYTES, OUTPUT_SIZE_BYTES,
)  # fmt: skip

_WHOLE = tuple(state for state in FRAME_STATES if state not in ("dropped", "failed"))
KNOWN_FRAMES = (
    *((state, "", kind) for kind in (FILE, LIVE) for state in _WHOLE),
    *(("failed", reason, kind) for kind in (FILE, LIVE) for reason in (GIVEN_UP, FAILED)),
    *(("dropped", reason, LIVE) for reason in sorted(REASONS)),
)
"""Series that are there from the beginning; others come as they happen."""
KNOWN_RECONNECTS = tuple((reason,) for reason in ("cut off", "ended", "no picture", "silent"))


def by_label(values: Mapping[str, float]) -> list[tuple[Sequence[str], float]]:
    """Values of a metric with one label."""
    return [((label,), value) for label, value in values.items()]


def with_zeros(values: Values, always: Iterable[Sequence[str]]) -> Values:
    """Also series that have not begun: a rate does not see the first step of a new one."""
    known: dict[tuple[str, ...], float] = {tuple(labels): 0.0 for labels in always}
    return (known | {tuple(labels): value for labels, value in values}).items()


def _text(label: str) -> str:
    """As UTF-8 can hold it: names of files may be no proper text."""
    return label.encode("utf-8", "backslashreplace").decode()


def _bound(end: float) -> str:
    return str(float(end))
