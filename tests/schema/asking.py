"""Asks the live schema as somebody: whether an operation admits, and everything that can be read."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from graphql import get_named_type

from app.identity import even_time
from app.infrastructure import journal
from app.kernel.actor import Actor
from app.kernel.ids import new_id
from app.kernel.permissions import CUSTOMER_ROLES, ROLES, Permission, Role
from schema.kit import ANYONE, OPERATIONS, SIGNED_IN, Context, execute, plain_data
from schema.kit.limits import GraphQLRequest
from schema.kit.live import SUBSCRIPTIONS, State
from schema.kit.service import EVERYBODY, GraphQLService
from schema.schema import api
from tests.schema import documents
from tests.schema.listening import answers
from tests.schema.tenants import DAY, HIDDEN, OTHERS, Mark, Tenant

KINDS = ("query", "mutation", "subscription")
REFUSALS = ("NOT_AUTHENTICATED", "NOT_PERMITTED")
NO_ANSWER = {"NOT_PERMITTED", "FORBIDDEN", "NOT_FOUND", "INVALID_INPUT"}
# What the planner answers where there is nothing to plan.
NOTHING_TO_PLAN = {"CONFLICT", "PLAN_OUTDATED"}
ADMITTED = ("ADMITTED", None)
ANONYMOUS = "anonymous"
Verdict = tuple[str, str | None]

# Nobody here measures how long an answer takes.
even_time.ANSWER_SECONDS = 0.001
service = GraphQLService(api, introspection=EVERYBODY, once=frozenset())


async def ask(actor: Actor | None, document: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The whole answer, as a client parses it."""
    answer: dict[str, Any] = plain_data(await execute(api, document, variables, None, Context(actor)))
    return answer


async def heard(
    actor: Actor | None, document: str, variables: dict[str, Any] | None = None, *, most: int | None = None
) -> list[dict[str, Any]]:
    """The first so many answers of a subscription, or all that there are until it waits for something new."""
    request = GraphQLRequest(document, None, variables or {})
    told: list[dict[str, Any]] = []
    async with aclosing(answers(service, request, lambda: Context(actor), ends=most is None)) as each:
        async for one, _ in each:
            told.append(one)
            if len(told) == most:
                break
    return told


def codes(answer: dict[str, Any]) -> list[str]:
    """The codes of all errors of an answer, those in a payload included."""
    return [one["code"] for one in problems(answer)]


