"""Outputs, weights and options that cannot be: told before anything is touched."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from safetensors.numpy import save

from model.weights_file import WEIGHTS_FOLDER
from tests.builders import make_clip
from tests.e2e.forkserver import ForkServer

WANTED = ("-o", "out.mp4", "--results", "r.jsonl", "--report", "r.json")


class Refused(Protocol):
    def __call__(self, *arguments: object, code: int = 2) -> str: ...


@pytest.fixture
def refused(forks: ForkServer, tmp_path: Path) -> Refused:
    """The one line of a run in the test's folder that is refused with that code."""

    def call(*arguments: object, code: int = 2) -> str:
        done = forks.run(["run", *arguments], tmp_path)
        (line,) = done.stderr.splitlines()
        assert done.returncode == code, line
        assert done.stdout == ""
        assert line.startswith("mien: ")
        return line

    return call


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", frames=5)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("source", ["clip.mp4", "{uri}", "link.mp4"])
@pytest.mark.parametrize(
    "output", ["clip.mp4", "./clip.mp4", "link.mp4", "twin.mp4", "in/clip.mp4"]
)
def test_an_output_is_never_the_input(
    refused: Refused, tmp_path: Path, clip: Path, source: str, output: str
) -> None:
    (tmp_path / "link.mp4").symlink_to("clip.mp4")
    (tmp_path / "twin.mp4").hardlink_to(clip)
    (tmp_path / "in").symlink_to(".")
    before = clip.read_bytes(), names(tmp_path)
    line = refused(source.format(uri=clip.as_uri()), "-o", output, "--overwrite")
    assert line == f"mien: {Path(output)} is the input itself; give the output another name"
    assert (clip.read_bytes(), names(tmp_path)) == before


@pytest.mark.parametrize("option", ["--results", "--report"])
def test_numbers_do_not_replace_the_input_either(
    refused: Refused, tmp_path: Path, option: str
) -> None:
    source = make_clip(tmp_path / "clip.mp4", frames=5).rename(tmp_path / "clip.csv")
    before = source.read_bytes()
    line = refused("clip.csv", "--no-video", option, "clip.csv", "--overwrite")
    assert "is the input itself" in line
    assert source.read_bytes() == before


@pytest.mark.parametrize("option", ["-o", "--results", "--report"])
def test_nobody_is_advised_to_overwrite_the_input(
    refused: Refused, tmp_path: Path, clip: Path, option: str
) -> None:
    line = refused("clip.mp4", *([] if option == "-o" else ["--no-video"]), option, "clip.mp4")
    assert line == "mien: clip.mp4 is the input itself; give the output another name"
    assert names(tmp_path) == ["clip.mp4"]


def test_a_report_is_json_by_its_name(refused: Refused, tmp_path: Path, clip: Path) -> None:
    line = refused(clip, "--no-video", "--report", "r.txt")
    assert line == "mien: the report cannot be written as 'r.txt': use .json"
    assert names(tmp_path) == ["clip.mp4"]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("out.xyz", "does not say which kind of video"),
        ("out", "does not say which kind of video"),
        ("gone/out.mp4", "there is no folder gone"),
        ("folder.mp4", "is a folder"),
        ("pipe.mp4", "is not a regular file"),
        ("clip.mp4/out.mp4", "clip.mp4"),
        ("x" * 300 + ".mp4", "name too long"),
    ],
    ids=lambda text: text[:20],
)
def test_a_place_where_nothing_can_be_written(
    refused: Refused, tmp_path: Path, clip: Path, output: str, words: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    before = names(tmp_path)
    assert words.lower() in refused(clip, "-o", output, "--overwrite").lower()
    assert names(tmp_path) == before


@pytest.mark.parametrize("wanted", WANTED[1::2])
def test_what_is_there_is_not_replaced_unasked(
    refused: Refused, tmp_path: Path, clip: Path, wanted: str
) -> None:
    (tmp_path / wanted).write_text("mine")
    assert f"{wanted} is there already" in refused(clip, *WANTED)
    assert names(tmp_path) == sorted(["clip.mp4", wanted])
    assert (tmp_path / wanted).read_text() == "mine"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:1000], "cut off"),
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], "damaged"),
        (lambda data: b"no weights at all", "not a safetensors file"),
        (lambda data: save({"fc.weight": np.zeros((7, 512), np.float32)}), "not made by mien"),
        (lambda data: b"", "not a safetensors file"),
        (lambda data: struct.pack("<Q", 1 << 62) + b"{}", "not a safetensors file"),
    ],
    ids=["header cut", "half", "one bit", "text", "another model's", "empty", "endless header"],
)
def test_damaged_weights_are_refused(
    refused: Refused, tmp_path: Path, clip: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    whole = next(WEIGHTS_FOLDER.glob("*.safetensors"))
    (tmp_path / "mine.safetensors").write_bytes(damage(whole.read_bytes()))
    (tmp_path / "out.mp4").write_text("mine")
    weights = ("--weights", "mine.safetensors", "--overwrite")
    assert words in refused(clip, *WANTED, *weights, code=4)
    assert names(tmp_path) == ["clip.mp4", "mine.safetensors", "out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "mine"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_weights_that_are_no_file(
    refused: Refused, tmp_path: Path, clip: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "mine.safetensors")
    assert "mine.safetensors" in refused(clip, *WANTED, "--weights", "mine.safetensors", code=4)


RATES = ("0", "-5", "nan", "inf", "-inf", "1e12", "1e-12", "1e99999999999", "1/0", "", "fast")


@pytest.mark.parametrize("rate", RATES)
def test_a_rate_that_is_none(refused: Refused, tmp_path: Path, clip: Path, rate: str) -> None:
    line = refused(clip, *WANTED, f"--fps={rate}")
    assert "'--fps'" in line
    assert names(tmp_path) == ["clip.mp4"]


@pytest.mark.parametrize(
    "option",
    ["--analyze-fps=nan", "--analyze-fps=1e99999999999", "--crf=99", "--min-face=nan",
     "--min-confidence=2", "--smoothing=inf", "--abstain=nan", "--batch=0",
     "--window-mb=0", "--analyze-size=0"],
)  # fmt: skip
def test_another_option_out_of_its_range(
    refused: Refused, tmp_path: Path, clip: Path, option: str
) -> None:
    assert option.partition("=")[0] in refused(clip, *WANTED, option)
    assert names(tmp_path) == ["clip.mp4"]
