"""Places in a page that a program fills: from `<!-- name -->` to `<!-- end -->`."""

from __future__ import annotations

import re


def put(page: str, name: str, lines: list[str]) -> str:
    """The page with the lines in the place of that name.

    Raises:
        ValueError: the page has no such place.
    """
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    text = "\n".join([begin, *lines, end])
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not found.search(page):
        raise ValueError(f"the page has no place for {name}")
    return found.sub(lambda _: text, page, count=1)
