"""Every example that partners read runs as it stands in the demo company, on both databases, and answers without a problem."""

import json
import re
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from graphql import TypeInfo, TypeInfoVisitor, Visitor, get_named_type, parse, validate, visit

from app.demo import company
from app.infrastructure import tokens
from app.kernel.budgets import CALLERS
from app.kernel.dialects import Dialect
from app.kernel.permissions import Role
from schema.docs.examples import PLACES, Example, filled, sample, written
from schema.docs.guides import guides
from schema.kit import Context, problems
from schema.kit.execution import core_of
from schema.kit.limits import GraphQLRequest
from schema.kit.live import SUBSCRIPTIONS, State
from schema.kit.measuring import MUTATION_COST, SCAN_COST, SCANS
from schema.kit.service import EVERYBODY, GraphQLService
from schema.kit.weighing import is_filter, weight
from schema.scheduling.advice import POINTS
from schema.schema import api
from tests.schema.asking import PLANNERS
from tests.schema.docs.world import World, found_world
from tests.schema.listening import answers as each_answer

README = Path(__file__).resolve().parents[3] / "README.md"
BLOCK = re.compile(r"```graphql\n(.*?)```(?:\s*```json\n(.*?)```)?", re.DOTALL)
NAME = re.compile(r"^(?:query|mutation|subscription) (\w+)")
# What the README leaves to the reader: whose ids, and who asks.
VARIABLES: dict[str, dict[str, Any]] = {
    "Follow": {"after": "<cursor start>"},
    "DayBoard": {"day": "<day today>"},
    "FollowBoard": {"day": "<day today>", "after": "<cursor start>"},
    "MyDay": {"day": "<day today>"},
    "PlanOf": {"id": "<run ready>"},
    "Commit": {"id": "<run ready>", "day": "<day today>"},
    "Depart": {"input": {"id": "<apt dispatched>"}},
    "Finish": {"order": "<wo in progress>", "visit": "<apt in progress>"},
    "Anything": {"id": "<wo any>", "ids": ["<cus any>", "<site any>"]},
    "Changes": {"after": "<cursor start>"},
    "Tomorrow": {"from": "<time now>", "to": "<time tomorrow>"},
    "Exported": {"id": "exp_01jd0000000000000000000000"},
    "Ahead": {"serviceType": "<svc any>"},
    "Why": {"visit": "<apt dispatched>"},
    "Who": {"visit": "<apt unscheduled>", "day": "<day today>"},
    "Ways": {"visit": "<apt unscheduled>", "day": "<day today>"},
    "Slots": {"work": "<wo triaged>", "day": "<day today>"},
    "Confirm": {"id": "<hold held>"},
    "Share": {"id": "<apt dispatched>"},
    "Track": {"token": "<vsh secret>"},
    "SignIn": {"input": {"email": f"dispatcher@{company.DOMAIN}", "password": company.PASSWORD}},
    "Security": {"input": {"passwordLengthMin": 14, "mfaRoles": ["ADMINISTRATOR"]}},
    "Invite": {"input": {"email": "carla@example.com", "legalName": "Carla Diaz", "roles": ["DISPATCHER"]}},
    "MyCopy": {"input": {}},
}
ROLES = {
    "CreateRole": Role.ADMINISTRATOR,
    "Export": Role.ADMINISTRATOR,
    "Exported": Role.ADMINISTRATOR,
    "Invite": Role.ADMINISTRATOR,
    "Key": Role.ADMINISTRATOR,
    "MyDay": Role.TECHNICIAN,
    "Report": Role.TECHNICIAN,
    "Security": Role.ADMINISTRATOR,
    "Sync": Role.TECHNICIAN,
}

SLACK = 8  # points: a short list that stays empty, a row that is not there
# Points for the row with which an export is tried, which no answer shows, do not come back.
NOT_GIVEN_BACK = frozenset({"README Export"})
# Each value of a facet counts a page of rows, and as many values as there may be are counted.
PAGES_FOR_EACH_VALUE = frozenset({"README Kanban", "kanban", "lists Columns"})

service = GraphQLService(api, introspection=EVERYBODY, once=frozenset(), budgets=CALLERS)


def blocks(text: str, source: str) -> Iterator[Example]:
    """The GraphQL of a text, with the JSON that directly follows as its variables."""
    for found in BLOCK.finditer(text):
        named = NAME.match(found[1])
        assert named is not None, found[1]
        name = named[1]
        variables = json.loads(found[2]) if found[2] else VARIABLES.get(name, {})
        yield Example(f"{source} {name}", name, "", found[1], variables, ROLES.get(name, Role.DISPATCHER))


def every_example() -> list[Example]:
    """What stands beside the schema, in the guides and in the README."""
    return [
        *written(),
        *(one for guide in guides() for one in blocks(guide.text, guide.name)),
        *blocks(README.read_text(), "README"),
    ]


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def world(database: Dialect, monkeypatch: pytest.MonkeyPatch) -> World:
    """The demo company; all its people have one password, which is hashed once."""
    known = await tokens.hash_password(company.PASSWORD)

    async def same(password: str) -> str:
        return known

    monkeypatch.setattr("app.infrastructure.tokens.hash_password", same)
    return await found_world()