def problems(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """All errors of an answer, with their figures on top."""
    found = [one["extensions"] | {"message": one["message"]} for one in answer.get("errors", [])]
    for payload in (answer.get("data") or {}).values():
        if isinstance(payload, dict) and isinstance(payload.get("errors"), list):
            found.extend(payload["errors"])
    return found


# The matrix: who is admitted where


def unlisted() -> list[str]:
    """Root fields that OPERATIONS does not know."""
    return [name for kind in KINDS for name in documents.roots(kind) if (kind, name) not in OPERATIONS]


# What commands ask for beyond their operation, when they are asked about a thing that does not exist.
BEYOND: dict[str, tuple[Permission, frozenset[Role]]] = {
    "changeTechnicianStatus": (Permission.MANAGE_SCHEDULE, frozenset()),
    "shareVisit": (Permission.MANAGE_SCHEDULE, CUSTOMER_ROLES),
    "revokeVisitShare": (Permission.MANAGE_SCHEDULE, CUSTOMER_ROLES),
    "technicianPositions": (Permission.VIEW_POSITIONS, frozenset({Role.TECHNICIAN})),
    "registerEquipment": (
        Permission.MANAGE_EQUIPMENT,
        frozenset(role for role in CUSTOMER_ROLES if Permission.REQUEST_WORK in ROLES[role]),
    ),
}


# What is only for a person who signed in tells everybody else so.
OF_PERSONS = ("NOT_PERMITTED", "a signed-in user")


def expected(kind: str, name: str, held: frozenset[Permission] | None, like: Role | None) -> Verdict:
    """What the table of permissions says of an operation and somebody who holds some and is like a role."""
    access = OPERATIONS[kind, name].access
    if access is ANYONE:
        return ADMITTED
    if held is None:
        return ("NOT_AUTHENTICATED", None)
    if access is not SIGNED_IN and access not in held:
        return ("NOT_PERMITTED", str(access))
    permission, others = BEYOND.get(name, (None, frozenset()))
    if permission is not None and permission not in held and like not in others:
        return ("NOT_PERMITTED", str(permission))
    return ADMITTED


async def verdict(kind: str, name: str, actor: Actor | None) -> Verdict:
    """Whether an operation admits an actor who asks for the least, about things that do not exist."""
    field = documents.roots(kind)[name]
    if kind == "subscription":
        # Whoever gets past the door is told that this cursor is none, or how things are.
        cursor = None if isinstance(SUBSCRIPTIONS[name], State) else "?"
        arguments = {"after": cursor, **documents.least(field, lambda place: new_id(documents.prefix_at(name, place)))}
        text = documents.document(kind, name, arguments, documents.selection(get_named_type(field.type), 0))
        # There may be nothing to see, such as of a technician who is off duty.
        is_state = isinstance(SUBSCRIPTIONS[name], State)
        told = await heard(actor, text, arguments)
        answer = told[0] if told or not is_state else {"data": None}
        if not is_state:
            assert codes(answer)[0] in (*REFUSALS, "INVALID_INPUT"), answer
    else:
        answer = await ask(actor, *least(kind, name))
        assert not {"INTERNAL", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"} & set(codes(answer)), (name, answer)
    if OPERATIONS[kind, name].access is ANYONE:
        # A wrong password is NOT_AUTHENTICATED to everybody: that is the operation's own answer.
        return ("NOT_PERMITTED", None) if "NOT_PERMITTED" in codes(answer) else ADMITTED
    refusals = [(one["code"], one.get("permission")) for one in problems(answer) if one["code"] in REFUSALS]
    return refusals[0] if refusals else ADMITTED


def least(kind: str, name: str) -> tuple[str, dict[str, Any]]:
    """The smallest valid request for a root field."""
    field = documents.roots(kind)[name]

    def unknown(place: tuple[str, ...]) -> str:
        return new_id("wo" if name in ("node", "nodes") else documents.prefix_at(name, place))

    arguments = documents.least(field, unknown)
    if kind == "mutation":
        chosen = documents.payload_selection(field.type)
    else:
        chosen = documents.selection(get_named_type(field.type), 0)
    return documents.document(kind, name, arguments, chosen), arguments


async def differences(
    actors: Mapping[Role, Actor] | Mapping[str, Actor], names: frozenset[str] | None = None
) -> set[tuple[str, str]]:
    """Cells of the matrix (operation, who) in which the schema does not do what the table says."""
    wrong = set()
    for kind in KINDS:
        for name in documents.roots(kind):
            for who in (ANONYMOUS, *actors) if names is None or name in names else ():
                actor = None if who == ANONYMOUS else actors[who]  # type: ignore[index]  # of either kind
                told = await verdict(kind, name, actor)
                is_for_persons = OPERATIONS[kind, name].access is SIGNED_IN and who in ("API_KEY", "SYSTEM")
                if told != expected(kind, name, *_table_of(who)) and not (is_for_persons and told == OF_PERSONS):
                    wrong.add((name, who))
    return wrong


def _table_of(who: str) -> tuple[frozenset[Permission] | None, Role | None]:
    """What somebody holds, and the role they are like."""
    if who == ANONYMOUS:
        return None, None
    return (ROLES[who], who) if isinstance(who, Role) else OTHERS[who]


# The canary: what can be read


def requests(
    ours: Tenant, theirs: Tenant, only: frozenset[str] | None, remark: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything one can ask for: every root query with everybody's ids, and every type by its id; or some root queries only.

    A remark makes the documents others than those that were asked before.
    """
    for name, field in documents.roots("query").items():
        if name in ("node", "nodes") or (only is not None and name not in only):
            continue
        chosen = documents.selection(get_named_type(field.type)) + remark
        for arguments in _arguments(name, ours, theirs):
            yield documents.document("query", name, arguments, chosen), arguments
    for prefix, type in documents.readable_types().items() if only is None else ():
        whole = f"{{ ... on {type.name} {documents.selection(type)} }}{remark}"
        for row in _rows(prefix, ours, theirs):
            yield documents.document("query", "node", {"id": None}, whole), {"id": row.id}
        ids = [row.id for row in _rows(prefix, ours, theirs)]
        yield documents.document("query", "nodes", {"ids": None}, whole), {"ids": ids}


def _rows(prefix: str, *tenants: Tenant) -> list[Any]:
    return [row for tenant in tenants for row in tenant.every_row if row.prefix == prefix]


def _arguments(name: str, ours: Tenant, theirs: Tenant) -> Iterator[dict[str, Any]]:
    field = documents.roots("query")[name]
    if name == "changes":
        yield {"after": journal.cursor_at(ours.organization_id, 0)}
        yield {"after": journal.cursor_at(theirs.organization_id, 0)}
    elif name == "search":
        for account in (ours.first, ours.second, theirs.first):
            yield {"text": account.mark.text, "first": 100}
    elif name in ("queue", "dispatchQueue"):
        for word in documents.named(field.args["name"].type).values:
            yield {"name": word, "first": 100}
    elif name == "availableTechnicians":
        shift: Any = ours.row("shift")
        yield {"startsAt": shift.starts_at.isoformat(), "endsAt": shift.ends_at.isoformat(), "first": 100}
    elif name == "board":
        yield {"day": str(DAY)}
        yield {"day": str(DAY), "territoryId": theirs.row("ter").id}
        yield {"day": str(DAY), "technicianIds": [ours.second.technician_id]}
    elif name == "myDay":
        for account in (ours.first, ours.second, theirs.first):
            yield {"day": str(DAY), "technicianId": account.technician_id}
    elif name in PLANNERS:
        yield from _asked_of_the_planner(name, ours, theirs)
    elif name == "schedule":
        yield {"day": str(DAY), "first": 100}
        yield {"day": str(DAY), "technicianIds": [theirs.first.technician_id, ours.second.technician_id]}
    elif documents.is_connection(get_named_type(field.type)):
        yield documents.least(field, lambda _: "") | {"first": 100}
    elif (target := documents.row_type(field.type)) is not None and field.args:
        [argument] = field.args
        prefix = next(one for one, type in documents.readable_types().items() if type is target)
        column = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in argument)
        for row in _rows(prefix, ours, theirs):
            yield {argument: getattr(row, column)}
    else:
        yield documents.least(field, lambda _: "")


PLANNERS = frozenset(
    {
        "bookableSlots", "explainAssignment", "holdSlot", "insertUrgent", "insertionOptions", "nearbyWork", "planRemedies",
        "technicianRecommendations", "workForGap",
    }
)  # fmt: skip


def _asked_of_the_planner(name: str, ours: Tenant, theirs: Tenant) -> Iterator[dict[str, Any]]:
    """Questions about everybody's visits, work and technicians, on the day of the shifts."""
    shift: Any = ours.row("shift")
    day = str(shift.starts_at.date())
    for account in (ours.first, ours.second, theirs.first):
        visit, work, technician = account.rows["apt"].id, account.rows["wo"].id, account.technician_id
        yield {
            "bookableSlots": {"workOrderId": work, "day": day},
            "explainAssignment": {"appointmentId": visit},
            "insertionOptions": {"appointmentId": visit, "day": day},
            "nearbyWork": {"day": str(DAY), "technicianId": technician},
            "planRemedies": {
                "runId": (theirs if account is theirs.first else ours).row("run").id,
                "appointmentId": visit,
            },
            "technicianRecommendations": {"appointmentId": visit, "day": day},
            "workForGap": {
                "technicianId": technician,
                "since": shift.starts_at.isoformat(),
                "until": shift.ends_at.isoformat(),
            },
        }[name]


async def everything_read(
    actor: Actor, ours: Tenant, theirs: Tenant, only: frozenset[str] | None = None, remark: str = ""
) -> AsyncIterator[dict[str, Any]]:
    """The answers to everything one can ask for."""
    for document, variables in requests(ours, theirs, only, remark):
        answer = await ask(actor, document, variables)
        assert set(codes(answer)) <= NO_ANSWER | NOTHING_TO_PLAN, (document[:200], answer.get("errors"))
        yield answer


async def everything_heard(actor: Actor, ours: Tenant, theirs: Tenant) -> AsyncIterator[dict[str, Any]]:
    """What each subscription tells, from the journal's beginning."""
    for name, field in documents.roots("subscription").items():
        needed = documents.least(field, lambda place, name=name: ours.row(documents.prefix_at(name, place)).id)  # type: ignore[misc]
        document = documents.document(
            "subscription", name, {"after": None, **needed}, documents.selection(get_named_type(field.type), 1)
        )
        for tenant in (ours, theirs):
            variables = {"after": journal.cursor_at(tenant.organization_id, 0), **needed}
            for answer in await heard(actor, document, variables):
                assert set(codes(answer)) <= NO_ANSWER, (name, answer.get("errors"))
                yield answer


def values_in(answer: Any) -> Iterator[object]:
    """Every key and value of a JSON value."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield key
            yield from values_in(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from values_in(value)
    else:
        yield answer


# What a technician sees of somebody else's account: nothing of these kinds.
OF_AN_ACCOUNT = (
    "hold",
    "cus",
    "con",
    "site",
    "eq",
    "wo",
    "li",
    "note",
    "te",
    "apt",
    "asg",
    "shift",
    "abs",
    "pos",
    "alert",
    "conv",
    "msg",
)


def leaks(actor: Actor, ours: Tenant, theirs: Tenant, answer: dict[str, Any]) -> list[object]:
    """The values in an answer that are not for the actor."""
    marks: list[Mark] = [theirs.mark, theirs.first.mark, theirs.second.mark]
    ids = set(theirs.ids)
    if actor.is_customer:
        marks.append(ours.second.mark)
        ids |= {row.id for row in ours.second.rows.values()}
    if actor.is_technician_only:
        ids |= {ours.second.rows[prefix].id for prefix in OF_AN_ACCOUNT}
    hears_internal = actor.holds(Permission.VIEW_INTERNAL_NOTES)
    given = [
        value for value in values_in(answer.get("data")) if value in ids
    ]  # an error repeats the id that was asked for
    return given + [
        value
        for value in values_in(answer)
        if any(mark.stands_in(value) for mark in marks)
        or (not hears_internal and isinstance(value, str) and HIDDEN in value)
    ]
