"""What people write first: one frame after the other, detector and classifier with their defaults.

The measure that `benchmarks/throughput.py` compares with. It is kept honest: it loads everything
once, runs in inference mode, and writes its video.
"""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import torch
from facenet_pytorch import MTCNN
from PIL import Image
from torchvision import transforms  # type: ignore[import-untyped]

from mien.contract.expressions import EXPRESSIONS
from model.checkpoint import load_weights


def annotate(source: Path, target: Path, frames: int | None = None) -> tuple[int, float]:
    """Frames done and seconds taken, loading not counted."""
    detector = MTCNN(keep_all=True)
    network, info = load_weights("default")
    network = network.to(memory_format=torch.contiguous_format)
    prepare = transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.Resize((info.input_size_px, info.input_size_px)),
            transforms.ToTensor(),
            transforms.Normalize([info.mean], [info.std]),
        ]
    )
    reader = cv2.VideoCapture(str(source))
    size = (int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    writer = cv2.VideoWriter(
        str(target), cv2.VideoWriter.fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS), size
    )
    done = 0
    begin = time.perf_counter()
    with torch.inference_mode():
        while frames is None or done < frames:
            more, picture = reader.read()
            if not more:
                break
            image = Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
            boxes, _ = detector.detect(image)
            for box in [] if boxes is None else boxes:
                x1, y1, x2, y2 = (int(side) for side in box)
                answer = network(prepare(image.crop((x1, y1, x2, y2)))[None])
                text = EXPRESSIONS[int(answer.argmax())]
                cv2.rectangle(picture, (x1, y1), (x2, y2), (0, 255, 0), 2)
                cv2.putText(picture, text, (x1, y1), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 255, 0), 2)
            writer.write(picture)
            done += 1
    writer.release()
    return done, time.perf_counter() - begin
