"""`mien bench`: how fast this machine is on the user's own video, and where the time goes."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mien.contract.errors import UsageError
from mien.contract.frames import SourceInfo, SourceKind
from mien.contract.outputs import OutputSettings
from mien.contract.requests import RunRequest
from mien.contract.stage import Progress
from mien.cores import shared_cores, shared_threads
from mien.embedded import run
from mien.pipelines import Pipelines
from mien.stream import Outcome
from model.classifier import Classifier
from model.pipeline import choose_device
from model.weights_file import load_weights
from producer.addresses import kind_of_name

BATCH = 64
"""Faces in one pass of the classifier when its share of the peak is measured."""

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class ClassifierShare:
    """How near the classifier comes to the matrix multiplications that it consists of."""

    face_s: float
    """Seconds a face, in a batch of BATCH."""
    multiply_s: float
    """Seconds a face that multiplications of the same sizes take, and nothing else."""

    @property
    def share(self) -> float:
        return self.multiply_s / self.face_s


def bench(request: RunRequest) -> list[str]:
    """Run a request without output twice; what was measured, as lines of text.

    The first run warms up. In the second the video is encoded as it would be, into a temporary
    file, so that its share is in the figures.

    Raises:
        UsageError: the source is no video file; one without an end is not waited for.
    """
    _check_kind("live" if kind_of_name(request.source) == "camera" else "video")
    pipelines = Pipelines([request.analysis.weights], request.device)
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
        output = OutputSettings(Path(folder) / "annotated.mp4", fps=None, overwrite=True)
        _check_kind(run(request, pipelines=pipelines, on_progress=_check_source).info.kind)
        outcome = run(replace(request, outputs=(output,)), pipelines=pipelines)
    memory = _memory_line()  # before the multiplications take their own
    with shared_cores():
        share = _classifier_share(request.analysis.weights, request.device)
    return [*_outcome_lines(outcome), memory, *_share_lines(share)]


def _check_source(info: SourceInfo, _: Progress) -> None:
    """End a run as soon as its source is open and turns out to be no video file."""
    _check_kind(info.kind)


def _check_kind(kind: SourceKind) -> None:
    """Refuse what cannot be read twice to its end."""
    if kind != "video":
        raise UsageError("a camera, a web stream or a photo cannot be measured; give a video file")


def _classifier_share(weights: str, device_name: str) -> ClassifierShare:
    """Time the classifier against bare multiplications, in turn, best of ROUNDS each."""
    device = choose_device(device_name)
    network, info = load_weights(weights, device)
    products = list(_products(network, info.input_size_px))
    classifier = Classifier(network, info, "single", device)
    faces = np.random.default_rng(0).integers(0, 256, (BATCH, 48, 48), np.uint8)
    operands = [
        (torch.randn(m, k, device=device).to(classifier.dtype),
         torch.randn(k, n, device=device).to(classifier.dtype))
        for m, k, n in products
    ]  # fmt: skip
    times: list[tuple[float, float]] = []
    with torch.inference_mode():
        for _ in range(ROUNDS + 1):
            begin = time.perf_counter()
            classifier.classify(faces)
            middle = time.perf_counter()
            for left, right in operands:
                product = left @ right
            product.sum().item()  # waits for the device
            times.append((middle - begin, time.perf_counter() - middle))
    face, multiply = (min(column) / BATCH for column in zip(*times[1:], strict=True))
    return ClassifierShare(face, multiply)


def _products(network: torch.nn.Module, size_px: int) -> Iterator[tuple[int, int, int]]:
    """Rows, inner size and columns of the multiplication that each convolution is."""
    side = size_px
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            inner = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
            yield BATCH * side * side, inner, module.out_channels
        elif isinstance(module, torch.nn.MaxPool2d):
            side //= 2


def _outcome_lines(outcome: Outcome) -> list[str]:
    frames, wall_s = outcome.end.frame_count, outcome.seconds["wall"]
    speed = outcome.end.end_ns / 1e9 / wall_s
    lines = [
        f"{outcome.info.width}x{outcome.info.height}, {frames} frames, "
        f"{outcome.progress.faces} faces in the analysed ones",
        f"{frames / wall_s:.1f} frames/s, {speed:.2f}x real time, "
        f"{outcome.progress.faces / wall_s:.1f} faces/s",
        "milliseconds a frame, all threads:",
    ]
    steps = sorted(outcome.seconds.items(), key=lambda item: -item[1])
    return lines + [
        f"  {step:<15} {1000 * seconds / frames:7.2f}"
        for step, seconds in steps
        if step not in ("wall", "load")
    ]


def _share_lines(share: ClassifierShare) -> list[str]:
    return [
        f"classifier: {1000 * share.face_s:.2f} ms a face in batches of {BATCH}, "
        f"{100 * share.share:.0f} % of what multiplications of its sizes reach "
        f"({shared_threads()} threads, as in a run)"
    ]


def _memory_line() -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    return f"memory: {peak_bytes / 1e6:.0f} MB at most"
