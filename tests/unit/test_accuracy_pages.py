"""The pages show the figures of the committed results, which are of the weights that come along."""

import pytest

from benchmarks.accuracy_pages import evaluations, pages
from benchmarks.pages import put
from model.weights_file import load_weights


def test_every_page_shows_what_the_results_say() -> None:
    for path, places in pages().items():
        page = path.read_text(encoding="utf-8")
        for name, lines in places.items():
            assert put(page, name, lines) == page, (
                f"{path.name}: python -m benchmarks.accuracy_pages"
            )


@pytest.mark.parametrize("weights", ["vgg19", "small"])
def test_the_results_are_of_the_weights_that_come_along(weights: str) -> None:
    _, info = load_weights(weights)
    (scored,) = evaluations(weights)["single"]["weights"]
    assert scored["tensor_sha256"] == info.tensor_sha256


def test_a_page_without_the_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for accuracy"):
        put("# A page\n", "accuracy", [])
