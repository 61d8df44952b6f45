"""Weights are scored on a split: one network, several, or one against another."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.contract.errors import SourceError, UsageError, WeightsError
from model.weights_file import load_weights, read_info, save_weights
from tests.splits import COPIES, PUBLIC_ROWS, write_csv
from training.evaluate import evaluate
from training.fer2013 import load_split
from training.reliability import softmax
from training.scoring import Predictions, ScoringOptions, ask, rows_sha256, vote
from training.similarity import NEAR


def test_the_json_has_its_documented_keys(whole: Path, weights: Path) -> None:
    found = json.loads(evaluate([weights], whole).to_json())
    assert 0 <= found["accuracy"] <= 1
    low, high = found["accuracy_interval"]
    assert low <= found["accuracy"] <= high
    for key in ("macro_recall", "macro_f1", "ece", "ece_uncalibrated", "aurc", "nll", "brier"):
        assert isinstance(found[key], float)
    assert list(found["per_class"]) == [
        "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral",
    ]  # fmt: skip
    assert set(found["per_class"]["happy"]) == {"count", "right", "recall", "precision", "f1"}
    assert np.array(found["confusion"]).shape == (7, 7)
    assert len(found["reliability"]) == 15
    assert found["risk_coverage"][-1]["coverage"] == 1.0
    assert (found["split"], found["views"], found["count"]) == ("PublicTest", "single", PUBLIC_ROWS)
    assert found["numerics"]["dtype"] == "float32"
    assert found["temperature"] == 2.0


def test_a_device_without_room_is_told_with_what_takes_less(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("model.vgg.VGG.forward", refuse)
    faces = np.zeros((2, 48, 48), np.uint8)
    with pytest.raises(UsageError, match=r"not enough memory on cpu: .* a smaller batch .*--batch"):
        ask(weights, faces, ScoringOptions())


def test_what_the_figures_depend_on_is_told_by_hash(whole: Path, weights: Path) -> None:
    found = json.loads(evaluate([weights], whole).to_json())
    info = read_info(weights)
    assert found["weights"][0]["name"] == "w.safetensors"
    assert found["weights"][0]["tensor_sha256"] == info.tensor_sha256
    assert found["weights"][0]["recipe_sha256"] == "00"
    assert found["data_sha256"] == rows_sha256(load_split(whole, "PublicTest"))
    assert found["training_sha256"] == rows_sha256(load_split(whole, "Training"))


def test_rows_with_a_copy_in_training_are_left_out_beside_the_whole(
    whole: Path, weights: Path
) -> None:
    without = json.loads(evaluate([weights], whole).to_json())["without_copies"]
    assert (without["exact"], without["near"]) == (COPIES, 0)
    assert without["count"] == PUBLIC_ROWS - COPIES
    assert without["correlation"] == NEAR
    assert "figures" not in without
    assert {"accuracy", "accuracy_interval", "macro_recall", "macro_f1", "ece"} <= set(without)


def test_without_training_rows_copies_are_not_told_and_why(public: Path, weights: Path) -> None:
    evaluation = evaluate([weights], public)
    found = json.loads(evaluation.to_json())
    assert found["without_copies"] is None
    assert "no Training rows" in found["without_copies_reason"]
    assert "no Training rows" in " ".join(evaluation.lines())


def test_the_unseen_half_is_every_other_row(public: Path, weights: Path) -> None:
    half = evaluate([weights], public).unseen_half
    assert half is not None
    assert half.count == PUBLIC_ROWS // 2


@pytest.mark.parametrize("views", ["single", "flip", "ten-crop"])
def test_the_size_of_a_batch_changes_nothing(public: Path, weights: Path, views: str) -> None:
    images = load_split(public, "PublicTest").images
    options = ScoringOptions(views=views)  # type: ignore[arg-type]
    alone = ask(weights, images, dataclasses.replace(options, batch=3)).logits
    together = ask(weights, images, dataclasses.replace(options, batch=1000)).logits
    assert alone.shape == (PUBLIC_ROWS, 7)
    assert alone == pytest.approx(together, abs=1e-4)


def test_two_networks_vote_with_the_mean_of_their_calibrated_probabilities(
    public: Path, weights: Path, other_weights: Path
) -> None:
    images = load_split(public, "PublicTest").images
    members = [ask(path, images, ScoringOptions()) for path in (weights, other_weights)]
    expected = (softmax(members[0].logits, 2.0) + softmax(members[1].logits, 2.0)) / 2
    assert vote(members) == pytest.approx(expected)
    mean = (members[0].logits + members[1].logits) / 4
    assert vote(members, "logits") == pytest.approx(softmax(mean))
    found = json.loads(evaluate([weights, other_weights], public).to_json())
    assert found["average"] == "probabilities"
    assert [member["name"] for member in found["weights"]] == ["w.safetensors", "other.safetensors"]
    assert found["temperature"] is None


def test_a_network_that_votes_alone_has_its_own_probabilities(public: Path, weights: Path) -> None:
    one: Predictions = ask(weights, load_split(public, "PublicTest").images, ScoringOptions())
    assert vote([one]) == pytest.approx(softmax(one.logits, 2.0))
    assert vote([one], calibrated=False) == pytest.approx(softmax(one.logits))


def test_weights_are_compared_on_the_same_faces(
    public: Path, weights: Path, other_weights: Path
) -> None:
    evaluation = evaluate([weights], public, rivals=[other_weights])
    rival = evaluation.rival
    assert rival is not None
    pairs = rival.comparison
    assert pairs.both_right + pairs.only_first_right == evaluation.figures.right
    gain = pairs.only_first_right - pairs.only_second_right
    assert rival.difference == pytest.approx(gain / PUBLIC_ROWS)
    assert "McNemar's exact p" in " ".join(evaluation.lines())
    same = evaluate([weights], public, rivals=[weights]).rival
    assert same is not None
    assert same.comparison.p_value == 1.0


def test_a_ratio_of_half_precision_is_told(public: Path, weights: Path) -> None:
    found = evaluate([weights], public, options=ScoringOptions(precision="bf16"))
    assert found.numerics["dtype"] == "bfloat16"
    assert "bfloat16 on cpu" in " ".join(found.lines())


def test_what_is_unknown_is_a_usage_error(public: Path, weights: Path) -> None:
    with pytest.raises(UsageError, match=r"split is one of Training, PublicTest, .*, not 'Test'"):
        evaluate([weights], public, "Test")
    with pytest.raises(UsageError, match=r"views is one of single, .*, not 'double'"):
        ScoringOptions(views="double")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="precision is one of fp32, bf16, not 'fp8'"):
        ScoringOptions(precision="fp8")
    with pytest.raises(UsageError, match="batch is at least 1, not 0"):
        ScoringOptions(batch=0)
    with pytest.raises(UsageError, match="which weights"):
        evaluate([], public)


def test_the_held_back_split_is_told_to_be_absent(public: Path, weights: Path) -> None:
    with pytest.raises(SourceError, match="no PrivateTest rows"):
        evaluate([weights], public, "PrivateTest")


def test_the_held_back_split_is_scored_where_it_is_there(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_csv(tmp_path / "all.csv", monkeypatch, training=True, private=True)
    found = json.loads(evaluate([weights], data, "PrivateTest").to_json())
    private = load_split(data, "PrivateTest")
    assert (found["split"], found["count"]) == ("PrivateTest", PUBLIC_ROWS)
    assert found["data_sha256"] == rows_sha256(private)
    assert found["data_sha256"] != rows_sha256(load_split(data, "PublicTest"))
    answers = ask(weights, private.images, ScoringOptions()).logits.argmax(1)
    assert found["right"] == (answers == private.labels).sum()
    # no temperature is fitted on it, so it has no half of its own
    assert found["unseen_half"] is None
    assert found["without_copies"]["exact"] == 0


def test_a_damaged_rival_is_refused_before_anything_is_looked_at(
    public: Path, weights: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1000] ^= 1
    damaged.write_bytes(content)
    started: list[int] = []

    def start(total: int) -> "type[int]":
        started.append(total)
        return int

    with pytest.raises(WeightsError, match="damaged"):
        evaluate([weights], public, rivals=[damaged], on_start=start)
    assert started == []


def test_the_same_weights_give_the_same_bytes(public: Path, weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "w.safetensors"
    copy.parent.mkdir()
    save_weights(copy, *load_weights(weights))
    assert evaluate([weights], public).to_json() == evaluate([copy], public).to_json()
