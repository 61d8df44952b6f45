"""Reads FER+, in which ten people voted on every face of FER2013 (`fer2013new.csv`).

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution", ICMI 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mien.contract.expressions import EXPRESSIONS

NAMES = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}
"""FER+'s word for each of ours; it has `contempt`, `unknown` and `NF` (no face) besides."""

OTHERS = ("contempt", "unknown", "NF")


@dataclass(frozen=True, slots=True)
class Votes:
    """Of the faces of one split, in FER2013's row order."""

    counts: NDArray[np.int64]
    """(n, 10): for EXPRESSIONS, then for OTHERS."""

    @property
    def agreement(self) -> NDArray[np.int64]:
        """(n,): how many named what most named."""
        return self.counts.max(1)

    def backs(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,): whether no other answer had more votes than the label."""
        found: NDArray[np.bool_] = self.counts[np.arange(len(labels)), labels] == self.agreement
        return found


def read_votes(path: Path, split: str, count: int) -> Votes:
    """Row i of a split is row i of FER2013's: FER+ repeats a few file names.

    Raises:
        ValueError: there are not as many rows as that split has.
    """
    table = pd.read_csv(path)
    rows = table[table["Usage"] == split]
    if len(rows) != count:
        raise ValueError(f"{path} has {len(rows)} {split} rows, not {count}")
    columns = [*(NAMES[name] for name in EXPRESSIONS), *OTHERS]
    return Votes(rows[columns].to_numpy(np.int64))
