"""McNemar's test: whether two networks that saw the same faces differ by more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Comparison:
    """The faces on which two sets of answers differ, and what that is worth."""

    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    p_value: float
    """Of McNemar's exact test, two-sided, 0-1: how often chance alone would differ as much."""


def compare(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Comparison:
    """Compares which faces (n,) each of two told right, in the same order."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return Comparison(
        both_right=int((first & second).sum()),
        only_first_right=only_first,
        only_second_right=only_second,
        both_wrong=int((~first & ~second).sum()),
        p_value=exact_p_value(only_first, only_second),
    )


def exact_p_value(only_first: int, only_second: int) -> float:
    """Two-sided binomial test of the discordant pairs against one half.

    Source: McNemar, Note on the sampling error of the difference between correlated proportions,
    1947; in its exact form.
    """
    total = only_first + only_second
    fewer = min(only_first, only_second)
    tail = sum(math.comb(total, count) for count in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**total))
