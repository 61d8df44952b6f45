"""The networks of a process, loaded once each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mien.contract.analyses import AnalysisSettings
from mien.contract.errors import WeightsError
from model.checkpoint import read_info

if TYPE_CHECKING:
    from model.pipeline import ExpressionPipeline


class Pipelines:
    """Loaded networks by settings; safe from any thread.

    They are loaded when the first image asks for them, while decoding has begun.
    """

    def __init__(self, weights: Sequence[str], device: str) -> None:
        """`weights`: names or files of all that may be asked for.

        Raises:
            WeightsError: one of them is missing or damaged.
        """
        self._weights = {read_info(name).tensor_sha256: name for name in weights}
        self._device = device
        self._lock = threading.Lock()
        self._loaded: dict[AnalysisSettings, ExpressionPipeline] = {}
        self.numerics: dict[str, str] = {}
        """Of the pipeline that was used last; empty before the first."""

    def serves(self, settings: AnalysisSettings) -> bool:
        """Whether the weights that the settings name are here."""
        return settings.weights_sha256 in self._weights

    def get(self, settings: AnalysisSettings) -> ExpressionPipeline:
        """The pipeline for these settings.

        Raises:
            UsageError: there is no such device.
            WeightsError: the weights are damaged, or are not here.
        """
        with self._lock:
            if settings not in self._loaded:
                from model.pipeline import ExpressionPipeline

                if not self.serves(settings):
                    raise WeightsError(f"there are no weights {settings.weights_sha256[:12]} here")
                self._loaded[settings] = ExpressionPipeline(
                    settings, weights=self._weights[settings.weights_sha256], device=self._device
                )
            self.numerics = dict(self._loaded[settings].numerics)
            return self._loaded[settings]
