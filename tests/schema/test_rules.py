"""The table of who may do what: nothing is without a rule, nothing in it changes unseen, and a server starts with no other."""

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from app.customers.models import Site
from app.infrastructure.conditions import everything
from app.kernel.errors import ConfigurationError
from app.kernel.permissions import ROLES, Permission, Role
from app.main import create_app
from app.settings import read_settings
from schema import rules
from schema.docs.site import Site as Documentation
from schema.kit import OPERATIONS, SIGNED_IN
from schema.kit.reading.selection import BACKREF
from tests.schema import documents

CORE = documents.CORE
TABLE = rules.rules_of_the_api()


def test_the_table_is_the_one_that_was_looked_at() -> None:
    rules.require_declared(TABLE)


def test_every_field_that_can_be_read_and_every_input_has_a_rule() -> None:
    types = [one for one in documents.types() if hasattr(one, "fields")]
    roots = {one.name for one in (CORE.query_type, CORE.mutation_type, CORE.subscription_type) if one is not None}
    known = TABLE.fields.keys() | TABLE.inputs.keys() | {name for _, name in TABLE.operations}
    without = {
        name if type.name in roots else f"{type.name}.{name}"
        for type in types
        for name in type.fields
        if (name if type.name in roots else f"{type.name}.{name}") not in known
    }
    # What wraps rows has no rule of its own, and an interface has those of the types that are it.
    wrapping = ("Connection", "Edge", "PageInfo", "Node", "Problem")
    assert {one for one in without if not one.split(".")[0].endswith(wrapping)} == set()
    assert len(TABLE.fields) > 1500 and len(TABLE.inputs) > 1000


@pytest.mark.parametrize(
    "line", ["field Site.accessInstructions", "input UpdateSiteInput.name", "role GUEST may", "rows Site "]
)
def test_a_rule_that_nobody_looked_at_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    kept = rules.MANIFEST.read_text(encoding="utf-8").splitlines()
    [*missing] = [one for one in kept if one.startswith(line)]
    manifest = tmp_path / "rules.txt"
    manifest.write_text("\n".join(one for one in kept if one != missing[0]), encoding="utf-8")
    monkeypatch.setattr(rules, "MANIFEST", manifest)
    with pytest.raises(ConfigurationError) as refused:
        create_app(read_settings({}))
    assert missing[0] in str(refused.value) and "is new" in str(refused.value)


def test_a_rule_that_is_gone_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    manifest = tmp_path / "rules.txt"
    manifest.write_text(rules.MANIFEST.read_text(encoding="utf-8") + "role GUEST may FLY\n", encoding="utf-8")
    monkeypatch.setattr(rules, "MANIFEST", manifest)
    with pytest.raises(ConfigurationError, match="is gone: 'role GUEST may FLY'"):
        rules.require_declared(TABLE)


def _wider_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ROLES", {**ROLES, Role.GUEST: ROLES[Role.GUEST] | {Permission.MANAGE_CUSTOMERS}})


def _wider_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "visible_to", lambda actor: everything())


def _open_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    known: Any = OPERATIONS["query", "apiKeys"]
    monkeypatch.setitem(OPERATIONS, ("query", "apiKeys"), type(known)(known.name, known.kind, SIGNED_IN, "All."))


def _open_field(monkeypatch: pytest.MonkeyPatch) -> None:
    field = documents.named(CORE.get_type("Site")).fields["accessInstructions"]
    monkeypatch.setattr(field.extensions[BACKREF].declaration, "permission", None)


@pytest.mark.parametrize("wider", [_wider_role, _wider_rows, _open_operation, _open_field])
def test_what_becomes_wider_is_not_the_table_any_more(monkeypatch: pytest.MonkeyPatch, wider: Any) -> None:
    wider(monkeypatch)
    with pytest.raises(ConfigurationError):
        rules.require_declared(rules.compile_rules(CORE))


def test_an_operation_without_a_rule_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATIONS, ("query", "apiKeys"))
    with pytest.raises(TypeError, match="apiKeys does not say who may use it"):
        rules.compile_rules(CORE)


@pytest.mark.parametrize("word", sorted(rules.PROTECTED))
def test_no_input_says_of_a_row_what_is_not_the_clients_to_say(word: str) -> None:
    listed = dict.fromkeys(rules.WRITABLE, "SIGNED_IN")
    with pytest.raises(TypeError, match=f"SneakyInput.{word}"):
        rules._require_writable({**listed, f"SneakyInput.{word}": "SIGNED_IN"})


def test_what_may_be_said_all_the_same_is_named_once_with_its_reason() -> None:
    assert all(rules.WRITABLE.values())
    with pytest.raises(TypeError, match=r"names CreateApiKeyInput\.scopes, which there is not"):
        rules._require_writable({name: "" for name in rules.WRITABLE if name != "CreateApiKeyInput.scopes"})


def test_the_table_cannot_be_changed_while_a_process_runs() -> None:
    with pytest.raises(FrozenInstanceError):
        TABLE.fields = {}  # type: ignore[misc]  # that is the point
    for table in (TABLE.roles, TABLE.rows, TABLE.rows["Site"], TABLE.operations, TABLE.fields, TABLE.inputs):
        with pytest.raises(TypeError):
            table["Site.accessInstructions"] = "SIGNED_IN"  # type: ignore[index]  # as above


def test_it_is_shown_to_people() -> None:
    file = Documentation(CORE).file("rules.html")
    assert file is not None
    page = file.body.decode()
    for word in (
        "MANAGE_ROLES",
        "VIEW_CUSTOMERS and VIEW_ACCESS_CODES",
        "mutation createRole",
        "UpdateUserInput.roles",
        "customer_id = :customer",
    ):
        assert word in page
    lines = rules.by_role(TABLE).splitlines()
    assert len(lines) == len(Permission) + len(Role)
    guest = list(Role).index(Role.GUEST)
    held = {line.split()[0] for line in lines[: len(Permission)] if line.split()[1 + guest] == "x"}
    assert held == set(ROLES[Role.GUEST])
