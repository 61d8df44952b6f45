"""What `mien train` and its kin refuse, each with one sentence and the right exit code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mien.cli import cli
from mien.contract.errors import MienError
from model.weights_file import read_info
from tests import splits
from tests.drawings import drawn_split, write_csv
from training import charts


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
    if charts.missing_library() is None:
        page = (tmp_path / "first" / "report.html").read_text(encoding="utf-8")
        assert f"<code>{begun.recipe_sha256}</code>" in page


def test_names_of_folders_steer_no_terminal_and_forge_no_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "\x1b[2J\nforged"
    words = ["--recipe", "tiny", "--epochs", 1, "--device", "cpu"]
    _mien("train", *words, "--data", data, "--out", run)
    told = capsys.readouterr().out
    assert rf"weights: {tmp_path}/\x1b[2J\nforged/small.safetensors" in told.splitlines()
    assert told.replace("\n", "").isprintable()


@pytest.mark.parametrize("command", ["train", "soft-labels", "distill", "evaluate", "calibrate"])
def test_no_command_takes_more_threads_than_its_container_may_keep_busy(
    data: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr("mien.cores.usable_cores", lambda: 2)
    monkeypatch.setattr("torch.get_num_threads", lambda: 64)
    monkeypatch.setattr("torch.set_num_threads", given.append)
    begin = {
        "soft-labels": ["--teacher", "nobody", "-o", tmp_path / "soft.safetensors"],
        "evaluate": ["--weights", "nobody"],
        "calibrate": ["--weights", "nobody", "-o", tmp_path / "w.safetensors"],
    }
    words = begin.get(command, ["--recipe", "tiny", "--set", "batch=64", "--out", tmp_path / "r"])
    with pytest.raises(MienError):
        _mien(command, *words, "--data", data, "--device", "cpu")
    assert given == [2]


def test_the_threads_that_are_asked_for_are_taken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", given.append)
    words = ["--recipe", "tiny", "--set", "batch=64", "--out", tmp_path / "r", "--data", data]
    with pytest.raises(MienError):
        _mien("train", *words, "--device", "cpu", "--threads", 3)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    monkeypatch.setattr("mien.cores.usable_cores", lambda: 8)
    with pytest.raises(MienError):
        _mien("train", *words, "--device", "cpu")
    assert given == [3, 1]


def test_fitting_the_temperatures_of_a_trained_network_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recipe with the official counts ends with a calibration, which takes minutes."""
    data = splits.write_csv(tmp_path / "fer2013.csv", monkeypatch, training=True)
    looked: list[int] = []

    @contextmanager
    def listen() -> Iterator[Callable[[int], Callable[[int], None]]]:
        yield lambda total: looked.append(-total) or looked.append  # type: ignore[func-returns-value]

    monkeypatch.setattr("mien.train_commands.scoring_progress", listen)
    words = ["--set", "official_counts=true", "--set", "batch=8", "--epochs", 1]
    _mien("train", "--recipe", "tiny", *words, "--data", data, "--out", tmp_path / "r",
          "--device", "cpu")  # fmt: skip
    assert looked[0] == -13 * splits.PUBLIC_ROWS
    assert sum(looked) == 0
