"""What was released breaks only where the changelog says so, and what is to go is said early enough."""

from datetime import date
from pathlib import Path

import pytest
from graphql import build_schema

from app.kernel.errors import ConfigurationError
from schema import stability
from schema.kit.execution import core_of
from schema.schema import api
from schema.stability import Changelog, read_changelog

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2027, 6, 1)
SILENT = "# Changelog\n\n## 0.2.0 (unreleased)\n\n- `Site.zip` looks better.\n\n## 0.1.0 (2027-01-01)\n\n- All.\n"
RELEASED = """
  directive @hot(much: Int) repeatable on FIELD | QUERY
  scalar Moment
  interface Named { name: String! }
  interface Aged { age: Int }
  enum Color { RED GREEN }
  union Thing = Site | Van
  type Site implements Named & Aged { name: String! age: Int color(dark: Boolean, deep: Int = 3): Color }
  type Van implements Named { name: String! built: Moment }
  input Wanted { name: String, size: Int = 1 }
  type Query { site(id: ID!, wanted: Wanted): Site things: [Thing!]! van: Van }
"""
EVERY_BREAK = {
    "TYPE_REMOVED": ("van: Van }", "}", "type Van implements Named { name: String! built: Moment }", "", "= Site | Van", "= Site"),
    "TYPE_CHANGED_KIND": ("scalar Moment", "enum Moment { NOW }"),
    "TYPE_REMOVED_FROM_UNION": ("Site | Van", "Site"),
    "VALUE_REMOVED_FROM_ENUM": ("RED GREEN", "RED"),
    "REQUIRED_INPUT_FIELD_ADDED": ("{ name: String, size", "{ name: String, must: Int!, size"),
    "IMPLEMENTED_INTERFACE_REMOVED": ("Named & Aged", "Named"),
    "FIELD_REMOVED": ("age: Int color", "color", "Named & Aged", "Named"),
    "FIELD_CHANGED_KIND": ("built: Moment", "built: String"),
    "INPUT_FIELD_REMOVED": (", size: Int = 1", ""),
    "REQUIRED_ARG_ADDED": ("color(dark", "color(must: Int!, dark"),
    "ARG_REMOVED": ("color(dark: Boolean, deep", "color(deep"),
    "ARG_CHANGED_KIND": ("dark: Boolean", "dark: Boolean!"),
    "DIRECTIVE_REMOVED": ("directive @hot(much: Int) repeatable on FIELD | QUERY", ""),
    "DIRECTIVE_ARG_REMOVED": ("@hot(much: Int)", "@hot"),
    "REQUIRED_DIRECTIVE_ARG_ADDED": ("@hot(much: Int)", "@hot(much: Int, must: Int!)"),
    "DIRECTIVE_REPEATABLE_REMOVED": (" repeatable", ""),
    "DIRECTIVE_LOCATION_REMOVED": ("FIELD | QUERY", "FIELD"),
    "BECAME_ONE_OF": ("input Wanted { name: String, size: Int = 1 }", "input Wanted @oneOf { name: String, size: Int }"),
}  # fmt: skip
PLACES = {
    "TYPE_REMOVED": {"Van", "Query.van", "Thing", "Moment"},
    "TYPE_CHANGED_KIND": {"Moment"},
    "TYPE_REMOVED_FROM_UNION": {"Thing"},
    "VALUE_REMOVED_FROM_ENUM": {"Color.GREEN"},
    "REQUIRED_INPUT_FIELD_ADDED": {"Wanted.must"},
    "IMPLEMENTED_INTERFACE_REMOVED": {"Site"},
    "FIELD_REMOVED": {"Site.age", "Site"},
    "FIELD_CHANGED_KIND": {"Van.built"},
    "INPUT_FIELD_REMOVED": {"Wanted.size"},
    "REQUIRED_ARG_ADDED": {"Site.color(must:)"},
    "ARG_REMOVED": {"Site.color(dark:)"},
    "ARG_CHANGED_KIND": {"Site.color(dark:)"},
    "DIRECTIVE_REMOVED": {"@hot"},
    "DIRECTIVE_ARG_REMOVED": {"@hot(much:)"},
    "REQUIRED_DIRECTIVE_ARG_ADDED": {"@hot(must:)"},
    "DIRECTIVE_REPEATABLE_REMOVED": {"@hot"},
    "DIRECTIVE_LOCATION_REMOVED": {"@hot"},
    "BECAME_ONE_OF": {"Wanted"},
}


def changed(*words: str, text: str = RELEASED) -> str:
    """The schema with some words in place of others."""
    for old, new in zip(words[::2], words[1::2], strict=True):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def untold(old: str, new: str, changelog: str = SILENT, today: date = TODAY) -> set[str]:
    """The places of breaking changes that the changelog does not name."""
    found = stability.unannounced(build_schema(old), build_schema(new), read_changelog(changelog), today)
    return {one.place for one in found}


