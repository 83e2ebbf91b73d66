"""What is said of all rows of a list: rows counted by a value or by time, and sums, averages and extremes.

Each facet is a sub-query that groups the list's rows; the rows of its values are pages of the same list, each narrowed
to one value. Decimals are added as whole numbers of their smallest place, because SQLite would add them as floats.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import orjson

from app.infrastructure.conditions import Writer, quoted
from app.kernel.calendar import day_bounds, zone
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.kernel.pages import PAGE_SIZE_MAX, page_of
from schema.kit.declarations import TOTALS_PLACES, Readable
from schema.kit.kinds import Kind
from schema.kit.reading.notation import Write
from schema.kit.reading.selection import ConnectionPart, Pick, Selection
from schema.kit.summaries import PERIODS_MAX, Facet, FacetRows, Measure, Period, Timeline

if TYPE_CHECKING:
    from schema.kit.reading.statement import Builder, Request, Window

# Nulls whose type PostgreSQL knows.
NO_BOOLEAN = "NULLIF(FALSE, FALSE)"
NO_TEXT = "NULLIF('', '')"


@dataclass(frozen=True, slots=True)
class Scope:
    """A list: whose rows they are, how they hang on what is around them, and which of them are wanted.

    ``joins`` writes the condition that ties a row of that alias to what is around it, and ``AND``.
    """

    target: Readable
    joins: Callable[[str], None]
    window: "Callable[[Request], Window]"
    within_facet: bool = False


def write_summary(builder: "Builder", part: ConnectionPart, scope: Scope, keys: tuple[str, ...]) -> None:
    """A list's facets or its aggregate, as a JSON object."""
    assert part.summary is not None
    if part.name == "aggregate":
        _write_aggregate(builder, part.summary, scope, keys)
        return
    facets = part.summary.picks
    builder.pairs([(one.key, partial(_write_facet, builder, one, scope, (*keys, one.key))) for one in facets])


def _write_facet(builder: "Builder", pick: Pick, scope: Scope, keys: tuple[str, ...]) -> None:
    declaration = pick.declaration
    if declaration is None:
        builder.text(builder.notation.literal(pick.literal))
        return
    assert isinstance(declaration, Facet | Timeline)
    parent = declaration.parent if isinstance(declaration, Facet) else None
    if builder.refuses(declaration, parent, pick, keys):
        builder.text(builder.notation.null)
    elif isinstance(declaration, Timeline):
        _Times(builder, pick, declaration, scope).write()
    else:
        _Values(builder, pick, declaration, scope, keys).write()


def _asked(pick: Pick, *names: str) -> bool:
    """Whether something of these names is asked for below a pick."""
    assert pick.selection is not None
    return any(
        one.name in names or (one.name == "values" and one.selection is not None and _asked(one, *names))
        for one in pick.selection.picks
    )


@dataclass(slots=True)
class _Counted:
    """The parts that a facet and a timeline share: ``v`` is the alias of the sub-query that has a row for each value."""

    builder: "Builder"
    pick: Pick
    v: str

    def object(self, value: Callable[[Pick], Write], other: Write) -> None:
        """The facet itself: an array of its values, and how many rows have others."""
        assert self.pick.selection is not None
        self.builder.pairs([(one.key, self._part(one, value, other)) for one in self.pick.selection.picks])

    def _part(self, one: Pick, value: Callable[[Pick], Write], other: Write) -> Write:
        if one.name == "values" and one.selection is not None:
            values = one.selection
            return lambda: self.builder.collected(
                lambda: self.builder.pairs([(part.key, value(part)) for part in values.picks])
            )
        if one.name == "otherCount":
            return other
        return self.fixed(self.builder.notation.literal(one.literal))

    def fixed(self, text: str) -> Write:
        """A text, when its time has come."""
        return lambda: self.builder.text(text)

    def cell(self, kind: Kind, column: str) -> Write:
        """A column of ``v``."""
        return self.fixed(self.builder.notation.value(kind, f"{quoted(self.v)}.{column}"))


