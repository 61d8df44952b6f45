"""What is told of a value that is out of its range, or none of the choices."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mien.contract.errors import UsageError, check_range
from mien.contract.requests import AnalysisRequest, RunRequest


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"analyze_fps": Fraction(0)}, "analyze_fps is more than 0, not 0"),
        ({"analyze_size_px": 20000}, "analyze_size is 64 to 16384, not 20000"),
        ({"analyze_size_px": "640"}, "analyze_size is a number, not '640'"),
        ({"detector": "yolo"}, "detector is one of mtcnn, haar, not 'yolo'"),
        ({"min_face_px": 3}, "min_face is 12 to 16384, not 3"),
        ({"min_confidence": 2}, "min_confidence is 0 to 1, not 2"),
        ({"min_confidence": None}, "min_confidence is a number, not None"),
        ({"views": "double"}, "views is one of single, flip, ten-crop, not 'double'"),
        ({"smoothing_s": -1}, "smoothing is 0 to 60, not -1"),
        ({"abstain": float("nan")}, "abstain is 0 to 1, not nan"),
    ],
)
def test_an_analysis_is_refused_by_the_name_of_what_is_wrong(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=f"^{told}$"):
        AnalysisRequest(**settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"device": "gpu"}, "device is one of auto, cpu, cuda, cuda:N, not 'gpu'"),
        ({"max_latency_s": 61}, "max_latency_s is 0 to 60, not 61"),
        ({"give_up_after_s": 1e9}, "give_up_after is 0 to 31622400, not 1000000000.0"),
    ],
)
def test_a_run_is_refused_by_the_name_of_what_is_wrong(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=f"^{told}$"):
        RunRequest("clip.mp4", AnalysisRequest(), **settings)


@pytest.mark.parametrize("number", [1, 2.5, np.float32(3), np.int64(2), 10**400])
def test_any_number_in_the_range_is_taken(number: Any) -> None:
    check_range("batch", number, 1)


def test_a_range_may_have_one_end() -> None:
    with pytest.raises(UsageError, match="batch is at least 1, not 0"):
        check_range("batch", 0, 1)
