"""A worker with roots reads and writes under them only, whatever a job calls its files."""

from dataclasses import replace
from pathlib import Path

import pytest

from mien.contract.errors import MienError, SourceError, UsageError
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.roots import Roots


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    for name in ("in", "out", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").touch()
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "elsewhere" / "a.mp4")
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in" / "circle")
    (tmp_path / "in" / "inner.mp4").symlink_to("a.mp4")
    (tmp_path / "out" / "away").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "out" / "new.mp4").symlink_to(tmp_path / "elsewhere" / "new.mp4")
    return Roots(tmp_path / "in", tmp_path / "out")


def reading(source: object) -> RunRequest:
    return RunRequest(str(source), AnalysisRequest())


@pytest.mark.parametrize("name", ["in/a.mp4", "in/inner.mp4", "in/missing.mp4", "out/../in/a.mp4"])
def test_what_lies_under_the_root_is_read(roots: Roots, tmp_path: Path, name: str) -> None:
    roots.check(reading(tmp_path / name))


@pytest.mark.parametrize(
    "name", ["elsewhere/a.mp4", "in/../elsewhere/a.mp4", "in/link.mp4", "in", "in/circle", "input"]
)
def test_what_lies_elsewhere_is_not_read(roots: Roots, tmp_path: Path, name: str) -> None:
    if name == "in":
        roots = replace(roots, read=tmp_path / "in" / "deeper")
    with pytest.raises(SourceError, match="lies outside"):
        roots.check(reading(tmp_path / name))


@pytest.mark.parametrize("source", ["/dev/video0", "file:///etc/passwd", "FILE:///etc/passwd"])
def test_devices_and_urls_of_files_are_not_read(roots: Roots, source: str) -> None:
    with pytest.raises(SourceError):
        roots.check(reading(source))


@pytest.mark.parametrize("source", ["rtsp://camera/1", "https://example.org/a.mp4"])
def test_what_comes_from_the_net_is_read(roots: Roots, source: str) -> None:
    roots.check(reading(source))


def test_weights_by_name_or_under_the_root_are_read(roots: Roots, tmp_path: Path) -> None:
    for weights, allowed in (
        ("default", True),
        (str(tmp_path / "in" / "w.safetensors"), True),
        (str(tmp_path / "elsewhere" / "w.safetensors"), False),
        ("w.safetensors", False),
    ):
        request = replace(reading("rtsp://c/1"), analysis=AnalysisRequest(weights=weights))
        if allowed:
            roots.check(request)
        else:
            with pytest.raises(UsageError, match="lies outside"):
                roots.check(request)


@pytest.mark.parametrize("field", ["outputs", "results", "report"])
@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("out/b.mp4", True),
        ("out/a.mp4", True),
        ("elsewhere/b.mp4", False),
        ("out/../elsewhere/b.mp4", False),
        ("out/away/b.mp4", False),
        ("out/new.mp4", False),
    ],
)
def test_outputs_lie_under_the_root(
    roots: Roots, tmp_path: Path, field: str, name: str, allowed: bool
) -> None:
    path = tmp_path / name
    target = {field: (OutputSettings(path, None),) if field == "outputs" else path}
    request = replace(reading(tmp_path / "in" / "a.mp4"), **target)  # type: ignore[arg-type]
    error: MienError | None = None
    try:
        roots.check(request)
    except UsageError as refusal:
        error = refusal
    assert (error is None) == allowed


def test_without_roots_everything_is_allowed(tmp_path: Path) -> None:
    Roots().check(replace(reading("file:///etc/passwd"), results=tmp_path / "r.csv"))