class _Values:
    """A facet: ``v`` has the columns raw (as stored), value, label, n (how many rows) and total (of all values)."""

    def __init__(self, builder: "Builder", pick: Pick, facet: Facet, scope: Scope, keys: tuple[str, ...]) -> None:
        self.builder, self.pick, self.facet, self.scope, self.keys = builder, pick, facet, scope, keys
        self.v = builder.alias()
        self.counted = _Counted(builder, pick, self.v)

    def write(self) -> None:
        """The facet."""
        text, v = self.builder.text, quoted(self.v)
        others = self.builder.notation.value(Kind.NUMBER, f"coalesce(max({v}.total) - sum({v}.n), 0)")
        text("(SELECT ")
        self.counted.object(self._value, self.counted.fixed(others))
        if _asked(self.pick, "values", "otherCount"):
            text(" FROM (")
            if self.facet.words:
                self._words()
            elif self.facet.parent is not None:
                self._parents(self.facet.parent)
            else:
                self._texts()
            text(f") {v}")
        text(")")

    def _value(self, part: Pick) -> Write:
        if isinstance(part.declaration, FacetRows):
            return lambda: self._rows(part)
        if part.name == "count":
            return self.counted.cell(Kind.NUMBER, "n")
        if part.name in ("value", "label"):
            return self.counted.cell(Kind.TEXT, part.name)
        return self.counted.fixed(self.builder.notation.literal(part.literal))

    # Where the values come from

    def _words(self) -> None:
        """All words that there are, in their own order, each with its count."""
        text, w, g = self.builder.text, quoted(self.builder.alias()), quoted(self.builder.alias())
        counts = _asked(self.pick, "count", "otherCount", "rows")
        n = f"coalesce({g}.n, 0)" if counts else "0"
        text(
            f"SELECT {w}.raw, {w}.value, {w}.label, {n} AS n, {'0' if not counts else f'sum({n}) OVER ()'} AS total FROM ("
        )
        text(" UNION ALL ".join(_word(rank, word, self.facet.kind) for rank, word in enumerate(self.facet.words)))
        if self.facet.nullable:
            nothing = NO_BOOLEAN if self.facet.kind is Kind.BOOLEAN else NO_TEXT
            text(f" UNION ALL SELECT {len(self.facet.words)}, {nothing}, CAST(NULL AS TEXT), CAST(NULL AS TEXT)")
        text(f") {w}")
        if counts:
            text(" LEFT JOIN (")
            self._groups()
            text(f") {g} ON {g}.raw = {w}.raw OR ({g}.raw IS NULL AND {w}.raw IS NULL)")
        text(f" ORDER BY {w}.rank LIMIT {PAGE_SIZE_MAX}")

    def _groups(self) -> None:
        """The list's rows, grouped."""
        inner = self.builder.alias()
        cell = f"{quoted(inner)}.{quoted(self.facet.column)}"
        self.builder.text(f"SELECT {cell} AS raw, count(*) AS n")
        self.builder.matching(self.scope, inner)
        self.builder.text(f" GROUP BY {cell}")

    def _texts(self) -> None:
        """The texts that most rows have."""
        text, g = self.builder.text, quoted(self.builder.alias())
        text(f"SELECT {g}.raw, {g}.raw AS value, {g}.raw AS label, {g}.n, sum({g}.n) OVER () AS total FROM (")
        self._groups()
        text(f") {g} ORDER BY {g}.n DESC, {g}.raw IS NULL, {g}.raw")
        self._limit()

    def _parents(self, parent: Readable) -> None:
        """The rows of theirs that most rows of ours point to. Those that the actor may not see are as if not there."""
        text, g, p = self.builder.text, quoted(self.builder.alias()), self.builder.alias()
        id, label = f'{quoted(p)}."id"', f"{quoted(p)}.{quoted(self.facet.label)}"
        n = f"CAST(sum({g}.n) AS bigint)"
        text(f"SELECT {id} AS raw, {id} AS value, {label} AS label, {n} AS n, sum({n}) OVER () AS total FROM (")
        self._groups()
        text(f") {g} LEFT JOIN {parent.table} {quoted(p)} ON {id} = {g}.raw AND ")
        self.builder.visible(parent.model, p)
        text(f" GROUP BY {id}, {label} ORDER BY {n} DESC, {id} IS NULL, {id}")
        self._limit()

    def _limit(self) -> None:
        def limit(request: "Request", writer: Writer) -> str:
            return f" LIMIT {page_of(self.pick.arguments(request.variables).get('first')).size:d}"

        self.builder.gap(limit)

    # The rows of a value

    def _rows(self, part: Pick) -> None:
        """A page of the rows that have the value."""
        text, v = self.builder.text, quoted(self.v)
        if not self.facet.nullable and not self._spells_out:
            self._page(part, lambda alias: self._having(alias, f"{v}.raw"))
            return
        text("CASE")
        if self.facet.nullable:
            text(f" WHEN {v}.raw IS NULL THEN ")
            self._page(part, self._without)
        for word in self.facet.words if self._spells_out else ():
            text(f" WHEN {v}.value = '{word}' THEN ")
            self._page(part, partial(self._having, value=_literal(word, self.facet.kind)))
        if not self._spells_out:
            text(" ELSE ")
            self._page(part, lambda alias: self._having(alias, f"{v}.raw"))
        text(" END")

    @property
    def _spells_out(self) -> bool:
        """Whether each word has a page of its own in the text. The database then knows how many rows have the word, and
        picks the right index for it: one for most rows, another for few. Within other facets that would be too much text.
        """
        return bool(self.facet.words) and not self.scope.within_facet

    def _page(self, part: Pick, narrowed: Callable[[str], None]) -> None:
        assert part.connection is not None

        def joins(alias: str) -> None:
            # Where there is nothing, nothing is looked for.
            self.builder.text(f"{quoted(self.v)}.n > 0 AND ")
            self.scope.joins(alias)
            narrowed(alias)

        scope = Scope(self.scope.target, joins, lambda request: request.window(part), within_facet=True)
        self.builder.connection(part.connection, scope, (*self.keys, *_path(self.pick, part)))

    def _having(self, alias: str, value: str) -> None:
        self.builder.text(f"{quoted(alias)}.{quoted(self.facet.column)} = {value} AND ")

    def _without(self, alias: str) -> None:
        cell = f"{quoted(alias)}.{quoted(self.facet.column)}"
        if self.facet.parent is None:
            self.builder.text(f"{cell} IS NULL AND ")
            return
        p = self.builder.alias()
        self.builder.text(
            f'NOT EXISTS (SELECT 1 FROM {self.facet.parent.table} {quoted(p)} WHERE {quoted(p)}."id" = {cell} AND '
        )
        self.builder.visible(self.facet.parent.model, p)
        self.builder.text(") AND ")


