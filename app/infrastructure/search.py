"""Free-text search: which words of a row can be found, on both databases alike.

A table's module says what of its rows is searched::

    EXTRAS = [searched(Customer, "cus", a=("account_number",), b=("name",), c=("email", "phone"))]

``found_by`` is then the condition that a text is found in a row, and ``relevance`` the SQL of how well. Every word of the
text must be the beginning of a word of the row. Signs between words do not count, nor do case and the accents of Latin
letters. Whatever a client sends is words and nothing else: quotes and operators are signs between words.

Each row that is searched has a row in ``search_document``, kept by triggers in the same transaction. On SQLite that is the
content of an FTS5 table. On PostgreSQL it carries a ``tsvector`` with a GIN index led by the organization. Its text search
configuration is ``simple``, because names, numbers and addresses are no language's prose: stems and stop words would lose
them. Accents go by Unicode's own decomposition, as in FTS5's ``remove_diacritics 2``, and not by the extension ``unaccent``,
whose rules turn ß into ss and ø into o, which FTS5 does not.
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.database import RunDialectSQL
from app.infrastructure.conditions import Condition, Writer, all_of, any_of, everything, exists, nothing, quoted
from app.infrastructure.tables import IdentifiedTable, OwnedTable, Table, table_of
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.kernel.permissions import Permission
from app.kernel.texts import words_of

TEXT_LENGTH_MAX = 200
WORDS_MAX = 12
WEIGHTS = ("a", "b", "c", "d")
BEFORE_A_NUMBER = f"{string.ascii_letters} -_/.#0"
Rank = Callable[[Writer, str], str]


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Words of another table's row that ours points to. Only who may see that row finds ours by them."""

    model: type[Table]
    via: str
    columns: tuple[str, ...]
    permission: Permission

    def visible_to(self, actor: Actor) -> Condition:
        """The row that ours points to may be seen. Who sees all of the organization need not look it up."""
        if not actor.holds(self.permission):
            return nothing()
        visible = self.model.visible_to(actor)
        if visible.shape == OwnedTable.visible_to(actor).shape:
            return everything()
        return exists(table_of(self.model), "id", visible, ours=self.via)


@dataclass(frozen=True, slots=True)
class Searched:
    """What of a table is searched: columns by weight, and words borrowed from others, which weigh least."""

    kind: str
    columns: dict[str, tuple[str, ...]]
    numbers: tuple[str, ...]
    borrows: tuple[Borrowed, ...]


SEARCHED: dict[type[IdentifiedTable], Searched] = {}


def words_in(text: str, path: str = "search") -> list[str]:
    """The words to search for, else ``InvalidInput``."""
    words = words_of(text) if len(text) <= TEXT_LENGTH_MAX else []
    if not words:
        raise InvalidInput(f"Search for a word or more, in at most {TEXT_LENGTH_MAX} characters.", path=[path])
    if len(words) > WORDS_MAX:
        raise InvalidInput(f"Search for at most {WORDS_MAX} words at once.", path=[path])
    return words


def found_by(model: type[IdentifiedTable], actor: Actor, text: str) -> Condition:
    """Every word of the text is the beginning of a word of the row, as far as the actor may know its words."""
    searched, words = SEARCHED[model], " ".join(words_in(text))
    anywhere = Matches(searched.kind, actor.organization_id, words)
    known = _open_to(searched, actor)
    if known.shape == everything().shape:
        return anywhere
    return anywhere & any_of(known, Matches(searched.kind, actor.organization_id, words, "abc"))


def relevance(model: type[IdentifiedTable], actor: Actor, text: str) -> Rank:
    """SQL of a whole number that is greater the better a row answers the text, for rows of which ``found_by`` is true."""
    searched, words = SEARCHED[model], " ".join(words_in(text))

    def rank(writer: Writer, alias: str) -> str:
        known = _open_to(searched, actor)
        if known.shape == everything().shape:
            return _rank(writer, alias, words, "abcd")
        return f"(CASE WHEN {known.write(writer, alias)} THEN {_rank(writer, alias, words, 'abcd')} ELSE {_rank(writer, alias, words, 'abc')} END)"

    return rank


