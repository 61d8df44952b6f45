"""Text from elsewhere, such as names of files, as a terminal may have it."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udc9f\udd00-\udfff]")
"""C0, DEL and C1, these also as bytes of names that are no proper text, whose other bytes are left
as they are; and what no stream takes."""


def printable(text: str) -> str:
    """The text on one line, with `\\x1b` and the like for what would steer a terminal."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