def _literal(word: str, kind: Kind) -> str:
    """A word of ours as it is stored."""
    return word.upper() if kind is Kind.BOOLEAN else f"'{word}'"


def _path(facet: Pick, part: Pick) -> tuple[str, ...]:
    """The keys from a facet to the rows of its values."""
    assert facet.selection is not None
    values = next(one for one in facet.selection.picks if one.selection is not None and part in one.selection.picks)
    return (values.key, part.key)


def _word(rank: int, word: str, kind: Kind) -> str:
    """One word of ours as a row; its first row names the columns."""
    raw = _literal(word, kind)
    label = word.replace("_", " ").capitalize()
    return f"SELECT {rank} AS rank, {raw} AS raw, '{word}' AS value, '{label}' AS label"


# By time


class _Times:
    """A timeline: ``v`` has the columns value, starts_at, ends_at and n, a row for each step of time."""

    def __init__(self, builder: "Builder", pick: Pick, timeline: Timeline, scope: Scope) -> None:
        self.builder, self.pick, self.timeline, self.scope = builder, pick, timeline, scope
        self.v = builder.alias()
        self.counted = _Counted(builder, pick, self.v)

    def steps(self, request: "Request") -> "Steps":
        """The steps of time that the arguments ask for."""
        given = self.pick.arguments(request.variables)
        per = given["per"]
        return steps_between(
            given["from"], given["until"], Period(per.value if isinstance(per, Enum) else per), given["timeZone"]
        )

    def write(self) -> None:
        """The timeline."""
        builder = self.builder
        builder.text("(SELECT ")
        self.counted.object(self._value, self._others)
        if _asked(self.pick, "values"):
            c, g = quoted(builder.alias()), quoted(builder.alias())
            builder.text(f" FROM (SELECT {c}.value, {c}.starts_at, {c}.ends_at, coalesce({g}.n, 0) AS n FROM (")
            builder.gap(lambda request, writer: _calendar(self.steps(request), writer))
            builder.text(f") {c} LEFT JOIN (")
            self._groups()
            builder.text(f") {g} ON {g}.step = {c}.step ORDER BY {c}.value LIMIT {PERIODS_MAX}) {quoted(self.v)}")
        builder.text(")")

    def _value(self, part: Pick) -> Write:
        columns = {"value": "value", "startsAt": "starts_at", "endsAt": "ends_at"}
        if part.name == "count":
            return self.counted.cell(Kind.NUMBER, "n")
        if part.name in columns:
            return self.counted.cell(Kind.TEXT, columns[part.name])
        return self.counted.fixed(self.builder.notation.literal(part.literal))

    def _groups(self) -> None:
        inner = self.builder.alias()
        cell = f"{quoted(inner)}.{quoted(self.timeline.column)}"
        self.builder.text("SELECT ")
        self.builder.gap(lambda request, writer: _step_of(cell, self.steps(request), writer))
        self.builder.text(" AS step, count(*) AS n")
        self.builder.matching(self.scope, inner)
        self.builder.gap(lambda request, writer: f" AND {_within(cell, self.steps(request), writer)}")
        self.builder.text(" GROUP BY 1")

    def _others(self) -> None:
        before, after = self.builder.notation.value(Kind.NUMBER, "\0").split("\0")
        inner = self.builder.alias()
        cell = f"{quoted(inner)}.{quoted(self.timeline.column)}"
        self.builder.text(f"{before}(SELECT count(*)")
        self.builder.matching(self.scope, inner)
        self.builder.gap(lambda request, writer: f" AND ({_within(cell, self.steps(request), writer)}) IS NOT TRUE")
        self.builder.text(f"){after}")


