"""SQL scripts, statement by statement."""

import re
import sqlite3
from collections.abc import Iterator


def split_statements(sql: str) -> Iterator[str]:
    """The statements of an SQLite script; the semicolons inside a trigger do not end it."""
    statement = ""
    for piece in re.split(r"(?<=;)", sql):
        statement += piece
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
    if statement.strip():
        yield statement.strip()