def _open_to(searched: Searched, actor: Actor) -> Condition:
    return all_of(*(one.visible_to(actor) for one in searched.borrows))


@dataclass(frozen=True, slots=True)
class Matches(Condition):
    """A row's document has words that begin with each of some words, in columns of some weights."""

    kind: str
    organization_id: str
    words: str
    weights: str = "abcd"

    @property
    def shape(self) -> tuple[Any, ...]:
        return ("matches", self.kind, self.weights)

    def write(self, writer: Writer, alias: str) -> str:
        found = quoted(writer.alias())
        if writer.dialect is Dialect.SQLITE:
            index = quoted(writer.alias())
            phrases = " ".join(f'"{word}"*' for word in self.words.split())
            chosen = f"{{{' '.join(self.weights)}}} : ({phrases})"
            source = (
                f'"search_words" {index} JOIN "search_document" {found} ON {found}."docid" = {index}."rowid" '
                f'WHERE {index}."search_words" MATCH {writer.bind(chosen)} AND '
            )
            mine = f'{found}."organization_id" = {writer.bind(self.organization_id)} AND {found}."kind" = {writer.bind(self.kind)}'
            return f'{quoted(alias)}."id" IN (SELECT {found}."id" FROM {source}{mine})'
        source = f'"search_document" {found} WHERE '
        mine = f'{found}."organization_id" = {writer.bind(self.organization_id)} AND {found}."kind" = {writer.bind(self.kind)}'
        query = f"search_query({writer.bind(self.words)}, {writer.bind(self.weights.upper())})"
        # As an array, because PostgreSQL guesses badly how many rows have a word: else it may walk a whole list in its order
        # and look for the word in each row.
        rows = f'SELECT {found}."id" FROM {source}{mine} AND {found}."words" @@ {query}'
        return f'{quoted(alias)}."id" = ANY (ARRAY({rows}))'


def _rank(writer: Writer, alias: str, words: str, weights: str) -> str:
    found = quoted(writer.alias())
    if writer.dialect is Dialect.SQLITE:
        columns = ", ".join(f"{found}.{quoted(weight)}" for weight in weights)
        value = f"search_rank({writer.bind(words)}, {columns})"
    else:
        counted = f"""ts_filter({found}."words", '{{{",".join(weights)}}}')"""
        value = f"search_rank({counted}, {writer.bind(words)})"
    return f'(SELECT {value} FROM "search_document" {found} WHERE {found}."id" = {quoted(alias)}."id")'


# What the databases keep

# Spelled out instead of asked of PostgreSQL's own parser: that one knows e-mail addresses, paths and hyphenated words, and
# what is a letter depends on the database's locale. No phrases are searched, so every word may stand at place 1.
_POSTGRES_FUNCTIONS = tuple(
    f'CREATE FUNCTION "{name}"({takes}) RETURNS {gives} LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ {body} $$;'
    for name, takes, gives, body in (
        (
            "search_text",
            "text",
            "text",
            # Most texts are ASCII, and for those the short way gives the same in a fraction of the time.
            "SELECT trim(CASE WHEN octet_length($1) = length($1) "
            """THEN regexp_replace(lower($1 COLLATE "C"), '[^a-z0-9]+', ' ', 'g') COLLATE "C" """
            r"ELSE regexp_replace(lower(normalize(regexp_replace(normalize($1, NFD), "
            r"'([a-zA-Z\u00C0-\u024F])[\u0300-\u036F]+', '\1', 'g'), NFC) COLLATE "
            r""""und-x-icu"), '[^[:alnum:]]+', ' ', 'g') COLLATE "C" END)""",
        ),
        (
            "search_vector",
            "text, text",
            "tsvector",
            "SELECT coalesce(string_agg('''' || left(word, 200) || ''':1' || $2, ' '), '')::tsvector "
            "FROM unnest(string_to_array(search_text($1), ' ')) word WHERE word <> ''",
        ),
        (
            "search_query",
            "text, text",
            "tsquery",
            r"SELECT nullif(rtrim(regexp_replace(search_text($1), '(\S+)\s*', '''\1'':*' || $2 || '&', 'g'), '&'), '')"
            "::tsquery",
        ),
        (
            "search_rank",
            "tsvector, text",
            "integer",
            "SELECT coalesce(sum(CASE WHEN $1 @@ (word || ':A')::tsquery THEN 16 "
            "WHEN $1 @@ (word || ':*A|' || word || ':B')::tsquery THEN 8 "
            "WHEN $1 @@ (word || ':*B|' || word || ':C')::tsquery THEN 4 "
            "WHEN $1 @@ (word || ':*C|' || word || ':D')::tsquery THEN 2 "
            "WHEN $1 @@ (word || ':*D')::tsquery THEN 1 ELSE 0 END), 0)::integer "
            "FROM (SELECT '''' || part || '''' FROM regexp_split_to_table(search_text($2), ' ') part) words (word)",
        ),
    )
)
_COLUMNS = '"kind" varchar(16) NOT NULL, "organization_id" varchar(64) NOT NULL, ' + ", ".join(
    f'"{weight}" text NOT NULL' for weight in WEIGHTS
)
_OLD, _NEW = (", ".join(f'{row}."{weight}"' for weight in WEIGHTS) for row in ("OLD", "NEW"))
_WORDS = ", ".join(f'"{weight}"' for weight in WEIGHTS)
_FORGET = f"""INSERT INTO "search_words" ("search_words", "rowid", {_WORDS}) VALUES ('delete', OLD."docid", {_OLD});"""
_LEARN = f'INSERT INTO "search_words" ("rowid", {_WORDS}) VALUES (NEW."docid", {_NEW});'