@dataclass(frozen=True, slots=True)
class Steps:
    """A span of time in steps: for each its first day and its bounds, and where the clocks change on the way."""

    per: Period
    days: tuple[date, ...]
    bounds: tuple[datetime, ...]
    shifts: tuple[tuple[datetime, int], ...]
    """Up to each moment, and at last for all times, how many seconds the clocks are ahead of UTC."""

    def key(self, index: int) -> str:
        """The first day of the whole step, of which the first may be cut short."""
        return _first_day(self.days[index], self.per).isoformat()


def steps_between(first: date, until: date, per: Period, time_zone: str) -> Steps:
    """The steps from the first day to the one before ``until``."""
    tz = zone(time_zone)
    if not first < until:
        raise InvalidInput("The span ends after it begins.", path=["until"])
    day, days = first, list[date]()
    while day < until:
        if len(days) == PERIODS_MAX:
            raise InvalidInput(f"A timeline has at most {PERIODS_MAX} steps: ask for longer ones.", path=["until"])
        days.append(day)
        day = _next(day, per)
    bounds = tuple(day_bounds(one, tz, "from")[0] for one in (*days, until))
    return Steps(per, tuple(days), bounds, _shifts(tz, bounds[0], bounds[-1]))


def _first_day(day: date, per: Period) -> date:
    if per is Period.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if per is Period.MONTH else day


