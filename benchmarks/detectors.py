"""Times the detectors on the frames of a clip, beside facenet-pytorch's own driver.

    python -m benchmarks.detectors path/to/clip.mp4 [--size 640x360] [--min-face 24] [--batch 8]

Times are CPU seconds of one thread, the least of all rounds, so that a busy machine says little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from facenet_pytorch.models.mtcnn import MTCNN

from mien.contract.pictures import Pixels
from model.haar import Haar
from model.memory import keep_memory
from model.mtcnn import Mtcnn

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--size", default="640x360", help="what frames are scaled to")
    parser.add_argument("--min-face", type=float, default=24.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_memory()
    width, height = (int(side) for side in arguments.size.split("x"))
    images = frames(arguments.clip, arguments.batch, (width, height))
    stack = np.stack(images)
    mtcnn = Mtcnn(arguments.min_face, 0.9, CPU)
    haar = Haar(arguments.min_face)
    original = MTCNN(keep_all=True, min_face_size=arguments.min_face, post_process=False)
    faces = sum(len(found) for found in mtcnn.detect(images))
    print(f"{faces} faces in {len(images)} frames of {arguments.size} px, one thread\n")
    print("| detector | ms a frame |")
    print("| --- | --- |")
    rows: dict[str, Callable[[], object]] = {
        "facenet-pytorch, frame by frame": lambda: [original.detect(image) for image in images],
        f"facenet-pytorch, batches of {len(images)}": lambda: original.detect(stack),
        "mtcnn, frame by frame": lambda: [mtcnn.detect([image]) for image in images],
        f"mtcnn, batches of {len(images)}": lambda: mtcnn.detect(images),
        "haar": lambda: haar.detect(images),
    }
    for name, action in rows.items():
        least_s = min(cpu_seconds(action) for _ in range(arguments.rounds))
        print(f"| {name} | {least_s / len(images) * 1e3:.1f} |", flush=True)


def frames(clip: Path, count: int, size: tuple[int, int]) -> list[Pixels]:
    """Frames of the clip, half a second apart or so, as RGB of the given width and height."""
    with av.open(str(clip)) as container:
        spread = islice(container.decode(video=0), 0, None, 12)
        return [
            np.asarray(cv2.resize(frame.to_ndarray(format="rgb24"), size), dtype=np.uint8)
            for frame in islice(spread, count)
        ]


def cpu_seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


if __name__ == "__main__":
    main()
