"""Who may do what and see what, asked of the live schema: nothing here is listed by hand, so what is new is asked too."""

import base64
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from app.customers.models import Customer
from app.infrastructure import journal, storage
from app.infrastructure.conditions import everything
from app.infrastructure.jobs import KINDS, Runner
from app.infrastructure.tables import BY_PREFIX
from app.integrations.commands.exports import JOB
from app.integrations.models import BulkExport
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.ids import new_id
from app.kernel.permissions import ROLES, Permission, Reach, Role
from app.work_orders.models import Note
from schema.kit import OPERATIONS, SIGNED_IN, problems
from schema.kit.declarations import READABLE_BY_PREFIX, KitField, Many, Secret
from schema.kit.filters import spec_of
from schema.kit.reading import grouping
from schema.kit.reading.selection import BACKREF
from tests.schema import asking, documents
from tests.schema.asking import (
    NO_ANSWER,
    OF_AN_ACCOUNT,
    ask,
    codes,
    differences,
    everything_heard,
    everything_read,
    leaks,
    unlisted,
    values_in,
)
from tests.schema.asking import problems as problems_of
from tests.schema.tenants import OTHERS, OWN_ROLES, Tenant, found, snapshot

NOTICED = frozenset({"apiKeys", "customers", "createCustomer"})


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(sqlite_database: Dialect) -> tuple[Tenant, Tenant]:
    return await found("a", 910_000), await found("b", 920_000)


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_tenants(postgres_database: Dialect) -> tuple[Tenant, Tenant]:
    return await found("a", 910_000), await found("b", 920_000)


Both = tuple[Tenant, Tenant]


# 1. Who is admitted


def test_every_root_field_says_who_may_use_it() -> None:
    assert unlisted() == []


def test_a_root_field_that_does_not_say_so_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATIONS, ("query", "apiKeys"))
    assert unlisted() == ["apiKeys"]


async def test_every_operation_admits_exactly_the_roles_of_the_table(tenants: Both) -> None:
    assert await differences(tenants[0].actors) == set()


async def test_every_operation_admits_roles_of_ones_own_keys_and_the_system_by_what_they_hold(tenants: Both) -> None:
    assert await differences(tenants[0].others) == set()


