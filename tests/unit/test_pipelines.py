"""Which weights a process answers for, and when it loads them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.contract.analyses import AnalysisSettings
from mien.pipelines import MOST_LOADED, Pipelines
from model.weights_file import describe_anew, read_info


def test_the_same_tensors_otherwise_calibrated_are_other_weights(tmp_path: Path) -> None:
    stock, mine = read_info("small"), tmp_path / "mine.safetensors"
    describe_anew("small", mine, replace(stock, temperatures={"single": 3.0}))
    both = Pipelines(["small", str(mine)], "cpu")
    settings = AnalysisSettings("haar", 24.0, 0.9, "single", stock.sha256)
    other = replace(settings, weights_sha256=read_info(mine).sha256)
    assert not Pipelines(["small"], "cpu").serves(other)
    crops = np.random.default_rng(0).integers(0, 255, (4, 40, 40), dtype=np.uint8)
    sure, doubtful = (
        both.get(of)._classifier.classify(crops).max(1).mean() for of in (settings, other)
    )
    assert doubtful < sure


def test_a_load_is_told_where_there_is_one() -> None:
    pipelines = Pipelines(["small"], "cpu")
    haar = AnalysisSettings("haar", 24.0, 0.9, "single", read_info("small").sha256)
    told: list[str] = []
    for settings in (haar, haar, replace(haar, min_face_px=48.0), haar):
        pipelines.get(settings, lambda step, _: told.append(step))
    assert told == ["load", "load"]


def test_what_was_not_asked_for_lately_is_forgotten_and_loaded_again_when_it_is() -> None:
    pipelines = Pipelines(["small"], "cpu")
    haar = AnalysisSettings("haar", 24.0, 0.9, "single", read_info("small").sha256)
    every = [replace(haar, min_face_px=24.0 + number) for number in range(MOST_LOADED + 6)]
    told: list[str] = []
    for settings in (*every, *every[6:]):
        pipelines.get(settings, lambda step, _: told.append(step))
    assert len(told) == len(every), "the latest are still there"
    again = pipelines.get(every[0], lambda step, _: told.append(step))
    assert len(told) == len(every) + 1
    (analysis,) = again.analyze([np.zeros((48, 48, 3), np.uint8)])
    assert analysis.settings_sha256 == every[0].sha256
