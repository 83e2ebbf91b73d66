"""SQL expressions that types use again and again: counts, existence and sums over rows that point here."""

from app.infrastructure.conditions import Writer, quoted
from app.kernel.actor import Actor
from schema.kit.declarations import Sql, Where, condition_of


def count_of(table: str, theirs: str, where: Where | None = None, *, ours: str = "id") -> Sql:
    """How many rows of a table point here with their column ``theirs``."""
    return lambda writer, alias, actor: _select(writer, alias, actor, "count(*)", table, theirs, where, ours)


def sum_of(table: str, theirs: str, column: str, where: Where | None = None, *, ours: str = "id") -> Sql:
    """The sum of a column over the rows of a table that point here; 0 of none."""
    summed = f"coalesce(sum({{inner}}.{quoted(column)}), 0)"
    return lambda writer, alias, actor: _select(writer, alias, actor, summed, table, theirs, where, ours)


def exists_in(table: str, theirs: str, where: Where | None = None, *, ours: str = "id") -> Sql:
    """Whether a row of a table points here."""

    def write(writer: Writer, alias: str, actor: Actor) -> str:
        return f"EXISTS {_select(writer, alias, actor, '1', table, theirs, where, ours)}"

    return write


def _select(
    writer: Writer, alias: str, actor: Actor, value: str, table: str, theirs: str, where: Where | None, ours: str
) -> str:
    inner = writer.alias()
    text = f"(SELECT {value.replace('{inner}', quoted(inner))} FROM {quoted(table)} {quoted(inner)} WHERE "
    text += f"{quoted(inner)}.{quoted(theirs)} = {quoted(alias)}.{quoted(ours)}"
    condition = condition_of(where, actor)
    return f"{text}{'' if condition is None else ' AND ' + condition.write(writer, inner)})"
