"""Texts that must not be kept or shown: a password on its way in, a key on its way out."""


class Secret:
    """A password on its way in. Printed, logged or fingerprinted it is three stars, so a request with one can be
    repeated under its idempotency key without a trace of the password being kept."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"


class Slip:
    """A new secret on its way out, to be shown once. It stays empty when a repeated request is answered from memory."""

    __slots__ = ("secret",)

    def __init__(self) -> None:
        self.secret: str | None = None

    def __repr__(self) -> str:
        return "slip"
