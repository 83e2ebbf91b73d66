"""Queries and mutations: who may use them, what they answer with, and what becomes of problems and bugs."""

from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
import strawberry
from structlog.testing import capture_logs

from app.infrastructure.journal import seq_of
from app.kernel import errors
from app.kernel.dialects import Dialect
from app.kernel.errors import Missing, ScheduleClash
from app.kernel.permissions import Permission
from schema.kit import (
    ANYONE,
    OPERATIONS,
    SIGNED_IN,
    arg,
    build_schema,
    col,
    describe_enum,
    from_parent,
    inputs,
    many,
    mutation,
    one,
    orderable,
    parent,
    plain,
    problems,
    query,
    readable,
    sql_value,
)
from schema.kit.declarations import Node
from schema.kit.problems import PROBLEM_TYPES, shown_problem
from tests.schema.kit import scratch_models as models
from tests.schema.kit.conftest import CUSTOMER, ORGANIZATION, STRANGER, Asking
from tests.schema.kit.scratch_api import GIVEN, Job
from tests.schema.kit.scratch_models import Mood

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB = "job_01jd0000000000000000000001"
OTHER = "job_01jd0000000000000000000002"
TOUCH = """mutation ($input: TouchJobInput!) { touchJob(input: $input) { job { id title } cursor
    errors { __typename code message path ... on IllegalTransition { state allowed to } ... on NotFound { noun id }
      ... on NotPermitted { permission } } } }"""


async def fill() -> None:
    for id, title in ((JOB, "first"), (OTHER, "second")):
        await models.Job(
            id=id, title=title, organization_id=ORGANIZATION, created_at=NOON, updated_at=NOON
        ).save(force_create=True)  # fmt: skip


async def test_a_mutation_answers_with_the_row_as_it_is_now(scratch: Dialect, ask: Asking) -> None:
    await fill()
    data = await ask.data(TOUCH, input={"id": JOB})
    assert data["touchJob"] == {"job": {"id": JOB, "title": "first"}, "cursor": None, "errors": []}
    assert len(ask.statements) == 1
    several = await ask.data(
        "mutation ($ids: [ID!]!) { touchJobs(ids: $ids) { jobs { title } } }", ids=[OTHER, JOB, "job_x"]
    )
    assert several["touchJobs"]["jobs"] == [{"title": "second"}, {"title": "first"}]


async def test_a_mutation_says_where_the_journal_stood_afterwards(scratch: Dialect, ask: Asking) -> None:
    await fill()
    rename = """mutation ($id: ID!, $t: String!) { one: renameScratchJob(id: $id, title: $t) { ...R }
        two: renameScratchJob(id: $id, title: "again") { ...R } none: renameScratchJob(id: "job_x", title: "") { ...R } }
        fragment R on RenameScratchJobPayload { job { title } cursor errors { code path } }"""
    data = await ask.data(rename, id=JOB, t="new")
    assert [data[key]["job"] for key in ("one", "two", "none")] == [{"title": "new"}, {"title": "again"}, None]
    assert [seq_of(data[key]["cursor"], ORGANIZATION) for key in ("one", "two")] == [1, 2]
    assert data["none"] == {"job": None, "cursor": None, "errors": [{"code": "INVALID_INPUT", "path": ["id"]}]}
    foreign = await ask.data(rename.replace('id: "job_x"', "id: $id"), STRANGER, id=JOB, t="stolen")
    assert [data["errors"][0]["code"] for data in foreign.values()] == ["NOT_FOUND"] * 3
    assert (await models.Job.get(id=JOB)).title == "again"


async def test_problems_are_data_with_their_figures(scratch: Dialect, ask: Asking) -> None:
    await fill()
    answer = (await ask.data(TOUCH, input={"id": JOB, "fail": "illegal"}))["touchJob"]
    assert answer["job"] is None and answer["cursor"] is None
    assert answer["errors"] == [
        {
            "__typename": "IllegalTransition",
            "code": "ILLEGAL_TRANSITION",
            "message": "A job that is OPEN cannot become CLOSED. Allowed from here: BUSY.",
            "path": [],
            "state": "OPEN",
            "to": "CLOSED",
            "allowed": ["BUSY"],
        }
    ]
    missing = (await ask.data(TOUCH, input={"id": JOB, "fail": "missing"}))["touchJob"]["errors"]
    assert [(one["__typename"], one["path"], one["noun"], one["id"]) for one in missing] == [
        ("NotFound", ["id"], "job", "job_1")
    ]
    assert ask.statements == []


async def test_a_mutation_without_permission_or_sign_in_does_nothing(scratch: Dialect, ask: Asking) -> None:
    GIVEN.clear()
    refused = (await ask.data(TOUCH, CUSTOMER, input={"id": JOB}))["touchJob"]
    assert [(one["code"], one["permission"]) for one in refused["errors"]] == [("NOT_PERMITTED", "MANAGE_WORK_ORDERS")]
    unknown = (await ask.data(TOUCH, None, input={"id": JOB}))["touchJob"]
    assert [one["code"] for one in unknown["errors"]] == ["NOT_AUTHENTICATED"]
    assert GIVEN == [] and ask.statements == []


