"""The books must add up."""

import pytest

from mien.contract.ledger import Ledger, LedgerError


def test_books_that_add_up_are_accepted() -> None:
    ledger = Ledger()
    ledger.count("muxed-analysed", 3)
    ledger.count("sampled-out")
    ledger.count("corrupt", 2)
    ledger.check(decoded=4, corrupt=2)


def test_a_lost_frame_is_found() -> None:
    ledger = Ledger()
    ledger.count("muxed-analysed", 3)
    with pytest.raises(LedgerError, match="4 frames decoded and 0 corrupt, but 3"):
        ledger.check(decoded=4, corrupt=0)


def test_losses_are_told_with_their_reasons() -> None:
    ledger = Ledger()
    ledger.count("dropped", 2, reason="late")
    ledger.count("failed", 1, reason="gave up after 5 deliveries")
    told = ledger.as_dict()
    assert told["dropped"] == 2
    assert told["reasons"] == {"late": 2, "gave up after 5 deliveries": 1}
