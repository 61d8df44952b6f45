"""Attempts share analyses as long as they read the same file."""

from pathlib import Path

import pytest

from mien.jobs.source_mark import source_mark


def test_a_file_has_another_mark_only_when_it_was_replaced(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"one")
    first = source_mark(str(clip), 1)
    assert source_mark(str(clip), 2) == first
    clip.write_bytes(b"another")
    assert source_mark(str(clip), 2) != first


@pytest.mark.parametrize("source", ["http://nas/latest.mp4", "missing.mp4"])
def test_what_may_be_replaced_unseen_has_another_mark_in_every_attempt(source: str) -> None:
    assert source_mark(source, 1) == source_mark(source, 1) != source_mark(source, 2)
