"""What `mien train` and its kin refuse, each with one sentence and the right exit code."""

from pathlib import Path

import pytest

from mien.cli import cli
from mien.contract.errors import MienError
from model.checkpoint import read_info
from tests.drawings import drawn_split, write_csv


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few drawings as a CSV of FER2013's layout."""
    path = tmp_path_factory.mktemp("data") / "faces.csv"
    return write_csv(path, {"Training": drawn_split(32, 1), "PublicTest": drawn_split(14, 2)})


def _mien(*arguments: object) -> None:
    cli(list(map(str, arguments)), standalone_mode=False)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--recipe", "vgg19-cpu"], 3, "32 Training rows where FER2013 has 28709"),
        (["--recipe", "vgg19-gpu", "--set", "official_counts=false"], 2, "names no file"),
        (["--recipe", "tiny", "--set", "learning=1"], 2, "unknown key 'learning'"),
        (["--recipe", "tiny", "--set", "lr"], 2, "KEY=VALUE"),
        (["--recipe", "tiny", "--set", "batch=64"], 2, "more than the 32 training rows"),
        (["--recipe", "tiny", "--fold", "6/5"], 2, "1/5 to 5/5"),
        (["--recipe", "tiny", "--soft-labels", "none"], 2, "no share"),
        (["--recipe", "tiny", "--init", "nobody"], 4, "nobody"),
        (["--recipe", "tiny", "--resume"], 4, "no run to resume"),
    ],
)
def test_what_cannot_be_trained_is_told(
    data: Path, tmp_path: Path, more: list[str], code: int, words: str
) -> None:
    with pytest.raises(MienError, match=words) as told:
        _mien("train", *more, "--data", data, "--out", tmp_path / "run", "--device", "cpu")
    assert told.value.exit_code == code
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run" / "run.pt").exists()


def test_a_recipe_without_teachers_cannot_distil(data: Path, tmp_path: Path) -> None:
    with pytest.raises(MienError, match=r"no soft_labels\.teachers"):
        _mien("distill", "--recipe", "tiny", "--data", data, "--out", tmp_path, "--device", "cpu")


def test_keys_are_set_and_what_a_run_began_with_is_kept(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--recipe", "tiny", "--data", data, "--device", "cpu", "--epochs", 1]
    _mien("train", *common, "--out", tmp_path / "first", "--set", "lr=0.01", "--seed", 3)
    first = tmp_path / "first" / "small.safetensors"
    _mien("train", *common, "--out", tmp_path / "second", "--init", first, "--set", "batch=8")
    assert "tiny: 1 epochs, 4 steps on cpu" in capsys.readouterr().out
    begun, gone_on = read_info(first), read_info(tmp_path / "second" / "small.safetensors")
    assert begun.metrics["seed"] == 3
    assert "init" not in begun.metrics
    assert gone_on.metrics["init"] == "small"
    assert gone_on.metrics["init_sha256"] == begun.tensor_sha256
    assert gone_on.recipe_sha256 != begun.recipe_sha256
