"""Codes that are sent or written down: how they are made, and what is kept of them."""

import base64
import hashlib
import hmac
import secrets

from app.identity import rules


def new_code() -> str:
    """A fresh code to be sent."""
    return f"{secrets.randbelow(10**rules.CODE_DIGITS):0{rules.CODE_DIGITS}d}"


def hash_code(token: str, code: str) -> str:
    """What is kept of a code that was sent. The challenge's token is the key, and that is kept nowhere."""
    return hmac.digest(token.encode(), typed(code).encode("utf-8", "replace"), "sha256").hex()


def new_recovery_codes() -> list[str]:
    """Fresh codes to be written down, 80 random bits each, in groups of four."""
    return [_grouped(base64.b32encode(secrets.token_bytes(rules.RECOVERY_CODE_BYTES)).decode())
            for _ in range(rules.RECOVERY_CODES)]  # fmt: skip


def hash_recovery_code(code: str) -> str:
    """What is kept of a code that was written down. Nobody guesses 80 random bits, so a plain hash will do."""
    return hashlib.sha256(typed(code).upper().encode("utf-8", "replace")).hexdigest()


def typed(code: str) -> str:
    """A code without what people put between its parts."""
    return "".join(sign for sign in code if sign not in " -\u2010\u2011\u2013\u00a0")


def masked_phone(number: str) -> str:
    """Enough of a number for its owner to know it."""
    return f"{'•' * (len(number) - 3)}{number[-3:]}"


def masked_mail(address: str) -> str:
    """Enough of an address for its owner to know it."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}•••@{domain}"


def _grouped(text: str) -> str:
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))
