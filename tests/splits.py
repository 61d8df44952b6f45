"""FER2013 in small: a CSV of noise, and a world in which its counts are the official ones."""

from pathlib import Path

import numpy as np
import pytest

from training import fer2013

PUBLIC_ROWS, TRAINING_ROWS = 14, 20
COPIES = 3
"""So many of PublicTest's first rows are Training's first rows as well."""


def write_csv(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, training: bool, private: bool = False
) -> Path:
    """Labels go round; no row is like another but for the copies."""
    counts = {"Training": TRAINING_ROWS, "PublicTest": PUBLIC_ROWS, "PrivateTest": PUBLIC_ROWS}
    monkeypatch.setattr(fer2013, "OFFICIAL_COUNTS", counts)
    random = np.random.default_rng(0)
    pixels = {name: random.integers(0, 256, (count, 2304)) for name, count in counts.items()}
    pixels["PublicTest"][:COPIES] = pixels["Training"][:COPIES]
    wanted = {"Training": training, "PublicTest": True, "PrivateTest": private}
    rows = [
        f"{number % 7},{' '.join(map(str, row))},{name}"
        for name, chosen in wanted.items()
        if chosen
        for number, row in enumerate(pixels[name])
    ]
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return path
