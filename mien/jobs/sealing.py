"""Addresses that hold a password on their way through the server: encrypted, or refused.

The encryption is `cryptography`'s Fernet (AES-CBC with an HMAC); the key comes from MIEN_SECRET,
which submitters and stream workers share and the server never sees.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING

from mien.contract.errors import UsageError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_SALT = b"mien: sealed addresses, 1"
"""Not secret; keeps the key apart from other uses of the same phrase."""
_COST = 2**14
"""Of scrypt: about 50 ms and 16 MB, once a process."""


def seal(text: str, secret: str | None) -> str:
    """Encrypt; `unseal` with the same secret gives the text back.

    Raises:
        UsageError: there is no secret.
    """
    if not secret:
        raise UsageError(
            "an address holds a password, or what is named like one (token=, session=, sid=, p=), "
            "which is not stored in the open: set MIEN_SECRET here and for the stream workers"
        )
    return _fernet(secret).encrypt(text.encode()).decode()


def unseal(sealed: str, secret: str | None) -> str:
    """Decrypt.

    Raises:
        UsageError: there is no secret, or it is not the one that it was sealed with.
    """
    from cryptography.fernet import InvalidToken

    if not secret:
        raise UsageError("its addresses are sealed: set MIEN_SECRET for the stream workers")
    try:
        return _fernet(secret).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise UsageError("its addresses were sealed with another MIEN_SECRET") from None


@lru_cache(maxsize=4)
def _fernet(secret: str) -> Fernet:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    key = Scrypt(salt=_SALT, length=32, n=_COST, r=8, p=1).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
