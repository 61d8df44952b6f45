"""`mien evaluate` and `mien calibrate` as typed."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from mien.cli import cli
from mien.contract import atomic
from mien.contract.errors import SourceError, UsageError, WeightsError
from model.weights_file import load_weights, read_info
from tests.splits import PUBLIC_ROWS


def typed(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words), "--device", "cpu"], catch_exceptions=False)


def test_figures_are_shown_and_written(whole: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = typed(
        "evaluate", "--weights", weights, "--data", whole, "--views", "flip", "--json", out
    )
    assert done.exit_code == 0
    assert "w.safetensors at 44 px on PublicTest, flip, float32 on cpu" in done.output
    assert "without 3 exact and 0 near copies of Training rows" in done.output
    found = json.loads(out.read_text())
    assert (found["views"], found["count"]) == ("flip", PUBLIC_ROWS)


def test_several_weights_vote_and_meet_a_rival(
    public: Path, weights: Path, other_weights: Path
) -> None:
    done = typed(
        "evaluate", "--weights", weights, "--weights", other_weights, "--data", public,
        "--average", "logits", "--compare", other_weights, "--precision", "bf16", "--batch", 5,
    )  # fmt: skip
    assert (
        "w.safetensors at 44 px + other.safetensors at 44 px on PublicTest, single, mean logits"
        in done.output
    )
    assert "against other.safetensors" in done.output


def test_names_of_weights_steer_no_terminal_and_forge_no_line(public: Path, weights: Path) -> None:
    named = weights.rename(weights.with_name("\x1b[2J\nforged.safetensors"))
    told = typed("evaluate", "--weights", named, "--data", public, "--compare", named).stdout
    assert told.startswith(r"\x1b[2J\nforged.safetensors at 44 px on PublicTest")
    assert r"against \x1b[2J\nforged.safetensors" in told
    assert told.replace("\n", "").isprintable()


def test_figures_that_are_there_are_kept(public: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    out.write_text("mine")
    words = ("evaluate", "--weights", weights, "--data", public, "--json", out)
    with pytest.raises(UsageError, match="--overwrite"):
        typed(*words)
    assert out.read_text() == "mine"
    typed(*words, "--overwrite")
    assert json.loads(out.read_text())["count"] == PUBLIC_ROWS


def test_weights_are_calibrated_in_place_where_that_is_meant(public: Path, weights: Path) -> None:
    words = ("calibrate", "--weights", weights, "--data", public, "-o", weights)
    with pytest.raises(UsageError, match="--overwrite"):
        typed(*words)
    done = typed(*words, "--overwrite")
    assert done.output.count("on the unseen half ECE") == 3
    assert set(read_info(weights).temperatures) == {"single", "flip", "ten-crop"}


@pytest.mark.parametrize("command", ["calibrate", "soft-labels", "import-checkpoint"])
def test_a_file_that_appears_meanwhile_is_kept(
    whole: Path, weights: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, checkpoint = tmp_path / "out.safetensors", tmp_path / "state.pth.tar"
    torch.save(load_weights(weights)[0].state_dict(), checkpoint)
    check = atomic.check_target

    def check_and_be_overtaken(path: Path, overwrite: bool) -> None:
        check(path, overwrite)
        path.write_text("somebody else's")

    monkeypatch.setattr(atomic, "check_target", check_and_be_overtaken)
    words = {
        "calibrate": ["--weights", weights, "--data", whole],
        "soft-labels": ["--teacher", weights, "--in-sample", "--data", whole],
        "import-checkpoint": [checkpoint],
    }
    typing = [command, *map(str, words[command]), "-o", str(out)]
    with pytest.raises(UsageError, match="--overwrite"):
        CliRunner().invoke(cli, typing, catch_exceptions=False)
    assert out.read_text() == "somebody else's"


def test_what_would_be_overwritten_or_is_missing_is_refused_first(
    public: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="nonsense"):
        typed("evaluate", "--weights", "nonsense", "--data", public)
    with pytest.raises(WeightsError, match="nonsense"):
        typed("evaluate", "--compare", "nonsense", "--data", public)
    with pytest.raises(SourceError, match=r"none\.csv"):
        typed("evaluate", "--data", tmp_path / "none.csv")
    with pytest.raises(UsageError, match="missing"):
        typed("evaluate", "--data", public, "--json", tmp_path / "missing" / "out.json")