def _next(day: date, per: Period) -> date:
    try:
        if per is Period.MONTH:
            return (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        return _first_day(day, per) + timedelta(days=7 if per is Period.WEEK else 1)
    except OverflowError:
        raise InvalidInput("There are no such days.", path=["until"]) from None


@lru_cache(maxsize=256)
def _shifts(tz: ZoneInfo, start: datetime, end: datetime) -> tuple[tuple[datetime, int], ...]:
    found = []
    moment = start
    while moment < end:
        following = min(moment + timedelta(days=1), end)
        if _ahead(following, tz) != _ahead(moment, tz):
            low, high = moment, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
                low, high = (middle, high) if _ahead(middle, tz) == _ahead(moment, tz) else (low, middle)
            found.append((high, _ahead(moment, tz)))
        moment = following
    return (*found, (end, _ahead(end - timedelta(seconds=1), tz)))


def _ahead(moment: datetime, tz: ZoneInfo) -> int:
    offset = moment.astimezone(tz).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def _calendar(steps: Steps, writer: Writer) -> str:
    """The steps as rows: step (what rows are grouped by), value, starts_at and ends_at."""
    shown = [moment.astimezone(UTC).isoformat() for moment in steps.bounds]
    sqlite = writer.dialect is Dialect.SQLITE
    rows = [
        [steps.key(index) if sqlite else index + 1, day.isoformat(), shown[index], shown[index + 1]]
        for index, day in enumerate(steps.days)
    ]
    mark = writer.bind(orjson.dumps(rows).decode())
    if sqlite:
        names = ("step", "value", "starts_at", "ends_at")
        cells = ", ".join(f"json_extract(j.value, '$[{index}]') AS {name}" for index, name in enumerate(names))
        return f"SELECT {cells} FROM json_each({mark}) j"
    return (
        "SELECT CAST(j.e->>0 AS integer) AS step, j.e->>1 AS value, j.e->>2 AS starts_at, j.e->>3 AS ends_at "
        f"FROM json_array_elements(CAST(CAST({mark} AS text) AS json)) j(e)"
    )


def _step_of(cell: str, steps: Steps, writer: Writer) -> str:
    """In which step a moment lies. SQLite knows no time zones, so it is told how the clocks are set."""
    if writer.dialect is Dialect.POSTGRES:
        bounds = "{" + ",".join(moment.isoformat() for moment in steps.bounds) + "}"
        return f"width_bucket({cell}, CAST(CAST({writer.bind(bounds)} AS text) AS timestamptz[]))"
    *changes, (_, last) = steps.shifts
    ahead = f"'{last} seconds'"
    if changes:
        arms = " ".join(f"WHEN {cell} < {writer.bind(moment)} THEN '{seconds} seconds'" for moment, seconds in changes)
        ahead = f"CASE {arms} ELSE {ahead} END"
    whole = {Period.DAY: "", Period.WEEK: ", '-6 days', 'weekday 1'", Period.MONTH: ", 'start of month'"}[steps.per]
    return f"date({cell}, {ahead}{whole})"


def _within(cell: str, steps: Steps, writer: Writer) -> str:
    return f"{cell} >= {writer.bind(steps.bounds[0])} AND {cell} < {writer.bind(steps.bounds[-1])}"


# Sums, averages and extremes


def _write_aggregate(builder: "Builder", selection: Selection, scope: Scope, keys: tuple[str, ...]) -> None:
    """The figures: the rows are read once, in a sub-query that has a column for each value that is needed."""
    inner, a = builder.alias(), quoted(builder.alias())
    wanted: dict[str, str] = {"n": "count(*)"}

    def part(pick: Pick) -> Write:
        if pick.name == "count":
            return lambda: builder.text(builder.notation.value(Kind.NUMBER, f"{a}.n"))
        if pick.selection is None:
            return lambda: builder.text(builder.notation.literal(pick.literal))
        figures = [(one.key, figure(pick.name, one, (*keys, pick.key, one.key))) for one in pick.selection.picks]
        return lambda: builder.pairs(figures)

    def figure(operation: str, pick: Pick, at: tuple[str, ...]) -> Write:
        measure = pick.declaration
        if not isinstance(measure, Measure):
            return lambda: builder.text(builder.notation.literal(pick.literal))
        if builder.refuses(measure, None, pick, at):
            return lambda: builder.text(builder.notation.null)
        shown = _figure(operation, measure, f"{quoted(inner)}.{quoted(measure.column)}", a, builder, wanted)
        return lambda: builder.text(shown)

    pairs = [(pick.key, part(pick)) for pick in selection.picks]
    builder.text("(SELECT ")
    builder.pairs(pairs)
    builder.text(" FROM (SELECT " + ", ".join(f"{sql} AS {name}" for name, sql in wanted.items()))
    builder.matching(scope, inner)
    builder.text(f") {a})")


def _figure(operation: str, measure: Measure, cell: str, a: str, builder: "Builder", wanted: dict[str, str]) -> str:
    """The JSON of a figure; what it is made of is put among the columns that are wanted."""
    whole = _whole(cell, measure, builder.dialect) if measure.kind is Kind.DECIMAL else cell
    function = "sum" if operation == "average" else operation
    name = f"{function}_{measure.column}"
    wanted[name] = f"{function}({whole})"
    found = f"{a}.{name}"
    if operation == "average":
        count = f"count_{measure.column}"
        wanted[count] = f"count({cell})"
        return _exact(
            _rounded(found, f"{a}.{count}", TOTALS_PLACES - measure.places, builder.dialect),
            TOTALS_PLACES,
            measure.kind,
            builder,
        )
    if measure.kind is Kind.DECIMAL:
        return _exact(found, measure.places, measure.kind, builder)
    return builder.notation.value(measure.kind, found)


def _whole(cell: str, measure: Measure, dialect: Dialect) -> str:
    """A decimal as a whole number of its smallest place."""
    if dialect is Dialect.POSTGRES:
        return f"({cell} * {10**measure.places})"
    after = f"CASE instr({cell}, '.') WHEN 0 THEN 0 ELSE length({cell}) - instr({cell}, '.') END"
    return f"CAST(replace({cell}, '.', '') || substr('{'0' * measure.places}', 1 + {after}) AS INTEGER)"


def _rounded(total: str, count: str, places: int, dialect: Dialect) -> str:
    """A whole number: the average with so many more places, rounded half away from zero. Null of none."""
    scaled = f"(CAST({total} AS {'numeric' if dialect is Dialect.POSTGRES else 'INTEGER'}) * {10**places})"
    if dialect is Dialect.POSTGRES:
        return f"(sign({scaled}) * div(2 * abs({scaled}) + {count}, NULLIF(2 * {count}, 0)))"
    return f"((CASE WHEN {total} < 0 THEN -1 ELSE 1 END) * ((2 * abs({scaled}) + {count}) / NULLIF(2 * {count}, 0)))"


def _exact(whole: str, places: int, kind: Kind, builder: "Builder") -> str:
    """The JSON of a whole number of the smallest place: text for a decimal, else a number."""
    if builder.dialect is Dialect.POSTGRES:
        number = f"trim_scale({whole} * {Decimal(1).scaleb(-places)})"
        return f"CAST({number} AS text)" if kind is Kind.DECIMAL else number
    sign = f"CASE WHEN {whole} < 0 THEN '-' ELSE '' END"
    digits = f"printf('%s%d.%0{places}d', {sign}, abs({whole}) / {10**places}, abs({whole}) % {10**places})"
    text = f"CASE WHEN {whole} IS NOT NULL THEN rtrim(rtrim({digits}, '0'), '.') END"
    return f"json_quote({text})" if kind is Kind.DECIMAL else f"coalesce({text}, 'null')"
