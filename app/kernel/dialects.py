"""The databases we speak."""

from enum import StrEnum


class Dialect(StrEnum):
    """SQLite embedded, PostgreSQL at scale."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"
