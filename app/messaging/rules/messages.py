"""The words of messages: who writes, and who may read."""

from enum import StrEnum

MESSAGE_TEXT_LENGTH_MAX = 10_000


class AuthorKind(StrEnum):
    """Who wrote something."""

    STAFF = "STAFF"
    TECHNICIAN = "TECHNICIAN"
    CUSTOMER = "CUSTOMER"
    PARTNER = "PARTNER"
    SYSTEM = "SYSTEM"


class MessageVisibility(StrEnum):
    """Who may read a message."""

    INTERNAL = "INTERNAL"
    EVERYONE = "EVERYONE"
