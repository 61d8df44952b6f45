"""Every option reaches the request, by word, variable or keyword, and none is made up."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from functools import reduce
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import mien
from mien.cli import cli
from mien.contract.errors import UsageError
from mien.contract.requests import RunRequest
from mien.options import request_from
from producer.opening import USUAL_TIMEOUTS_S
from producer.source import CAMERA_READ_S
from tests.conftest import REPOSITORY

OTHERS = {
    "--port", "--detach", "--build", "--scale", "--rm", "--no-recreate", "--no-deps", "--replicas",
    "--pull", "--signal", "--from-literal", "--rounds", "--finds", "--votes", "--cameras", "--size",
    "--image-ms", "--bs", "--lr", "--checkpoint",
}  # fmt: skip
"""Options of other programs of which the documentation speaks."""


def asked(
    patch: pytest.MonkeyPatch, *words: str, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The request of `mien run clip.mp4` with these words, before it is carried out."""
    found: list[RunRequest] = []

    def note(source: str, options: Mapping[str, Any]) -> None:
        found.append(request_from(source, options))
        raise click.exceptions.Exit

    patch.setattr("mien.cli.request_from", note)
    done = CliRunner().invoke(cli, ["run", "clip.mp4", *words], env=env)
    assert done.exit_code == 0, done.output
    (request,) = found
    return asdict(request)


@pytest.mark.parametrize(
    ("words", "place", "value"),
    [
        ("--analyze-fps 12.5", "analysis analyze_fps", Fraction(25, 2)),
        ("--analyze-fps all", "analysis analyze_fps", None),
        ("--analyze-size 640", "analysis analyze_size_px", 640),
        ("--detector haar", "analysis detector", "haar"),
        ("--min-face 33", "analysis min_face_px", 33),
        ("--min-confidence 0.7", "analysis min_confidence", 0.7),
        ("--weights small", "analysis weights", "small"),
        ("--views ten-crop", "analysis views", "ten-crop"),
        ("--smoothing 2", "analysis smoothing_s", 2),
        ("--abstain 0.4", "analysis abstain", 0.4),
        ("--device cuda:1", "device", "cuda:1"),
        ("--batch 3", "batch", 3),
        ("--window-mb 64", "window_bytes", 64_000_000),
        ("--results r.csv", "results", Path("r.csv")),
        ("--report r.json", "report", Path("r.json")),
        ("--overwrite", "overwrite", True),
        ("--max-latency-ms 250", "max_latency_s", 0.25),
        ("--give-up-after 2m", "give_up_after_s", 120),
        ("--segment 10m", "outputs 0 segment_s", 600),
        ("--fps 29.97", "outputs 0 fps", Fraction(30000, 1001)),
        ("--encoder libx265", "outputs 0 encoder", "libx265"),
        ("--preset slow", "outputs 0 preset", "slow"),
        ("--crf 31", "outputs 0 crf", 31),
        ("--blur", "outputs 0 blur", True),
    ],
)
def test_an_option_reaches_the_request(
    monkeypatch: pytest.MonkeyPatch, words: str, place: str, value: object
) -> None:
    def found(request: dict[str, Any]) -> object:
        steps = [int(step) if step.isdigit() else step for step in place.split()]
        return reduce(lambda nest, step: nest[step], steps, request)  # type: ignore[index]

    request = asked(monkeypatch, "-o", "out.mp4", *words.split())
    assert found(request) == value
    assert found(asked(monkeypatch, "-o", "out.mp4")) != value, "it is another than the usual one"


def test_a_device_that_no_machine_has_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(UsageError, match="device is one of auto, cpu, cuda, cuda:N, not 'gpu'"):
        mien.analyze("missing.mp4", device="gpu")


def test_an_option_is_set_by_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"MIEN_RUN_FPS": "24", "MIEN_RUN_OUTPUT": "a b.mp4\nc:d.mkv", "MIEN_RUN_BLUR": "1"}
    outputs = asked(monkeypatch, env=env)["outputs"]
    assert [one["target"] for one in outputs] == [Path("a b.mp4"), Path("c:d.mkv")]
    assert {(one["fps"], one["blur"]) for one in outputs} == {(24, True)}
    assert asked(monkeypatch, "--fps", "30", env=env)["outputs"][0]["fps"] == 30


def test_a_keyword_reaches_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[RunRequest] = []

    def note(request: RunRequest, **_: object) -> None:
        found.append(request)
        raise click.exceptions.Exit

    monkeypatch.setattr("mien.api.run", note)
    with pytest.raises(click.exceptions.Exit):
        mien.analyze(
            "clip.mp4", analyze_fps=12.5, analyze_size=640, detector="haar", min_face=33,
            min_confidence=0.7, weights="small", views="flip", smoothing=2, abstain=0.4,
            device="cuda:1",
        )  # fmt: skip
    (request,) = found
    assert (request.source, request.device) == ("clip.mp4", "cuda:1")
    assert asdict(request.analysis) == {
        "analyze_fps": Fraction(25, 2), "analyze_size_px": 640, "detector": "haar",
        "min_face_px": 33, "min_confidence": 0.7, "weights": "small", "views": "flip",
        "smoothing_s": 2, "abstain": 0.4,
    }  # fmt: skip


def options_of(command: click.Command) -> set[str]:
    """Of it and of all commands below it."""
    own = {word for option in command.params for word in (*option.opts, *option.secondary_opts)}
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union(*map(options_of, below))


@pytest.mark.parametrize("words", [[], ["worker"]])
def test_what_a_command_does_stands_whole_in_the_list_of_commands(words: list[str]) -> None:
    eighty_columns = 78  # click leaves two free; its runner does not
    told = CliRunner().invoke(cli, [*words, "--help"], terminal_width=eighty_columns).output
    assert "Commands:" in told
    assert "..." not in told.partition("Commands:")[2]


def test_the_options_that_the_documentation_names_exist() -> None:
    known = {"--help", *options_of(cli), *OTHERS}
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    named = {
        (page.name, word)
        for page in pages
        for word in re.findall(r"(?<![\w-])--[a-z][a-z-]+(?![\w-])", page.read_text())
    }
    assert len(named) > 30
    assert not {(page, word) for page, word in named if word not in known}


def test_the_documentation_says_how_long_a_camera_may_be_silent() -> None:
    text = (REPOSITORY / "docs" / "live.md").read_text()
    assert "nothing comes for ten seconds (by `http(s)`: thirty)" in text
    assert (CAMERA_READ_S, USUAL_TIMEOUTS_S[1]) == (10.0, 30.0)


def test_readme_and_model_card_name_what_the_law_says_of_such_networks() -> None:
    pages = REPOSITORY / "README.md", REPOSITORY / "model" / "README.md"
    readme, card = (" ".join(page.read_text().split()) for page in pages)
    for text in (readme, card):
        assert re.search(r"in education\b.{,20}\bEU AI Act\b.{,20}Article 5\(1\)\(f\)", text)
    assert "people must be told (Article 50(3))" in readme


@pytest.mark.parametrize("debug", ["", "1"])
def test_what_nobody_foresaw_is_one_line_and_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("it cannot be,\nand yet it is")

    monkeypatch.setenv("MIEN_DEBUG", debug)
    monkeypatch.setattr("mien.cli.request_from", fail)
    monkeypatch.setattr("sys.argv", ["mien", "run", "clip.mp4", "-o", "out.mp4"])
    assert mien.cli._run() == 1
    said = capsys.readouterr().err
    line = "mien: a bug in mien: RuntimeError: it cannot be, and yet it is\n"
    assert said.endswith(line)
    assert ("Traceback" in said) == (said != line) == bool(debug)