DOCUMENTS = RunDialectSQL(
    {
        "sqlite": [
            # Its own number, because VACUUM may give other rows' hidden numbers anew.
            f'CREATE TABLE "search_document" ("docid" integer PRIMARY KEY, "id" varchar(64) NOT NULL UNIQUE, {_COLUMNS});',
            f'CREATE VIRTUAL TABLE "search_words" USING fts5({_WORDS}, '
            "content='search_document', content_rowid='docid', "
            "tokenize='unicode61 remove_diacritics 2', prefix='1 2 3');",
            f'CREATE TRIGGER "search_document_insert" AFTER INSERT ON "search_document" BEGIN {_LEARN} END;',
            f'CREATE TRIGGER "search_document_update" AFTER UPDATE ON "search_document" BEGIN {_FORGET} {_LEARN} END;',
            f'CREATE TRIGGER "search_document_delete" AFTER DELETE ON "search_document" BEGIN {_FORGET} END;',
        ],
        "postgres": [
            "CREATE EXTENSION IF NOT EXISTS btree_gin;",
            *_POSTGRES_FUNCTIONS,
            f'CREATE TABLE "search_document" ("id" varchar(64) PRIMARY KEY, {_COLUMNS}, "words" tsvector '
            "GENERATED ALWAYS AS ("
            + " || ".join(f"""search_vector("{weight}", '{weight.upper()}')""" for weight in WEIGHTS)
            + ") STORED);",
            'CREATE INDEX "search_document_words" ON "search_document" USING gin ("organization_id", "kind", "words");',
        ],
    },
    {
        "sqlite": ['DROP TABLE "search_words";', 'DROP TABLE "search_document";'],
        "postgres": [
            'DROP TABLE "search_document";',
            'DROP FUNCTION "search_rank"(tsvector, text);',
            'DROP FUNCTION "search_query"(text, text);',
            'DROP FUNCTION "search_vector"(text, text);',
            'DROP FUNCTION "search_text"(text);',
        ],
    },
    name="search_documents",
)