async def test_only_what_the_client_gave_reaches_the_command(scratch: Dialect, ask: Asking) -> None:
    GIVEN.clear()
    for sent in ({}, {"title": "a"}, {"dueAt": None}, {"title": "b", "dueAt": "2026-03-01T13:00:00+01:00"}):
        await ask.data(TOUCH, input={"id": JOB, **sent})
    assert GIVEN == [{}, {"title": "a"}, {"due_at": None}, {"title": "b", "due_at": NOON}]
    answer = await ask(TOUCH, input={"id": JOB, "title": None})
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT" and len(GIVEN) == 4


async def test_an_undeclared_problem_is_logged_and_fails_where_strict(
    scratch: Dialect, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await ask(TOUCH, input={"id": JOB, "fail": "undeclared"})
    assert answer["data"] == {"touchJob": None} and answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    monkeypatch.setattr(problems, "STRICT", False)
    with capture_logs() as logs:
        data = await ask.data(TOUCH, input={"id": JOB, "fail": "undeclared"})
    assert [one["code"] for one in data["touchJob"]["errors"]] == ["PLAN_OUTDATED"]
    assert [(one["event"], one["code"]) for one in logs] == [("undeclared problem", "PLAN_OUTDATED")]


async def test_a_bug_becomes_a_reference_number_and_leaves_the_other_mutations_standing(
    scratch: Dialect, ask: Asking
) -> None:
    await fill()
    document = """mutation ($a: TouchJobInput!, $b: TouchJobInput!) { a: touchJob(input: $a) { job { id } } b: touchJob(input: $b) { job { id } } }"""
    with capture_logs() as logs:
        answer = await ask(document, a={"id": JOB}, b={"id": JOB, "fail": "bug", "title": "private"})
    assert answer["data"] == {"a": {"job": {"id": JOB}}, "b": None}
    (error,) = answer["errors"]
    assert error["path"] == ["b"] and error["extensions"]["code"] == "INTERNAL"
    assert "secret" not in str(answer) and error["extensions"]["reference"] in error["message"]
    (logged,) = logs
    assert logged["reference"] == error["extensions"]["reference"] and logged["request_id"] == "req_1"
    assert "private" not in str(logged) and "secret" not in str(logged) and "touchJob(" not in str(logged)
    assert logged["error"] == "RuntimeError" and "touch_job" in logged["at"][-1]
    assert "hunter2" not in str(await ask("{ scratchBug }"))


async def test_queries_refuse_with_a_code(scratch: Dialect, ask: Asking) -> None:
    answer = await ask('{ scratchJobs { totalCount } scratchHello(name: "you") }', None)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_AUTHENTICATED"]
    assert (await ask('{ scratchHello(name: "you") }', None))["data"] == {"scratchHello": "Hello you at 192.0.2.1"}
    assert (await ask.data('mutation { greet(name: "x") { viewer { name crew { id } } } }', None))["greet"] == {
        "viewer": {"name": "x nobody", "crew": None}
    }
    assert ask.statements == []


def test_every_problem_of_the_kernel_has_a_type_with_its_figures() -> None:
    made = [
        errors.InvalidInput("x", path=["a", "b"]),
        errors.NotAuthenticated(),
        errors.NotPermitted("X"),
        errors.NotFound("job", "1"),
        errors.Conflict("x"),
        errors.AlreadyExists("job", "1"),
        errors.StaleVersion("job", 1, 2),
        errors.IllegalTransition("job", "A", "B", ["C"]),
        errors.CompletionBlocked([Missing("NOTE", "Write a note.")]),
        errors.ScheduleConflict([ScheduleClash("OVERLAP", "Busy.", False, "apt_1", None)]),
        errors.PlanOutdated(["apt_1"]),
        errors.IdempotencyMismatch("k"),
        errors.ResyncRequired(),
        errors.LimitReached("x", 1),
        errors.RateLimited(3),
        errors.Unavailable(),
        errors.ConfirmationRequired(15),
        errors.PasswordExpired(),
        errors.SecondFactorRequired({"token": "t", "expiresInSeconds": 600, "methods": [], "passkeyOptions": None}),
        errors.EnrollmentRequired(),
    ]
    assert {type(problem) for problem in made} == set(PROBLEM_TYPES)
    leaves = set(_all_subclasses(errors.Problem))
    assert {kind for kind in leaves if kind.__module__ == "app.kernel.errors"} == set(PROBLEM_TYPES)
    for problem in made:
        shown = shown_problem(problem)
        assert type(shown).__name__ == type(problem).__name__
        assert (shown.code, shown.message, shown.path) == (problem.code, problem.message, list(problem.path))
    assert shown_problem(made[8]).missing[0].message == "Write a note."
    assert shown_problem(made[9]).conflicts[0].appointment_id == "apt_1"
    assert shown_problem(made[18]).challenge.expires_in_seconds == 600


def _all_subclasses(kind: type[Any]) -> list[type[Any]]:
    return [one for sub in kind.__subclasses__() for one in (sub, *_all_subclasses(sub))]


def test_operations_are_registered_for_the_matrix(schema: Any) -> None:
    known = OPERATIONS["mutation", "touchJob"]
    assert (known.kind, known.access, known.problems) == (
        "mutation", Permission.MANAGE_WORK_ORDERS, (errors.IllegalTransition,),
    )  # fmt: skip
    assert OPERATIONS["query", "scratchJobs"].access is Permission.VIEW_WORK_ORDERS
    assert OPERATIONS["query", "scratchHello"].access is ANYONE
    assert OPERATIONS["query", "scratchViewer"].access is SIGNED_IN
    description = schema._schema.mutation_type.fields["touchJob"].description
    assert "ILLEGAL_TRANSITION" in description and "NOT_FOUND" in description and "PLAN_OUTDATED" not in description


def _undescribed_argument() -> None:
    class Queries:
        @query("Says.", permission=SIGNED_IN)
        async def undescribed(word: str) -> str:
            return word

    build_schema([type("Room", (), {"Queries": Queries})])


def _non_null_restricted() -> None:
    @readable(models.Memo, permission=None)
    class BadMemo(Node):
        """A memo."""

        text: str = col("Text.", permission=Permission.VIEW_PRICES)

    class Queries:
        bad_memo: BadMemo | None = one("One.", permission=SIGNED_IN)

    Queries.__annotations__["bad_memo"] = BadMemo | None
    build_schema([type("Room", (), {"Queries": Queries})])


def _unknown_via() -> None:
    from schema.kit import Connection, children

    @readable(models.Crew, permission=None)
    class BadCrew(Node):
        """A crew."""

        jobs: Connection[Job] = children("Jobs.", via="boss_id")

    class Queries:
        bad_crew: BadCrew | None = one("One.", permission=SIGNED_IN)

    Queries.__annotations__["bad_crew"] = BadCrew | None
    build_schema([type("Room", (), {"Queries": Queries})])


@pytest.mark.parametrize(
    "declare",
    [
        lambda: one("", permission=SIGNED_IN),
        lambda: one("Says.", permission=None),  # type: ignore[arg-type]  # that is the point
        lambda: many("Says.", permission="VIEW_WORK_ORDERS"),  # type: ignore[arg-type]  # that is the point
        lambda: col(""),
        lambda: mutation(str, "Says.", permission=SIGNED_IN, noun="word")(lambda word: word),
        lambda: describe_enum(Mood, "Moods.", {Mood.CALM: "Calm."}),
        lambda: plain(type("NoDoc", (), {"__annotations__": {}})),
        lambda: inputs(type("NoDoc", (), {"__annotations__": {}})),
        lambda: readable(models.Memo, permission=None)(type("NoDoc", (Node,), {"__annotations__": {}})),
        lambda: readable(models.Memo, permission=None)(
            type("Bad", (Node,), {"__doc__": "X.", "__annotations__": {"nothing": str}, "nothing": col("X.")})
        ),
        lambda: readable(models.Memo, permission=None)(
            type("Bad", (Node,), {"__doc__": "X.", "__annotations__": {"boss": Job}, "boss": parent("X.")})
        ),
        lambda: readable(models.Memo, permission=None)(
            type("Bad", (Node,), {"__doc__": "X.", "__annotations__": {"text": str}})
        ),
        lambda: orderable("BadOrder", models.Memo, default=(), nothing="X."),
        lambda: orderable("BadOrder", models.Crew, default=(), tags="X."),
        lambda: orderable(
            "BadOrder", models.Job, default=(), rate=from_parent("X.", models.Crew, "rate", via="crew_id")
        ),
        lambda: orderable(
            "BadOrder", models.Job, default=("c",), c=from_parent("X.", models.Crew, "name", via="crew_id")
        ),
        lambda: sql_value("", lambda writer, alias, actor: "1"),
        _undescribed_argument,
        _non_null_restricted,
        _unknown_via,
    ],
)
def test_what_does_not_describe_itself_or_does_not_fit_does_not_load(declare: Any) -> None:
    before = dict(OPERATIONS)
    try:
        with pytest.raises(TypeError):
            declare()
    finally:
        OPERATIONS.clear()
        OPERATIONS.update(before)


def test_two_rooms_cannot_take_the_same_operation() -> None:
    with pytest.raises(Exception) as refused:
        type("Elsewhere", (), {"__module__": "elsewhere", "scratch_job": one("X.", permission=SIGNED_IN)})
    assert "two operations are called scratchJob" in str(refused.value) + str(refused.value.__cause__)


async def test_arguments_may_carry_names_and_defaults(ask: Asking) -> None:
    async def shout(word: Annotated[str, arg("What.", "theWord")] = "hey") -> str:
        return word.upper()

    holder = type("Queries", (), {"__module__": __name__, "shout_now": query("Shouts.", permission=ANYONE)(shout)})
    try:
        ask.schema = build_schema([type("Room", (), {"Queries": holder})])
        assert await ask.data('{ a: shoutNow b: shoutNow(theWord: "ho") }') == {"a": "HEY", "b": "HO"}
        assert isinstance(ask.schema, strawberry.Schema)
    finally:
        OPERATIONS.pop(("query", "shoutNow"), None)
