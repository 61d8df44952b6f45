"""`mien train` as a user starts it, on drawn faces: it learns, reports and survives a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model.weights_file import load_weights, read_info
from tests.drawings import drawn_split, write_csv
from training import charts

_CHANCE = 1 / 7


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "mien", *map(str, arguments)]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _mien(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments), capture_output=True, text=True, timeout=280, env=_environment()
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """210 Training and 70 PublicTest drawings as a CSV of FER2013's layout."""
    path = tmp_path_factory.mktemp("data") / "faces.csv"
    splits = {"Training": drawn_split(210, 1), "PublicTest": drawn_split(70, 2)}
    # a black row and two copies, which the recipe cleans away
    splits["Training"].images[[5, 9, 11]] = splits["Training"].images[4]
    splits["Training"].images[5] = 0
    return write_csv(path, splits)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run and what it said."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    done = _mien("train", "--recipe", "tiny", "--data", data, "--out", out, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    return out, done.stdout


@pytest.mark.slow
def test_a_tiny_run_beats_chance_and_says_what_it_did(trained: tuple[Path, str]) -> None:
    out, told = trained
    info = read_info(out / "small.safetensors")
    assert float(info.metrics["public_accuracy_while_training"]) > 2 * _CHANCE
    assert "210 Training rows, 1 black ones left out, 2 exact copies merged: 207" in told
    assert (out / "metrics.csv").read_text().count("\n") == 7
    network, _ = load_weights(out / "small.safetensors")
    assert sum(p.numel() for p in network.parameters()) == 3_381_127


@pytest.mark.slow
def test_the_report_is_one_page_that_needs_nothing_else(trained: tuple[Path, str]) -> None:
    if charts.missing_library() is not None:
        pytest.skip("matplotlib is not installed")
    out, told = trained
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"report: {out / 'report.html'}" in told
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert "src=" not in page.replace("xlink:href", "")
    assert read_info(out / "small.safetensors").tensor_sha256 in page
    assert str(out.parent) not in page


@pytest.mark.slow
def test_a_run_killed_in_mid_epoch_ends_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    def arguments(name: str, *more: object) -> list[str]:
        return _command(
            "train", "--recipe", "tiny", "--epochs", 2, "--data", data, "--out", tmp_path / name,
            "--device", "cpu", "--checkpoint-every", 0, *more,
        )  # fmt: skip

    whole = subprocess.run(arguments("whole"), capture_output=True, timeout=280, env=_environment())
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen(arguments("killed"), stdout=subprocess.DEVNULL, env=_environment())
    _wait_for_checkpoints(tmp_path / "killed", killed, 3)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "small.safetensors").exists()
    again = subprocess.run(
        arguments("killed", "--resume"), capture_output=True, text=True, timeout=280,
        env=_environment(),
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    step = int(again.stdout.split("resumed at step ")[1].split()[0])
    assert 12 < step < 24, "the kill did not fall into the second epoch's middle"
    digests = {
        read_info(tmp_path / name / "small.safetensors").tensor_sha256
        for name in ("whole", "killed")
    }
    assert len(digests) == 1
    metrics = {(tmp_path / name / "metrics.csv").read_text() for name in ("whole", "killed")}
    assert len(metrics) == 1


def _wait_for_checkpoints(folder: Path, process: "subprocess.Popen[bytes]", count: int) -> None:
    """Until so many were written after the first epoch's end."""
    ends_s = time.monotonic() + 200
    metrics, checkpoint = folder / "metrics.csv", folder / "run.pt"
    seen: set[int] = set()
    while len(seen) < count:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < ends_s
        if metrics.exists():
            seen.add(checkpoint.stat().st_mtime_ns)
        time.sleep(0.002)
