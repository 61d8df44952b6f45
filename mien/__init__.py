"""mien finds the faces in videos, reads the expression on each and gives back the numbers.

import mien
table = mien.analyze("clip.mp4")       # a pandas.DataFrame, one row a face
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.api import analyze as analyze

__all__ = ["analyze"]


def __getattr__(name: str) -> object:
    """Import what `__all__` names when it is first asked for, so that `import mien` is instant."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mien import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