def searched(
    model: type[Table],
    *,
    a: Sequence[str] = (),
    b: Sequence[str] = (),
    c: Sequence[str] = (),
    numbers: Sequence[str] = (),
    borrows: Sequence[Borrowed] = (),
) -> RunDialectSQL:
    """Make a table's columns searchable, ``a`` weighing most; what keeps their words goes into the module's ``EXTRAS``.

    Of ``numbers``, such as WO-000123, what follows the first zeros can be searched too.
    """
    columns = {"a": tuple(a), "b": tuple(b), "c": tuple(c)}
    if hidden := set(model.encrypted) & {name for names in columns.values() for name in names}:
        raise TypeError(f"{model.__name__} cannot be searched by what is encrypted: {sorted(hidden)}")
    SEARCHED[model] = Searched(model.prefix, columns, tuple(numbers), tuple(borrows))
    table, own = table_of(model), list(dict.fromkeys([*a, *b, *c, *(one.via for one in borrows)]))
    keep = _keep(model, 'r."id" = NEW."id"')
    forget = 'DELETE FROM "search_document" WHERE "id" = OLD."id";'
    kept = [
        _Trigger(f"{table}_searched", table, "AFTER INSERT", keep),
        _Trigger(f"{table}_searched_anew", table, f"AFTER UPDATE OF {_names(own)}", keep),
        _Trigger(f"{table}_not_searched", table, "AFTER DELETE", forget),
    ]
    for one in borrows:
        lender, theirs = table_of(one.model), _keep(model, f'r.{quoted(one.via)} = NEW."id"')
        kept.append(_Trigger(f"{table}_searched_by_{lender}", lender, f"AFTER UPDATE OF {_names(one.columns)}", theirs))
    every, gone = _keep(model, "1 = 1"), f'DELETE FROM "search_document" WHERE "kind" = \'{model.prefix}\';'
    return RunDialectSQL(
        {
            "sqlite": [*(one.sqlite for one in kept), every],
            "postgres": [*(sql for one in kept for sql in one.postgres), every],
        },
        {
            "sqlite": [*(f'DROP TRIGGER "{one.name}";' for one in kept), gone],
            "postgres": [*(sql for one in kept for sql in one.postgres_reverse), gone],
        },
        name=f"{table}_search",
    )


@dataclass(frozen=True, slots=True)
class _Trigger:
    """One statement that follows a change of a row, in both databases' ways of saying so."""

    name: str
    table: str
    when: str
    statement: str

    @property
    def sqlite(self) -> str:
        return f'CREATE TRIGGER "{self.name}" {self.when} ON "{self.table}" BEGIN {self.statement} END;'

    @property
    def postgres(self) -> list[str]:
        return [
            f'CREATE FUNCTION "{self.name}"() RETURNS trigger LANGUAGE plpgsql AS $$ '
            f"BEGIN {self.statement} RETURN NULL; END $$;",
            f'CREATE TRIGGER "{self.name}" {self.when} ON "{self.table}" FOR EACH ROW EXECUTE FUNCTION "{self.name}"();',
        ]

    @property
    def postgres_reverse(self) -> list[str]:
        return [f'DROP TRIGGER "{self.name}" ON "{self.table}";', f'DROP FUNCTION "{self.name}"();']


def _keep(model: type[Table], of_rows: str) -> str:
    """The statement that writes the documents of some rows, called ``r``."""
    searched = SEARCHED[model]
    cells = {weight: [f"r.{quoted(name)}" for name in names] for weight, names in searched.columns.items()}
    cells["a"] += [f"ltrim(r.{quoted(name)}, '{BEFORE_A_NUMBER}')" for name in searched.numbers]
    texts = [_joined(cells[weight]) for weight in "abc"]
    lent, joins = [], ""
    for number, one in enumerate(searched.borrows):
        lent += [f"p{number}.{quoted(name)}" for name in one.columns]
        joins += f' LEFT JOIN "{table_of(one.model)}" p{number} ON p{number}."id" = r.{quoted(one.via)}'
    return (
        'INSERT INTO "search_document" ("id", "kind", "organization_id", "a", "b", "c", "d") '
        f'SELECT r."id", \'{searched.kind}\', r."organization_id", {", ".join([*texts, _joined(lent)])} '
        f'FROM "{table_of(model)}" r{joins} WHERE {of_rows} '
        'ON CONFLICT ("id") DO UPDATE SET "a" = excluded."a", "b" = excluded."b", "c" = excluded."c", "d" = excluded."d";'
    )


def _joined(cells: Sequence[str]) -> str:
    return " || ' ' || ".join(f"coalesce({cell}, '')" for cell in cells) or "''"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(quoted(column) for column in columns)