@pytest.mark.parametrize("kind", EVERY_BREAK)
def test_a_breaking_change_is_refused_until_the_changelog_names_it(kind: str) -> None:
    now = changed(*EVERY_BREAK[kind])
    if kind == "TYPE_REMOVED":
        now = now.replace("scalar Moment\n", "")
    assert untold(RELEASED, now) == PLACES[kind]
    named = SILENT.replace("- `Site.zip`", "**Breaking**\n\n" + "".join(f"- `{one}`\n" for one in PLACES[kind]) + "- x")
    assert untold(RELEASED, now, named) == set()


def test_every_kind_of_breaking_change_that_there_is_is_tried() -> None:
    assert {one.name for one in stability.BreakingChangeType} <= set(EVERY_BREAK)


def test_only_the_newest_version_announces_what_breaks_now() -> None:
    now = changed(*EVERY_BREAK["VALUE_REMOVED_FROM_ENUM"])
    old_news = SILENT.replace("- All.", "**Breaking**\n\n- `Color.GREEN` is gone.")
    other_heading = SILENT.replace("- `Site.zip`", "**Added**\n\n- `Color.GREEN`")
    assert untold(RELEASED, now, old_news) == untold(RELEASED, now, other_heading) == {"Color.GREEN"}


@pytest.mark.parametrize(
    "words",
    [
        ("RED GREEN", "RED GREEN BLUE"),
        ("age: Int color", "age: Int! weight: Float color"),
        ("dark: Boolean,", "dark: Boolean, light: Boolean,"),
        ("{ name: String, size", "{ name: String, may: Int, size"),
        ("van: Van }", "van: Van, more: String }"),
        ("id: ID!, wanted", "id: ID, wanted"),
        (" on FIELD | QUERY", " on FIELD | QUERY | MUTATION"),
    ],
)
def test_growth_breaks_nothing(words: tuple[str, ...]) -> None:
    now = changed(*words)
    assert untold(RELEASED, now) == set()
    assert list(stability.changed_meanings(build_schema(RELEASED), build_schema(now))) == []


def test_another_default_is_told_as_another_meaning_and_refuses_nothing() -> None:
    now = changed("deep: Int = 3", "deep: Int = 4", "size: Int = 1", "size: Int")
    assert untold(RELEASED, now) == set()
    told = stability.changed_meanings(build_schema(RELEASED), build_schema(now))
    assert {one.place for one in told} == {"Site.color(deep:)", "Wanted.size"}


def test_what_was_deprecated_may_go_when_its_day_has_come_and_not_before() -> None:
    for member, dated in (
        ("age: Int color", 'age: Int @deprecated(reason: "Use x. Removed on 2027-06-01.") color'),
        ("RED GREEN", 'RED GREEN @deprecated(reason: "Use RED. Removed on 2027-06-01.")'),
        ("dark: Boolean,", 'dark: Boolean @deprecated(reason: "Use deep. Removed on 2027-06-01."),'),
    ):
        before = changed("Named & Aged", "Named", text=changed(member, dated))
        after = {"age: Int color": "color", "RED GREEN": "RED", "dark: Boolean,": ""}[member]
        now = changed("Named & Aged", "Named", text=changed(member, after))
        assert len(untold(before, now, today=date(2027, 5, 31))) == 1
        assert untold(before, now, today=date(2027, 6, 1)) == set()


def test_what_was_deprecated_may_not_turn_into_something_else() -> None:
    before = changed("built: Moment", 'built: Moment @deprecated(reason: "Use x. Removed on 2027-06-01.")')
    assert untold(before, changed("built: Moment", "built: String")) == {"Van.built"}


def test_the_types_of_a_deprecated_operation_go_with_it_unless_something_else_uses_them() -> None:
    before = """
      type Query { a: Int old(input: OldInput): OldPayload @deprecated(reason: "Use a. Removed on 2027-06-01.") b: Kept }
      input OldInput { deep: DeepInput } input DeepInput { x: Color } enum Color { RED } type OldPayload { k: Kept }
      type Kept { a: Int }
    """
    assert untold(before, "type Query { a: Int b: Kept } type Kept { a: Int }") == set()
    assert untold(before, "type Query { a: Int }") == {"Kept", "Query.b"}
    assert untold(before, "type Query { a: Int }", today=date(2027, 5, 1)) == {
        "Kept", "Query.b", "Query.old", "OldInput", "DeepInput", "Color", "OldPayload",
    }  # fmt: skip


# Deprecations


def faults(reason: str, changelog: str) -> list[str]:
    """What is wrong with the announcement of a deprecated field."""
    schema = build_schema(f'type Query {{ a: Int b: Int @deprecated(reason: "{reason}") }}')
    return stability.deprecation_faults(schema, read_changelog(changelog))


