"""How each database writes JSON.

PostgreSQL has a type for it, and turns records into it. In SQLite all JSON is plain text that is put together with ``||``: that is as fast as
its JSON functions, and its parser, which keeps at most a hundred open symbols, then reads documents much deeper.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from app.kernel.dialects import Dialect
from schema.kit.kinds import Kind, json_of

Write = Callable[[], None]
Pairs = Sequence[tuple[str, Write]]
PAIRS_MAX = 45  # a PostgreSQL function takes 100 arguments
NAME_LENGTH_MAX = 63  # a longer one PostgreSQL would cut off


class Notation(Protocol):
    """The forms a statement is made of."""

    null: str
    no_rows: str
    zero: str
    collected: tuple[str, str]
    related: tuple[str, str]
    first_related: tuple[str, str]
    whole: tuple[str, str]
    document: tuple[str, str]
    array: str
    otherwise: str

    def literal(self, text: str) -> str:
        """A fixed text of ours, without quotes in it."""

    def numbered(self, number: int) -> tuple[str, str]:
        """What makes of JSON an array of a number and it."""

    def value(self, kind: Kind, expression: str) -> str:
        """The JSON of an expression that stands in it once."""

    def write_object(self, text: Callable[[str], None], pairs: Pairs) -> None:
        """An object of keys (GraphQL names, which need no escaping) and values."""

    def write_row(self, text: Callable[[str], None], pairs: Pairs) -> None:
        """An object that is made for each of many rows."""


class SqliteNotation:
    """JSON as text, joined."""

    null = "'null'"
    no_rows = "'[]'"
    zero = "'0'"
    collected = ("'[' || coalesce(group_concat(", ", ','), '') || ']'")
    related = ("(SELECT ", " UNION ALL SELECT 'null' LIMIT 1)")
    first_related = ("coalesce((SELECT ", "), 'null')")
    whole = ("", "")
    document = ("", "")
    array = "json_array"
    otherwise = " ELSE 'null'"

    def literal(self, text: str) -> str:
        return f"'\"{text}\"'"

    def numbered(self, number: int) -> tuple[str, str]:
        return f"'[{number},' || ", " || ']'"

    def value(self, kind: Kind, expression: str) -> str:
        if kind is Kind.BOOLEAN:
            return f"CASE {expression} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END"
        if kind is Kind.JSON:
            return f"coalesce({expression}, 'null')"
        return f"json_quote({json_of(kind, expression, Dialect.SQLITE)})"

    def write_object(self, text: Callable[[str], None], pairs: Pairs) -> None:
        if not pairs:
            text("'{}'")
            return
        for index, (key, write) in enumerate(pairs):
            text(f"'{'{' if index == 0 else ','}\"{key}\":' || ")
            write()
            text(" || ")
        text("'}'")

    write_row = write_object


class PostgresNotation:
    """JSON as PostgreSQL's own type."""

    null = "CAST(NULL AS json)"
    no_rows = "CAST('[]' AS json)"
    zero = "0"
    collected = ("coalesce(json_agg(", "), CAST('[]' AS json))")
    related = ("(SELECT ", ")")
    first_related = ("(SELECT ", ")")
    whole = ("CAST(to_json(", ") AS TEXT)")
    document = ("to_json(", ")")
    array = "json_build_array"
    otherwise = ""

    def literal(self, text: str) -> str:
        return f"CAST('{text}' AS TEXT)"

    def numbered(self, number: int) -> tuple[str, str]:
        return f"json_build_array({number}, ", ")"

    def value(self, kind: Kind, expression: str) -> str:
        return json_of(kind, expression, Dialect.POSTGRES)

    def write_object(self, text: Callable[[str], None], pairs: Pairs) -> None:
        if len(pairs) > PAIRS_MAX:
            self._write_wide(text, pairs)
            return
        text("json_build_object(")
        for index, (key, write) in enumerate(pairs):
            text(f"{', ' if index else ''}'{key}', ")
            write()
        text(")")

    def write_row(self, text: Callable[[str], None], pairs: Pairs) -> None:
        """As a record, which becomes JSON in one go: its columns' types are looked up once, not for each value."""
        if not pairs or any(len(key) > NAME_LENGTH_MAX for key, _ in pairs):
            self.write_object(text, pairs)
            return
        text("(SELECT r FROM (SELECT ")
        for index, (key, write) in enumerate(pairs):
            text(", " if index else "")
            write()
            text(f' AS "{key}"')
        text(") r)")

    def _write_wide(self, text: Callable[[str], None], pairs: Pairs) -> None:
        text("CAST('{' || ")
        for index, (key, write) in enumerate(pairs):
            text(f"'{',' if index else ''}\"{key}\":' || coalesce(CAST(to_json(")
            write()
            text(") AS TEXT), 'null') || ")
        text("'}' AS json)")


NOTATIONS: dict[Dialect, Notation] = {Dialect.SQLITE: SqliteNotation(), Dialect.POSTGRES: PostgresNotation()}
