"""Which weights a process answers for."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.contract.analyses import AnalysisSettings
from mien.pipelines import Pipelines
from model.checkpoint import describe_anew, read_info


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
