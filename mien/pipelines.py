"""The networks of a process, loaded once each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.contract.analyses import AnalysisSettings
from mien.contract.errors import WeightsError
from model.weights_file import read_info

if TYPE_CHECKING:
    from model.pipeline import ExpressionPipeline


MOST_LOADED = 64
"""Pipelines that are kept; each has a detector of its own, some 3 MB."""


class Pipelines:
    """Loaded networks by settings; safe from any thread.

    They are loaded when the first image asks for them, while decoding has begun; the classifier
    once for all settings that share it. Settings that have not been asked for lately are
    forgotten, since every size of picture has its own.
    """

    def __init__(self, weights: Sequence[str], device: str) -> None:
        """`weights`: names or files of all that may be asked for.

        Raises:
            WeightsError: one of them is missing or damaged.
        """
        self._weights = {read_info(name).sha256: name for name in weights}
        self._device = device
        self._lock = threading.Lock()
        self._loaded: dict[AnalysisSettings, ExpressionPipeline] = {}

    def serves(self, settings: AnalysisSettings) -> bool:
        """Whether the weights that the settings name are here."""
        return settings.weights_sha256 in self._weights

    def weights(self) -> dict[str, str]:
        """Name, or file name, by hash, of all that it serves."""
        return {sha256: Path(name).name for sha256, name in self._weights.items()}

    @property
    def device(self) -> str:
        """Where they run, after `check`."""
        from model.pipeline import choose_device

        return str(choose_device(self._device))

    def check(self) -> None:
        """Find out now what would otherwise be found out with the first image.

        Raises:
            UsageError: there is no such device.
            WeightsError: weights are damaged.
        """
        from model.weights_file import load_weights

        device = self.device
        for name in self._weights.values():
            load_weights(name, device)

    def get(
        self, settings: AnalysisSettings, on_step: Callable[[str, float], None] | None = None
    ) -> ExpressionPipeline:
        """The pipeline for these settings; `on_step` is told of a `load` and its seconds.

        Raises:
            UsageError: there is no such device.
            WeightsError: the weights are damaged, or are not here.
        """
        with self._lock:
            if settings not in self._loaded:
                from model.pipeline import ExpressionPipeline

                if not self.serves(settings):
                    raise WeightsError(f"there are no weights {settings.weights_sha256[:12]} here")
                begin_s = time.perf_counter()
                self._loaded[settings] = ExpressionPipeline(
                    settings,
                    weights=self._weights[settings.weights_sha256],
                    device=self._device,
                    like=self._like(settings),
                )
                if on_step is not None:
                    on_step("load", time.perf_counter() - begin_s)
            pipeline = self._loaded[settings] = self._loaded.pop(settings)  # the latest is the last
            while len(self._loaded) > MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]
            return pipeline

    def _like(self, settings: AnalysisSettings) -> ExpressionPipeline | None:
        """A loaded pipeline with the same classifier."""
        wanted = (settings.weights_sha256, settings.views)
        for other, pipeline in self._loaded.items():
            if (other.weights_sha256, other.views) == wanted:
                return pipeline
        return None