async def answers(world: World, example: Example) -> list[dict[str, Any]]:
    """What an example is answered with, its placeholders filled in; several answers of a subscription."""
    values: dict[str, Any] = {}
    for words in places(example.variables):
        values[words] = await world.value(words)
    actor = await world.actor(example.role)
    request = GraphQLRequest(example.document, None, filled(example.variables, values.__getitem__))
    given: list[dict[str, Any]] = []
    async with aclosing(each_answer(service, request, lambda: Context(actor), ends=True)) as told:
        async for one, _ in told:
            given.append(one)
            # What is watched goes on for ever.
            if any(isinstance(SUBSCRIPTIONS.get(name), State) for _, name in example.roots()):
                break
    return given


def places(variables: Any) -> list[str]:
    """The words of all placeholders, in order."""
    found: list[str] = []
    filled(variables, found.append)
    return found


def complaints(example: Example, given: list[dict[str, Any]]) -> list[Any]:
    """What is wrong with an example's answers."""
    wrong: list[Any] = [] if given else ["no answer"]
    for answer in given:
        wrong.extend(answer.get("errors", []))
        for name, value in (answer.get("data") or {}).items():
            wrong.extend(value.get("errors", []) if isinstance(value, dict) else [])
            if value is None and not example.name.startswith("README"):
                wrong.append(f"{name} is null")
    return wrong


def work_of(example: Example, answer: dict[str, Any]) -> int:
    """What an answer took: its objects, without the edges between them, and what mutations, counts and filters add to that."""

    def objects(value: Any, key: str) -> int:
        if isinstance(value, list):
            return sum(objects(one, key) for one in value)
        if not isinstance(value, dict):
            return SCAN_COST if key in SCANS else 0
        return (key != "edges") + sum(objects(one, inner) for inner, one in value.items())

    kind, _ = next(iter(example.roots()))
    data = answer.get("data") or {}
    changes = MUTATION_COST * len(data) if kind == "mutation" else 0
    thought = POINTS * sum(name in PLANNERS for _, name in example.roots())
    return max(objects(data, "") - 1 + changes + thought + conditions_of(example), 1)


def conditions_of(example: Example) -> int:
    """What the filters of an example take, of whose work the answer shows nothing."""
    found: list[int] = []
    types = TypeInfo(core_of(api))

    class Filters(Visitor):
        def enter_argument(self, node: Any, *_: Any) -> None:
            type = get_named_type(types.get_input_type())
            if is_filter(type):
                found.append(weight(type, node.value, lambda name, part: weight(part, example.variables.get(name))))

    visit(example.node, TypeInfoVisitor(types, Filters()))
    return sum(found)


def misjudged(example: Example, answer: dict[str, Any]) -> list[str]:
    """How the costs that an answer tells differ from what it took. Points for rows at the root that are not there in this
    company come back, so it is what is paid in the end that is held against the work: half of it at least, thrice at most.
    """
    cost, work = answer["extensions"]["cost"], work_of(example, answer)
    most = 3 * work + SLACK if example.name not in PAGES_FOR_EACH_VALUE | NOT_GIVEN_BACK else cost["requested"]
    return [] if work / 2 <= cost["actual"] <= min(most, cost["requested"]) else [f"{cost} for {work}"]


@pytest.mark.slow
async def test_every_example_runs_in_the_demo_company_and_costs_what_it_takes(world: World) -> None:
    failed = {}
    for example in every_example():
        given = await answers(world, example)
        wrong = complaints(example, given)
        wrong += misjudged(example, given[0]) if given and "extensions" in given[0] else ["no cost"]
        if wrong:
            failed[example.name] = wrong
    assert failed == {}


@pytest.mark.slow
@pytest.mark.parametrize("database", [Dialect.SQLITE], indirect=True)
async def test_an_example_that_is_refused_is_noticed(world: World) -> None:
    def depart(id: str) -> Example:
        document = "mutation($input: DepartInput!) { depart(input: $input) { appointment { id } errors { code } } }"
        return Example("twice", "", "", document, {"input": {"id": id}})

    first = depart(await world.value("apt dispatched"))
    assert complaints(first, await answers(world, first)) == []
    assert complaints(first, await answers(world, first)) == [{"code": "ILLEGAL_TRANSITION"}]
    silent = Example("", "", "", '{ workOrder(id: "wo_01m80tq4r0fqx9w0e30n4n32an") { id } }')
    assert complaints(silent, await answers(world, silent)) == ["workOrder is null"]


def test_examples_in_texts_are_valid() -> None:
    found = every_example()
    assert [one.name for one in found if validate(core_of(api), parse(one.document))] == []
    assert len([one for one in found if one.name.startswith("README")]) == README.read_text().count("```graphql")
    assert len(found) - len(written()) > 20


def test_the_main_operations_have_examples_by_hand() -> None:
    shown = {name for example in written() for _, name in example.roots()}
    assert shown >= {
        "logIn", "refreshSession", "viewer", "createApiKey", "createCustomer", "createSite", "customers", "technicians",
        "availableTechnicians", "reportPositions", "equipment", "workOrders", "workOrder", "createWorkOrder", "addNote",
        "queueCounts", "journalCursor", "schedule", "scheduleAppointment", "depart", "completeAppointment", "planDay",
        "commitPlan", "planRun", "importWorkOrders", "changes", "workOrderChanged", "appointmentChanged",
    }  # fmt: skip


def test_what_readers_see_for_a_placeholder_looks_like_what_it_stands_for() -> None:
    for example in every_example():
        for words in places(example.variables):
            first = words.split()[0]
            if first not in PLACES:
                assert re.fullmatch(rf"{first}_[0-7][0-9a-hjkmnp-tv-z]{{25}}", sample(words)), words
            assert sample(words) == sample(words)
    assert "<" not in json.dumps([example.shown_variables for example in every_example()])