def announced(day: str, section: str = "0.2.0 (unreleased)") -> str:
    """A changelog in which a section announces that ``Query.b`` goes."""
    parts = ["# Changelog", "", "## 0.3.0 (unreleased)", ""] if section != "0.2.0 (unreleased)" else []
    news = ["**Deprecated**", "", f"- `Query.b`: use `Query.a`. Removed on {day}.", ""]
    return "\n".join([*parts, f"## {section}", "", *news, "## 0.1.0 (2027-01-01)", ""])


def test_a_deprecation_is_announced_with_its_day_at_least_ninety_days_ahead() -> None:
    assert faults("Use a. Removed on 2027-04-01.", announced("2027-04-01")) == []
    assert faults("Use a. Removed on 2027-04-01.", announced("2027-04-01").replace(" Removed", "\n  Removed")) == []
    assert faults("Use a. Removed on 2027-03-31.", announced("2027-03-31")) == [
        "`Query.b` goes on 2027-03-31, less than 90 days after 2027-01-01."
    ]
    assert faults("Use a. Removed on 2027-04-01.", SILENT) == [
        "`Query.b` is deprecated, but not named under **Deprecated** in CHANGELOG.md."
    ]
    assert faults("Use a. Removed on 2027-04-02.", announced("2027-04-01")) == [
        "`Query.b` goes on 2027-04-02 by the schema, on 2027-04-01 by CHANGELOG.md."
    ]


def test_the_ninety_days_count_from_the_release_that_announced_it() -> None:
    assert faults("Use a. Removed on 2027-05-02.", announced("2027-05-02", "0.2.0 (2027-02-01)")) == []
    assert faults("Use a. Removed on 2027-05-01.", announced("2027-05-01", "0.2.0 (2027-02-01)")) == [
        "`Query.b` goes on 2027-05-01, less than 90 days after 2027-02-01."
    ]


def test_what_a_release_should_have_removed_is_noticed() -> None:
    log = announced("2027-05-02", "0.2.0 (2027-02-01)").replace("0.3.0 (unreleased)", "0.3.0 (2027-05-02)")
    assert faults("Use a. Removed on 2027-05-02.", log) == ["`Query.b` was to go on 2027-05-02, and was there still on 2027-05-02."]  # fmt: skip


def test_before_the_first_release_nothing_is_too_short() -> None:
    assert faults("Use a. Removed on 2027-01-02.", announced("2027-01-02").replace("## 0.1.0 (2027-01-01)", "")) == []


def test_what_is_overdue_is_told_by_the_clock() -> None:
    schema = build_schema('type Query { a: Int b: Int @deprecated(reason: "Use a. Removed on 2027-06-01.") }')
    assert stability.overdue(schema, date(2027, 5, 31)) == []
    assert stability.overdue(schema, date(2027, 6, 1)) == ["`Query.b` may be removed since 2027-06-01."]


# Ours


def ours() -> Changelog:
    return read_changelog((ROOT / "CHANGELOG.md").read_text())


def test_our_deprecations_are_announced_as_they_should_be() -> None:
    assert stability.deprecation_faults(core_of(api), ours()) == []


def test_our_schema_breaks_nothing_that_was_released_without_saying_so() -> None:
    assert stability.unannounced(stability.released_schema(), core_of(api), ours(), date.today()) == []


def test_a_release_moves_the_snapshot_once_the_changelog_has_its_day(tmp_path: Path) -> None:
    snapshot = tmp_path / "released.graphql"
    with pytest.raises(ConfigurationError, match=r"calls 0\.2\.0 unreleased"):
        stability.release(RELEASED, read_changelog(SILENT), snapshot)
    assert not snapshot.exists()
    assert stability.release(RELEASED, read_changelog(SILENT.replace("unreleased", "2027-06-01")), snapshot) == "0.2.0"
    assert snapshot.read_text() == stability.HEADER + RELEASED


def test_a_release_refuses_a_deprecation_that_is_too_short(tmp_path: Path) -> None:
    text = 'type Query { a: Int b: Int @deprecated(reason: "Use a. Removed on 2027-06-01.") }'
    log = read_changelog(announced("2027-06-01").replace("unreleased", "2027-05-01"))
    with pytest.raises(ConfigurationError, match="less than 90 days after 2027-05-01"):
        stability.release(text, log, tmp_path / "released.graphql")
    assert not (tmp_path / "released.graphql").exists()


def test_a_changelog_whose_section_cannot_be_read_is_refused() -> None:
    for text in ("# Changelog\n", "## 0.1.0\n", "## 0.1.0 (soon)\n"):
        with pytest.raises(ConfigurationError):
            read_changelog(text)