async def test_an_operation_that_is_open_by_mistake_is_noticed(tenants: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = documents.roots("query")["apiKeys"].extensions[BACKREF]
    monkeypatch.setattr(definition, "access", SIGNED_IN)
    without = {("apiKeys", role) for role in Role if Permission.MANAGE_API_KEYS not in ROLES[role]}
    assert await differences(tenants[0].actors, NOTICED) == without


async def test_a_role_that_holds_too_little_is_noticed(tenants: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ROLES", {**ROLES, Role.GUEST: ROLES[Role.GUEST] | {Permission.MANAGE_CUSTOMERS}})
    assert await differences(tenants[0].actors, NOTICED) == {("createCustomer", Role.GUEST)}


@pytest.mark.slow
async def test_every_operation_admits_exactly_the_roles_of_the_table_on_postgres(postgres_tenants: Both) -> None:
    assert await differences(postgres_tenants[0].actors) == set()


# 2. What is seen


async def leaked(
    ours: Tenant, theirs: Tenant, who: str, only: frozenset[str] | None = None, remark: str = ""
) -> tuple[list[object], set[str]]:
    """What somebody sees and should not, and all the texts that are seen."""
    actor = actor_of(ours, who)
    found: list[object] = []
    seen: set[str] = set()
    for answers in (everything_read(actor, ours, theirs, only, remark), everything_heard(actor, ours, theirs)):
        heard = False
        async for answer in answers:
            heard = heard or bool(answer.get("data"))
            found.extend(leaks(actor, ours, theirs, answer))
            seen.update(value for value in values_in(answer.get("data")) if isinstance(value, str))
        assert heard, "nothing was answered, so nothing is tested"
    return found, seen


def actor_of(ours: Tenant, who: str) -> Actor:
    """Somebody of a company, by built-in role or other name."""
    return ours.actors[who] if isinstance(who, Role) else ours.others[who]


def require_own_work(ours: Tenant, who: str, seen: set[str]) -> None:
    """Everybody sees the first account's work, and the office the second's too."""
    for prefix in ("wo", "cus", "site", "apt", "asg", "tech", "eq"):
        assert ours.first.rows[prefix].id in seen, prefix
    sees_second = f"{ours.second.mark.text}-deed" in seen
    assert sees_second == (actor_of(ours, who).reach is Reach.ORGANIZATION)


@pytest.mark.slow
@pytest.mark.parametrize("role", [*Role, *OWN_ROLES, "API_KEY"])
async def test_nobody_sees_another_company_and_no_customer_another_account_or_an_internal_note(
    tenants: Both, role: str
) -> None:
    found, seen = await leaked(*tenants, role)
    assert found == []
    require_own_work(tenants[0], role, seen)
    if role is Role.ADMINISTRATOR:
        kinds = {row.prefix for row in tenants[0].every_row}
        assert kinds == set(documents.readable_types()), "a type without a row is not tested"
        assert {row.id for row in tenants[0].every_row} <= seen


@pytest.mark.parametrize(
    ("model", "role", "said"),
    [
        (Customer, Role.DISPATCHER, "bfirst-"),
        (Customer, Role.GUEST, "asecond-"),
        (Note, Role.CUSTOMER_USER, "hushhush"),
    ],
)
async def test_a_table_that_shows_too_much_is_noticed(
    tenants: Both, monkeypatch: pytest.MonkeyPatch, model: Any, role: Role, said: str
) -> None:
    monkeypatch.setattr(model, "visible_to", lambda actor: everything())
    found, _ = await leaked(*tenants, role, frozenset({"customers", "workOrders"}), f" # {said}\n")
    assert any(said in str(value) for value in found)


async def test_the_count_of_each_queue_is_the_length_of_its_list(tenants: Both) -> None:
    for role, actor in tenants[0].actors.items():
        answer = await ask(actor, "{ queueCounts { queue count } }")
        for one in answer["data"]["queueCounts"]:
            listed = await ask(actor, f"{{ queue(name: {one['queue']}) {{ totalCount }} }}")
            assert listed["data"]["queue"]["totalCount"] == one["count"], (role, one)


async def miscounted(tenant: Tenant, role: Role, remark: str = "") -> tuple[list[str], int]:
    """The lists whose facets or figures are about other rows than those that the list shows, and how many have any."""
    wrong, told = [], 0
    for name, field in documents.roots("query").items():
        type = documents.named(field.type)
        if not documents.is_connection(type) or not {"facets", "aggregate"} & set(type.fields):
            continue
        if OPERATIONS["query", name].access is not SIGNED_IN and OPERATIONS["query", name].access not in ROLES[role]:
            continue
        chosen = f"{{ totalCount nodes {{ id }} {documents.summaries(type)} }}{remark}"
        arguments = documents.least(field, lambda _: "") | {"first": 100}
        answer = await ask(tenant.actors[role], documents.document("query", name, arguments, chosen), arguments)
        page = answer["data"][name]
        ids = sorted(row["id"] for row in page["nodes"])
        if page.get("aggregate") and page["aggregate"]["count"] != page["totalCount"]:
            wrong.append(f"{name}: {page['aggregate']['count']} of {page['totalCount']}")
        for facet, counted in (page.get("facets") or {}).items():
            if counted is None:
                continue  # of a kind that the role may not see
            told += len(ids) > 0
            if sum(one["count"] for one in counted["values"]) + counted["otherCount"] != len(ids):
                wrong.append(f"{name}.{facet}: {counted}")
            rows = sorted(row["id"] for one in counted["values"] for row in one.get("rows", {"nodes": []})["nodes"])
            if "rows" in str(counted) and rows != ids:
                wrong.append(f"{name}.{facet}: {rows} and not {ids}")
    return wrong, told


@pytest.mark.parametrize("role", [Role.OPERATIONS_MANAGER, Role.TECHNICIAN, Role.CUSTOMER_USER, Role.FINANCE])
async def test_facets_and_figures_are_about_exactly_the_rows_that_are_seen(tenants: Both, role: Role) -> None:
    wrong, told = await miscounted(tenants[0], role)
    assert wrong == []
    assert told >= 10


async def test_counting_what_is_not_seen_is_noticed(tenants: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(values: Any) -> None:
        cell, table = f'x."{values.facet.column}"', values.scope.target.table
        values.builder.text(f"SELECT {cell} AS raw, count(*) AS n FROM {table} x GROUP BY {cell}")

    monkeypatch.setattr(grouping._Values, "_groups", careless)
    wrong, _ = await miscounted(tenants[0], Role.CUSTOMER_USER, " # carelessly\n")
    assert {"workOrders.status", "customers.type", "equipment.status"} <= {one.split(":")[0] for one in wrong}


@pytest.mark.slow
@pytest.mark.parametrize("role", [Role.DISPATCHER, Role.TECHNICIAN, Role.CUSTOMER_USER])
async def test_nobody_sees_what_belongs_to_others_on_postgres(postgres_tenants: Both, role: Role) -> None:
    found, seen = await leaked(*postgres_tenants, role)
    assert found == []
    require_own_work(postgres_tenants[0], role, seen)


async def files_of(actor: Actor, folder: Path) -> list[dict[str, Any]]:
    """Every line of a file of each list there is, with all that may be read of its rows and of the lists below them."""
    storage.configure_exports(folder)
    found: list[dict[str, Any]] = []
    for name, field in documents.roots("query").items():
        type = documents.named(field.type)
        if not documents.is_connection(type) or documents.least(field, lambda _: ""):
            continue
        document = f"{{ {name} {readable_part(actor, type)} }}"
        answer = await ask(actor, EXPORT, {"input": {"document": document}})
        if codes(answer):
            assert codes(answer) == ["NOT_PERMITTED"], (name, answer)
            continue
        await Runner(kinds={JOB: KINDS[JOB]}).run_due()
        export = await BulkExport.get(id=answer["data"]["bulkExport"]["bulkExport"]["id"])
        assert export.status == "READY", (name, export.error)
        path = await storage.exports().find(export.position["file"])
        found.extend(orjson.loads(line) for line in path.read_bytes().splitlines())
    return found


def readable_part(actor: Actor, type: Any, relations: int = 1) -> str:
    """What a role may read of a list's rows: what it may not is refused in a file, and not left out."""
    if documents.is_connection(type):
        return f"{{ nodes {readable_part(actor, documents.named(type.fields['nodes'].type), relations)} }}"
    if not documents.is_node(type):
        return documents.selection(type)
    parts = []
    for name, field in type.fields.items():
        below = documents.row_type(field.type)
        if isinstance(field.extensions[BACKREF].declaration, Secret):
            continue  # goes into no file, whoever asks
        declared = field.extensions[BACKREF].declaration.permission
        behind = below.extensions[BACKREF].origin.__readable__.permission if below is not None else None
        may_be_read = all(one is None or actor.holds(one) for one in (declared, behind))
        if may_be_read and (below is None or relations):
            inner = relations - (below is not None)
            parts.append(f"{name} {readable_part(actor, documents.named(field.type), inner)}")
    return "{ " + " ".join(parts) + " }"


EXPORT = (
    "mutation($input: BulkExportInput!) { bulkExport(input: $input) { bulkExport { id } errors { code message } } }"
)


@pytest.mark.slow
@pytest.mark.parametrize("role", [role for role in Role if Permission.EXPORT_DATA in ROLES[role]])
async def test_no_file_has_anything_of_another_company_or_account(tenants: Both, role: Role, tmp_path: Path) -> None:
    ours, theirs = tenants
    actor = ours.actors[role]
    found = await files_of(actor, tmp_path)
    assert [leak for line in found for leak in leaks(actor, ours, theirs, {"data": line})] == []
    require_own_work(ours, role, {value for value in values_in(found) if isinstance(value, str)})


async def test_a_file_that_shows_too_much_is_noticed(
    tenants: Both, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, theirs = tenants
    actor = ours.actors[Role.ACCOUNT_ADMINISTRATOR]
    monkeypatch.setattr(Customer, "visible_to", lambda actor: everything())
    found = await files_of(actor, tmp_path)
    told = {str(leak) for line in found for leak in leaks(actor, ours, theirs, {"data": line})}
    assert any("asecond-" in one for one in told)
    assert any("bfirst-" in one for one in told)


# 3. Ids of others in what is done

# The state in which a step gets as far as looking at the ids it is given, and what it must be told besides.
BEFORE: dict[str, tuple[str, str]] = {
    "scheduleAppointment": ("apt", "UNSCHEDULED"),
    "startTimer": ("wo", "IN_PROGRESS"),
    "addTimeEntry": ("wo", "IN_PROGRESS"),
}
BESIDES: dict[str, dict[str, Any]] = {
    "startTimer": {"technicianId": "tech", "stopRunning": True},
    "addTimeEntry": {"technicianId": "tech", "startedAt": "2026-01-01T10:00:00Z", "endedAt": "2026-01-01T11:00:00Z"},
    "sendMessage.id": {"conversationId": "conv"},
    "createUser.technicianId": {"roles": ["TECHNICIAN"]},
    "createUser.customerId": {"roles": ["CUSTOMER_USER"]},
    "approveAccessRequest.customerId": {"roles": ["CUSTOMER_USER"]},
    "inviteUser.technicianId": {"roles": ["TECHNICIAN"]},
    "inviteUser.customerId": {"roles": ["CUSTOMER_USER"]},
    "updateUser.customerId": {"roles": ["CUSTOMER_USER"], "technicianId": None},
}
OF_PEOPLE = frozenset({"createUser", "inviteUser", "updateUser", "approveAccessRequest"})
Foreign = Callable[[str], str | None]
"""The id of another's row of a kind, if there is one."""


async def wrong_answers(ours: Tenant, role: str, foreign: Foreign) -> list[str]:
    """Where another's id is not answered as one that is unknown, at each place where an id may stand."""
    wrong = []
    for name, field in documents.roots("mutation").items():
        if OPERATIONS["mutation", name].access not in (SIGNED_IN, *actor_of(ours, role).permissions):
            continue
        for place in documents.id_places(field):
            prefix = documents.prefix_at(name, place)
            other = foreign(prefix)
            if other is None:
                continue
            async with in_state(ours, *BEFORE.get(name, ("", ""))):
                answer = await _answer(ours, role, name, place, other)
                unknown = await _answer(ours, role, name, place, new_id(prefix))
            if _is_of_a_new_row(name, place):
                # The client makes such an id itself; that it is taken is all that it hears.
                refused = [("ALREADY_EXISTS", "THE ID")]
                fits = True
            else:
                refused = [("NOT_FOUND", "THE ID")]
                fits = answer == unknown
            told = [(one["code"], one.get("id")) for one in answer]
            # An administrator may do all of it; others may be refused whatever they name.
            may_not = role is not Role.ADMINISTRATOR and told == [("NOT_PERMITTED", None)] and answer == unknown
            # An account's administrator, to whom the requests here name people and roles of the company, is refused for those.
            may_not |= actor_of(ours, role).is_customer and name in OF_PEOPLE and answer == unknown
            if not may_not and not (fits and told == refused):
                wrong.append(f"{name} {'.'.join(place)}: {answer} but {unknown}")
    return wrong


@asynccontextmanager
async def in_state(ours: Tenant, prefix: str, status: str) -> AsyncIterator[None]:
    """Our row of a kind is in a state for a moment."""
    if not prefix:
        yield
        return
    model, id = BY_PREFIX[prefix], ours.row(prefix).id
    [known] = await model.filter(id=id).values_list("status", flat=True)
    await model.filter(id=id).update(status=status)
    yield
    await model.filter(id=id).update(status=known)


def _is_of_a_new_row(name: str, place: tuple[str, ...]) -> bool:
    """Whether the id at a place is the client's own for a row to be made."""
    makes = name.startswith(
        (
            "create", "register", "add", "startTimer", "planDay", "planAbsence", "planDelay", "optimizeRoute", "bulkExport",
            "sendMessage", "holdSlot", "insertUrgent", "inviteUser", "requestDataExport", "requestErasure", "giveConsent",
        )
    )  # fmt: skip
    return makes and place == ("input", "id")


async def _answer(ours: Tenant, role: str, name: str, place: tuple[str, ...], id: str) -> list[dict[str, Any]]:
    field = documents.roots("mutation")[name]
    arguments = documents.with_id(field, place, id, lambda at: ours.row(documents.prefix_at(name, at)).id)
    for word, value in (BESIDES.get(name) or BESIDES.get(f"{name}.{place[-1]}", {})).items():
        if word != place[-1]:
            arguments["input"][word] = ours.row(value).id if value in ("tech", "conv") else value
    document = documents.document("mutation", name, arguments, documents.payload_selection(field.type))
    told = orjson.dumps(problems_of(await ask(actor_of(ours, role), document, arguments))).decode()
    answer: list[dict[str, Any]] = orjson.loads(told.replace(id, "THE ID"))
    return answer


async def test_an_id_of_another_company_is_answered_as_one_that_is_unknown_and_does_nothing(tenants: Both) -> None:
    ours, theirs = tenants
    before = await snapshot(theirs.organization_id)
    wrong = await wrong_answers(ours, Role.ADMINISTRATOR, lambda prefix: theirs.row(prefix).id)
    assert wrong == [], "\n".join(wrong)
    assert await snapshot(theirs.organization_id) == before
    # Nor did anything of theirs get into a row of ours: no fact, no message that waits to go out, no export, no note.
    kept = orjson.dumps(await snapshot(ours.organization_id), default=str).decode()
    marks = [theirs.mark.text, theirs.first.mark.text, theirs.second.mark.text, *theirs.ids]
    assert [mark for mark in marks if mark in kept] == []


async def wrong_questions(ours: Tenant, who: str, foreign: Foreign) -> list[str]:
    """Where asking about another's id is not answered as asking about one that is unknown, filters of lists included."""
    wrong = []
    for name, field in documents.roots("query").items():
        access = OPERATIONS["query", name].access
        if access is not SIGNED_IN and access not in actor_of(ours, who).permissions:
            continue
        is_any = name in ("node", "nodes")
        places = [
            (place, prefix)
            for place in _asked_places(field)
            for prefix in (ours.first.rows if is_any else [documents.prefix_at(name, place)])
        ]
        for place, prefix in places:
            other = foreign(prefix)
            if other is None:
                continue
            told = []
            for id in (other, new_id(prefix)):
                arguments = documents.with_id(field, place, id, ours_for(ours, name))
                text = documents.document("query", name, arguments, documents.selection(documents.named(field.type), 0))
                answer = await ask(actor_of(ours, who), text, arguments)
                assert not {"INTERNAL", "GRAPHQL_VALIDATION_FAILED"} & set(codes(answer)), (name, place, answer)
                said = orjson.dumps([answer.get("data"), problems_of(answer)], default=str).decode()
                told.append(said.replace(id, "THE ID"))
            if told[0] != told[1]:
                wrong.append(f"{name} {'.'.join(place)}: {told[0]} but {told[1]}")
    return wrong


def ours_for(ours: Tenant, operation: str) -> Callable[[tuple[str, ...]], str]:
    """Gives an id of ours for a place in an operation's arguments; where any kind will do, that of a work order."""
    if operation in ("node", "nodes"):
        return lambda _: ours.row("wo").id
    return lambda at: ours.row(documents.prefix_at(operation, at)).id


def _asked_places(field: Any) -> Iterator[tuple[str, ...]]:
    """Where a query's own arguments take an id."""
    for name, argument in field.args.items():
        if name not in ("filter", "orderBy"):
            yield from documents._id_places(argument.type, (name,))


async def filtered_by(ours: Tenant, who: str, foreign: Foreign, remark: str = "") -> list[str]:
    """The lists that find something by another's id in a term of their filter that takes ids."""
    found = []
    for name, field in documents.roots("query").items():
        access = OPERATIONS["query", name].access
        if access is not SIGNED_IN and access not in actor_of(ours, who).permissions:
            continue
        if "filter" not in field.args or not documents.is_connection(documents.named(field.type)):
            continue
        shown = documents.row_type(field.type)
        row_prefix = next(prefix for prefix, type in documents.readable_types().items() if type is shown)
        for word, term in documents.named(field.args["filter"].type).fields.items():
            if documents.named(term.type).name != "IdFilter":
                continue
            of_its_own = [row_prefix] if word == "id" else [documents._BY_NAME.get(word, "")]
            for prefix in of_its_own if of_its_own != [""] else ours.first.rows:
                other = foreign(prefix)
                arguments = documents.least(field, lambda _: "") | {"filter": {word: {"eq": other}}}
                answer = await ask(
                    actor_of(ours, who),
                    documents.document("query", name, arguments, f"{{ totalCount }}{remark}"),
                    arguments,
                )
                if other is not None and answer["data"] and (answer["data"][name] or {}).get("totalCount"):
                    found.append(f"{name}.{word}: {prefix}")
    return found


@pytest.mark.parametrize("who", [Role.ADMINISTRATOR, "API_KEY"])
async def test_asking_about_an_id_of_another_company_is_answered_as_about_one_that_is_unknown(
    tenants: Both, who: str
) -> None:
    ours, theirs = tenants
    wrong = await wrong_questions(ours, who, lambda prefix: theirs.row(prefix).id)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("who", [Role.TECHNICIAN, "OWN_ROLE_ACCOUNT"])
async def test_asking_about_an_id_of_another_account_is_answered_as_about_one_that_is_unknown(
    tenants: Both, who: str
) -> None:
    ours = tenants[0]
    hidden = OF_AN_ACCOUNT if actor_of(ours, who).is_technician_only else tuple(ours.second.rows)
    wrong = await wrong_questions(ours, who, lambda prefix: ours.second.rows[prefix].id if prefix in hidden else None)
    assert wrong == [], "\n".join(wrong)


async def test_no_list_finds_anything_by_an_id_of_another_company(tenants: Both) -> None:
    ours, theirs = tenants
    assert await filtered_by(ours, Role.ADMINISTRATOR, lambda prefix: theirs.row(prefix).id) == []


async def test_a_list_that_finds_others_by_their_ids_is_noticed(tenants: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tenants
    monkeypatch.setattr(Customer, "visible_to", lambda actor: everything())
    found = await filtered_by(ours, Role.ADMINISTRATOR, lambda prefix: theirs.row(prefix).id, " # carelessly\n")
    assert "customers.id: cus" in found


async def test_whatever_is_said_by_somebody_who_may_not_say_it_is_refused_and_changes_nothing(tenants: Both) -> None:
    """Every field of every mutation's input, each sent by one who may not, turn by turn."""
    ours = tenants[0]
    before, sent = await snapshot(ours.organization_id), 0
    for name, field in documents.roots("mutation").items():
        access = OPERATIONS["mutation", name].access
        if not isinstance(access, Permission):
            continue
        refused = [who for who in (*Role, *OTHERS) if access not in actor_of(ours, who).permissions]
        for number, place in enumerate(documents.input_places(field)):
            arguments = documents.with_value(field, place, ours_for(ours, name))
            text = documents.document("mutation", name, arguments, documents.payload_selection(field.type))
            who = refused[(number + len(name)) % len(refused)]
            told = [
                (one["code"], one.get("permission"))
                for one in problems_of(await ask(actor_of(ours, who), text, arguments))
            ]
            assert told == [("NOT_PERMITTED", str(access))], (who, name, place, told)
            sent += 1
    assert sent > 400
    assert await snapshot(ours.organization_id) == before


@pytest.mark.parametrize(
    "role", [Role.ACCOUNT_ADMINISTRATOR, Role.CUSTOMER_USER, Role.TECHNICIAN, "OWN_ROLE_OWN_WORK", "OWN_ROLE_ACCOUNT"]
)
async def test_an_id_of_another_account_is_answered_as_one_that_is_unknown(tenants: Both, role: str) -> None:
    ours = tenants[0]
    hidden = OF_AN_ACCOUNT if actor_of(ours, role).is_technician_only else tuple(ours.second.rows)

    def foreign(prefix: str) -> str | None:
        return ours.second.rows[prefix].id if prefix in hidden else None

    wrong = await wrong_answers(ours, role, foreign)
    assert wrong == [], "\n".join(wrong)


@pytest.mark.slow
async def test_an_id_of_another_company_does_nothing_on_postgres(postgres_tenants: Both) -> None:
    ours, theirs = postgres_tenants
    before = await snapshot(theirs.organization_id)
    wrong = await wrong_answers(ours, Role.ADMINISTRATOR, lambda prefix: theirs.row(prefix).id)
    assert wrong == [], "\n".join(wrong)
    assert await snapshot(theirs.organization_id) == before


# 4. Cursors and ids that nobody gave out

STRANGE: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 2**200, 1e308, "", "x" * 300, "\u0000", "\ud800", "'; --", [], [[]], {}, "NaN",
    "2031-13-45", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00",
]  # fmt: skip


def mutated(text: str, dice: random.Random) -> str:
    """A text with a few letters changed, lost, doubled or moved."""
    letters = list(text)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(letters)) if letters else 0
        match dice.randrange(5):
            case 0:
                letters[at : at + 1] = [dice.choice("abcXYZ019-_=%é \U0001f600")]
            case 1:
                del letters[at : at + 1 + dice.randrange(4)]
            case 2:
                letters.insert(at, dice.choice("aZ9_-/+=\u202e"))
            case 3:
                letters = letters[at:] + letters[:at]
            case _:
                letters += letters[at:]
    return "".join(letters)


def forged(cursor: str, dice: random.Random) -> str:
    """A cursor of the right form with other values."""
    kind, *values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    match dice.randrange(5):
        case 0 if values:
            values[dice.randrange(len(values))] = dice.choice(STRANGE)
        case 1:
            values = values[: dice.randrange(len(values) + 1)]
        case 2:
            values += [dice.choice(STRANGE)]
        case 3:
            dice.shuffle(values)
        case _:
            return mutated(cursor, dice)
    return base64.urlsafe_b64encode(json.dumps([kind, *values]).encode()).decode().rstrip("=")


async def cursors_of(actors: list[Actor]) -> list[str]:
    """The cursors of every list, as these see it, in every order it has."""
    known: list[str] = []
    for name, field in documents.roots("query").items():
        if not documents.is_connection(documents.named(field.type)) or len(documents.least(field, lambda _: "")):
            continue
        for actor in actors:
            for word in documents.orders(field):
                text = f"{{ {name}(first: 2, orderBy: {{field: {word}}}) {{ edges {{ cursor }} }} }}"
                answer = await ask(actor, text)
                known.extend(edge["cursor"] for edge in (answer["data"] or {name: {"edges": []}})[name]["edges"])
    return known


async def shaken(ours: Tenant, theirs: Tenant, times: int) -> None:
    """Ask with so many cursors and ids that were tampered with."""
    dice = random.Random(20310303)
    administrators = [ours.actors[Role.ADMINISTRATOR], theirs.actors[Role.ADMINISTRATOR]]
    cursors = [*await cursors_of(administrators), journal.cursor_at(theirs.organization_id, 1)]
    ids = [row.id for row in (*ours.every_row, *theirs.every_row)]
    lists = [
        name for name, field in documents.roots("query").items() if documents.is_connection(documents.named(field.type))
    ]
    singles = [
        name for name, field in documents.roots("query").items() if list(field.args) == ["id"] and name != "node"
    ]
    outcomes: Counter[str] = Counter()
    for _ in range(times):
        role = dice.choice(list(Role))
        cursor = (
            dice.choice([mutated, forged])(dice.choice(cursors), dice) if dice.random() < 0.8 else dice.choice(cursors)
        )
        id = mutated(dice.choice(ids), dice) if dice.random() < 0.8 else dice.choice(ids)
        kind = dice.randrange(4)
        if kind == 0:
            name = dice.choice(lists)
            field = documents.roots("query")[name]
            page = dice.choice([("first", "after"), ("last", "before")])
            arguments = documents.least(field, lambda _: "") | {page[0]: 5, page[1]: cursor}
            arguments["orderBy"] = [{"field": dice.choice(documents.orders(field))}]
            chosen = "{ totalCount edges { cursor node { id } } }"
        elif kind == 1:
            name, arguments, chosen = "changes", {"after": cursor}, "{ nodes { id subjectId } cursor }"
        elif kind == 2:
            name, arguments, chosen = dice.choice(singles), {"id": id}, "{ id }"
        else:
            name, arguments, chosen = "nodes", {"ids": [id, dice.choice(ids)]}, "{ __typename id }"
        answer = await ask(ours.actors[role], documents.document("query", name, arguments, chosen), arguments)
        assert set(codes(answer)) <= {*NO_ANSWER, "BAD_USER_INPUT", "RESYNC_REQUIRED"}, (name, arguments, answer)
        assert leaks(ours.actors[role], ours, theirs, answer) == [], (role, name, arguments, answer)
        outcomes.update(codes(answer) or ["ANSWERED"])
    assert {"ANSWERED", "INVALID_INPUT"} <= set(outcomes), outcomes


async def test_cursors_and_ids_that_were_tampered_with_are_refused_or_find_nothing(tenants: Both) -> None:
    await shaken(*tenants, 600)


@pytest.mark.slow
async def test_ten_thousand_such_cursors_and_ids_are_refused_or_find_nothing(tenants: Both) -> None:
    await shaken(*tenants, 10_000)


@pytest.mark.slow
async def test_cursors_and_ids_that_were_tampered_with_find_nothing_on_postgres(postgres_tenants: Both) -> None:
    await shaken(*postgres_tenants, 10_000)


# 5. Restricted fields, filters and orders


def restricted() -> Iterator[tuple[str, str, Permission]]:
    """Fields that not everybody may read who may read the type: prefix, name, permission."""
    for prefix, type in documents.readable_types().items():
        for name, field in type.fields.items():
            definition = field.extensions.get(BACKREF)
            if not isinstance(definition, KitField):
                continue
            target = documents.row_type(field.type)
            behind = target.extensions[BACKREF].origin.__readable__.permission if target is not None else None
            permission = definition.declaration.permission or behind
            if permission is not None and permission != READABLE_BY_PREFIX[prefix].permission:
                yield prefix, name, permission


async def test_a_restricted_field_is_null_and_forbidden_without_its_permission_and_readable_with_it(
    tenants: Both,
) -> None:
    ours = tenants[0]
    seen: set[tuple[str, str, bool]] = set()
    for prefix, name, permission in restricted():
        type = documents.readable_types()[prefix]
        for role, actor in ours.actors.items():
            id = ours.row(prefix).id
            whole = f'{{ node(id: "{id}") {{ ... on {type.name} {{ id'
            row = (await ask(actor, whole + " } } }"))["data"]["node"]
            if row is None:
                continue
            named = documents.named(type.fields[name].type)
            chosen = "{ totalCount nodes { id } }" if documents.is_connection(named) else documents.selection(named, 0)
            chosen = "{ id }" if documents.is_node(named) else chosen
            answer = await ask(actor, f"{whole} {name} {chosen} }} }} }}")
            value, errors = answer["data"]["node"][name], answer.get("errors", [])
            if permission in ROLES[role]:
                assert errors == [], (role, type.name, name)
                assert documents.row_type(named) is not None or value is not None, (role, type.name, name)
            else:
                assert value in (None, {"totalCount": 0, "nodes": []}), (role, type.name, name)
                assert [(one["path"], one["extensions"]) for one in errors] == [
                    (["node", name], {"code": "FORBIDDEN", "permission": str(permission)})
                ], (role, type.name, name)
            seen.add((type.name, name, permission in ROLES[role]))
    assert len({one[:2] for one in seen if not one[2]}) > 10
    assert {one[:2] for one in seen if one[2]} >= {one[:2] for one in seen if not one[2]}


async def test_a_restricted_type_is_null_and_forbidden_for_whoever_may_not_read_it(tenants: Both) -> None:
    ours = tenants[0]
    of_the_api = {prefix: one for prefix, one in READABLE_BY_PREFIX.items() if one.model.__module__.startswith("app.")}
    for prefix, readable in of_the_api.items():
        for role, actor in ours.actors.items():
            answer = await ask(actor, "query ($id: ID!) { node(id: $id) { id } }", {"id": ours.row(prefix).id})
            told = [one["extensions"] for one in answer.get("errors", [])]
            if readable.permission is None or readable.permission in ROLES[role]:
                assert told == [], (role, readable.name)
            else:
                assert answer["data"] == {"node": None}
                assert told == [{"code": "FORBIDDEN", "permission": str(readable.permission)}], (role, readable.name)


async def test_a_restricted_column_neither_filters_nor_sorts_for_whoever_may_not_read_it(tenants: Both) -> None:
    actors, tried = tenants[0].actors, 0
    for name, field in documents.roots("query").items():
        declaration = getattr(field.extensions.get(BACKREF), "declaration", None)
        if not isinstance(declaration, Many) or declaration.filter is None or declaration.order is None:
            continue
        asked: list[tuple[frozenset[Permission], dict[str, Any]]] = []
        for word, term in spec_of(declaration.filter).fields.items():
            if term.permission is not None:
                part = documents.named(field.args["filter"].type).fields[word]
                value = documents.value_of(part.type, (word,), lambda _: new_id("usr")) or {"isNull": False}
                asked.append((frozenset({term.permission}), {"filter": {word: value}}))
        for word, sorted_by in declaration.order.terms.items():
            if sorted_by.permissions:
                asked.append((sorted_by.permissions, {"orderBy": [{"field": word}]}))
        for permissions, extra in asked:
            for role, actor in actors.items():
                if (
                    OPERATIONS["query", name].access is not SIGNED_IN
                    and OPERATIONS["query", name].access not in ROLES[role]
                ):
                    continue
                arguments = documents.least(field, lambda _: "") | extra
                answer = await ask(actor, documents.document("query", name, arguments, "{ totalCount }"), arguments)
                assert codes(answer) == ([] if permissions <= ROLES[role] else ["NOT_PERMITTED"]), (role, name, extra)
                tried += 1
    assert tried
