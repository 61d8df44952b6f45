"""Text from elsewhere that is printed for people."""

import os

import pytest

from mien.contract.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;pwned\a.mp4", r"\x1b]0;pwned\x07.mp4"),
        ("a\nb\tc\x7f", r"a\nb\tc\x7f"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        (os.fsdecode(b"\x9b31m"), r"\udc9b31m"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_would_steer_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["café · 你好 😀.mp4", r"a\x1b", os.fsdecode(b"caf\xe9.mp4")])
def test_all_else_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
