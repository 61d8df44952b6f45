"""What the name of an output alone shows to be wrong is not submitted."""

from dataclasses import replace
from pathlib import Path

import pytest

from mien.contract.errors import UsageError
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.submission import absolute, check_submission


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are relative to a folder with two files, which nobody looks into."""
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "photo.jpg"):
        Path(name).write_bytes(b"?")


def submission(source: str, *names: str, **options: object) -> RunRequest:
    outputs = tuple(OutputSettings(Path(name), None, **options) for name in names)  # type: ignore[arg-type]
    return absolute(RunRequest(source, AnalysisRequest(), outputs))


@pytest.mark.parametrize("source", ["clip.mp4", "http://host/x", "rtsp://host/1", "/dev/video0"])
@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("out.xyz", {}, "does not say which kind of video"),
        ("out.mp4", {"encoder": "nope"}, "no encoder 'nope'"),
        ("out.mp4", {"preset": "nope"}, "nope"),
    ],
)
def test_what_no_source_can_be_written_as_is_refused_at_once(
    source: str, name: str, options: dict[str, object], words: str
) -> None:
    check_submission(submission(source, "out.mp4"))
    with pytest.raises(UsageError, match=words):
        check_submission(submission(source, name, **options))


def test_what_only_a_camera_has_is_refused_for_a_file_alone() -> None:
    for names, options in (
        (("a.mp4", "b.mp4"), {}), (("a.mp4",), {"segment_s": 90.0}), (("live.m3u8",), {})
    ):  # fmt: skip
        for camera in ("rtsp://host/1", "http://host/x"):  # the second may be one
            check_submission(submission(camera, *names, **options))
        for file, kind in (("clip.mp4", "video"), ("photo.jpg", "photo")):
            with pytest.raises(UsageError, match=f"^a {kind} gives"):
                check_submission(submission(file, *names, **options))


def test_whether_a_file_is_a_photo_is_seen_by_who_reads_it() -> None:
    for source in ("clip.mp4", "photo.jpg", "http://host/x"):
        for name in ("out.mp4", "out.jpg"):
            check_submission(submission(source, name))
    with pytest.raises(UsageError, match=r"out\.jpg"):
        check_submission(submission("rtsp://host/1", "out.jpg"))
    with pytest.raises(UsageError, match="a photo gives a photo"):
        check_submission(submission("photo.jpg", "out.xyz"))


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("name", ["r.jsonl", "r.txt", "report"])
def test_a_report_is_json_by_its_name(name: str, attached: bool) -> None:
    request = replace(submission("rtsp://host/1"), attached=attached)
    check_submission(replace(request, report=Path("r.JSON")))
    with pytest.raises(UsageError, match=f"^the report cannot be written as '{name}': use .json$"):
        check_submission(replace(request, report=Path(name)))


def test_nobody_is_advised_to_overwrite_the_input() -> None:
    for changes in (
        {"outputs": (OutputSettings(Path("clip.mp4"), None),)},
        {"results": Path("clip.mp4")},
        {"report": Path("clip.mp4")},
    ):
        with pytest.raises(UsageError, match=r"clip\.mp4 is the input itself"):
            check_submission(replace(submission("clip.mp4"), **changes))  # type: ignore[arg-type]
