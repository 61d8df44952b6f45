"""What people write first: one frame after the other, detector and classifier with their defaults.

The measure that `benchmarks/throughput.py` compares with. It is kept honest: it loads everything
once, runs in inference mode, writes its video, and shows ten crops of a face, where it is asked
for them, to the network at once. Ten is what demos of networks for FER2013 do, as their papers
score; `mien run` looks once.
"""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import torch
from facenet_pytorch import MTCNN
from PIL import Image
from torchvision import transforms  # type: ignore[import-untyped]
from torchvision.transforms.functional import to_tensor  # type: ignore[import-untyped]

from mien.contract.expressions import EXPRESSIONS
from model.weights_file import WeightsInfo, load_weights


def annotate(
    source: Path, target: Path, frames: int | None = None, *, ten_crops: bool = False
) -> tuple[int, float]:
    """Frames done and seconds taken, loading not counted."""
    detector = MTCNN(keep_all=True)
    network, info = load_weights("default")
    network = network.to(memory_format=torch.contiguous_format)
    prepare = prepare_ten(info) if ten_crops else prepare_one(info)
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
                answer = network(prepare(image.crop((x1, y1, x2, y2))))
                text = EXPRESSIONS[int(answer.mean(0).argmax())]
                cv2.rectangle(picture, (x1, y1), (x2, y2), (0, 255, 0), 2)
                cv2.putText(picture, text, (x1, y1), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 255, 0), 2)
            writer.write(picture)
            done += 1
    writer.release()
    return done, time.perf_counter() - begin


def prepare_one(info: WeightsInfo) -> transforms.Compose:
    """A face to (1, 1, s, s)."""
    return transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.Resize((info.input_size_px, info.input_size_px)),
            transforms.ToTensor(),
            transforms.Normalize([info.mean], [info.std]),
            transforms.Lambda(lambda face: face[None]),
        ]
    )


def prepare_ten(info: WeightsInfo) -> transforms.Compose:
    """A face to (10, 1, s, s): corners and centre of a picture a tenth larger, and mirrored."""
    larger = round(1.1 * info.input_size_px)
    return transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.Resize((larger, larger)),
            transforms.TenCrop(info.input_size_px),
            transforms.Lambda(lambda crops: torch.stack([to_tensor(crop) for crop in crops])),
            transforms.Normalize([info.mean], [info.std]),
        ]
    )
