"""Drawn faces in the layout of FER2013: nobody's photo, and easy enough to learn in seconds."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from training.fer2013 import Split

_MOUTHS = {  # bend of the mouth (up is happy), its opening, slope and height of the brows
    0: (-2, 1, 3, 0),
    1: (-4, 0, 2, 2),
    2: (-1, 4, -3, 2),
    3: (5, 1, 0, 1),
    4: (-5, 0, -3, 0),
    5: (0, 7, 0, 5),
    6: (0, 0, 0, 0),
}


def drawn_split(count: int, seed: int) -> Split:
    """So many faces, the labels in turn; equal for equal arguments."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(_MOUTHS)
    return Split(np.stack([_drawn(label, rng) for label in labels.tolist()]), labels)


def write_csv(path: Path, splits: dict[str, Split]) -> Path:
    """The original CSV of these splits."""
    lines = ["emotion,pixels,Usage"]
    for usage, split in splits.items():
        for image, label in zip(split.images, split.labels, strict=True):
            lines.append(f"{label},{' '.join(map(str, image.ravel()))},{usage}")
    path.write_text("\n".join(lines) + "\n")
    return path


def _drawn(label: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    bend, opening, slope, height = _MOUTHS[label]
    x, y = rng.integers(-2, 3, 2) + 24
    skin, dark = int(rng.integers(130, 220)), int(rng.integers(10, 70))
    # a room behind each of its own, or all would count as copies of one photo
    room = cv2.resize(rng.integers(0, 256, (6, 6), dtype=np.uint8), (48, 48))
    face = np.ascontiguousarray(room)
    cv2.ellipse(face, (int(x), int(y)), (15, 20), 0, 0, 360, skin, -1)
    for side in (-1, 1):
        eye = int(x + side * 8), int(y - 5)
        cv2.circle(face, eye, 2 + (opening > 3), dark, -1)
        inner, outer = eye[0] - side * 4, eye[0] + side * 4
        brow = eye[1] - 5 - height
        cv2.line(face, (inner, brow + slope), (outer, brow - slope // 2), dark, 1)
    across = np.linspace(-8, 8, 9)
    curve = np.stack([x + across, y + 11 + bend * (1 - (across / 8) ** 2) - bend / 2], 1)
    cv2.polylines(face, [curve.round().astype(np.int32)], False, dark, 2)
    if opening:
        middle = int(x), int(y + 11 + bend / 2)
        cv2.ellipse(face, middle, (4, opening), 0, 0, 360, dark, -1)
    noise = rng.normal(0, 8, face.shape)
    return np.clip(face + noise, 0, 255).astype(np.uint8)
