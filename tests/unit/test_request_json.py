"""A request is the same again when it has travelled as JSON."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.contract.errors import UsageError
from mien.contract.outputs import OutputSettings
from mien.contract.request_json import request_from_json, request_to_json
from mien.contract.requests import AnalysisRequest, RunRequest

RATES = st.fractions(min_value=Fraction(1, 10), max_value=1000, max_denominator=1001)
PATHS = (
    st.text(st.characters(exclude_characters="\0"), min_size=1)
    .map(Path)
    .filter(lambda path: "://" not in str(path))
)
URLS = st.sampled_from(["rtsp://me:secret@host:8554/live", "rtmp://host/app/key"])

ANALYSES = st.builds(
    AnalysisRequest,
    analyze_fps=st.none() | RATES,
    analyze_size_px=st.integers(64, 16384),
    detector=st.sampled_from(["mtcnn", "haar"]),
    min_face_px=st.none() | st.floats(12, 16384),
    min_confidence=st.floats(0, 1),
    weights=st.text(),
    views=st.sampled_from(["single", "flip", "ten-crop"]),
    smoothing_s=st.floats(0, 60),
    abstain=st.none() | st.floats(0, 1),
)
OUTPUTS = st.builds(
    OutputSettings,
    target=PATHS | URLS,
    fps=st.none() | RATES,
    encoder=st.none() | st.text(),
    preset=st.text(),
    crf=st.integers(0, 51),
    blur=st.booleans(),
    overwrite=st.booleans(),
    segment_s=st.none() | st.floats(1, 1e6),
)
REQUESTS = st.builds(
    RunRequest,
    source=st.text(),
    analysis=ANALYSES,
    outputs=st.lists(OUTPUTS, max_size=3).map(tuple),
    results=st.none() | PATHS,
    report=st.none() | PATHS,
    overwrite=st.booleans(),
    window_bytes=st.none() | st.integers(1, 10**12),
    device=st.sampled_from(["auto", "cpu", "cuda", "cuda:1"]),
    batch=st.integers(1, 256),
    max_latency_s=st.floats(0, 60),
    give_up_after_s=st.none() | st.floats(0, 1e7),
    attached=st.booleans(),
)


@given(REQUESTS)
def test_a_request_survives_the_way(request: RunRequest) -> None:
    assert request_from_json(json.loads(json.dumps(request_to_json(request)))) == request


def test_what_is_no_request_is_refused() -> None:
    plain = request_to_json(RunRequest("a.mp4", AnalysisRequest()))
    without = {name: value for name, value in plain.items() if name != "report"}
    with pytest.raises(ValueError, match="no request"):
        request_from_json(without)
    with pytest.raises(ValueError, match="no request"):
        request_from_json({**plain, "analysis": {**plain["analysis"], "colour": 1}})
    with pytest.raises(ValueError, match="no request"):
        request_from_json({**plain, "analysis": {**plain["analysis"], "analyze_fps": "1/0"}})
    with pytest.raises(UsageError):
        request_from_json({**plain, "analysis": {**plain["analysis"], "min_confidence": 7}})
