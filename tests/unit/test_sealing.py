"""A password crosses the server sealed, or not at all."""

import pytest

from mien.contract.errors import UsageError
from mien.jobs.sealing import seal, unseal

SOURCE = "rtsp://user:hunter2@camera/1"


def test_what_is_sealed_comes_out_again_with_the_same_secret() -> None:
    sealed = seal(SOURCE, "s3cret")
    assert "hunter2" not in sealed
    assert unseal(sealed, "s3cret") == SOURCE


def test_two_seals_of_the_same_are_not_the_same() -> None:
    assert seal(SOURCE, "s3cret") != seal(SOURCE, "s3cret")


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_sealed_or_unsealed(secret: str | None) -> None:
    with pytest.raises(UsageError, match="MIEN_SECRET"):
        seal(SOURCE, secret)
    with pytest.raises(UsageError, match="MIEN_SECRET"):
        unseal(seal(SOURCE, "s3cret"), secret)


def test_another_secret_and_a_changed_seal_are_told() -> None:
    sealed = seal(SOURCE, "s3cret")
    for text, secret in ((sealed, "other"), (sealed[:-8] + "AAAAAAA=", "s3cret"), ("é", "s3cret")):
        with pytest.raises(UsageError, match="another MIEN_SECRET") as caught:
            unseal(text, secret)
        assert "hunter2" not in str(caught.value)
