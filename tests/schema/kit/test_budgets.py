"""What a caller may ask for in all: paid before, settled after, told in every answer, and refused when it does not reach."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from app.infrastructure import broadcast, journal, limits, tail
from app.kernel.actor import Actor, ActorKind
from app.kernel.budgets import CALLERS, Allowance, Caller, caller_of, read_budgets
from app.kernel.errors import ConfigurationError, RateLimited
from schema.kit import Context, plain_data
from schema.kit.limits import COST_MAX, GraphQLRequest
from schema.kit.service import GraphQLService
from tests.schema.kit import scratch_models as models
from tests.schema.kit.conftest import CUSTOMER, MANAGER, ORGANIZATION
from tests.schema.kit.scratch_api import rename_job
from tests.schema.listening import answers

SMALL = {caller: Allowance(100, 10) for caller in Caller}
RENAME = 'mutation { renameScratchJob(id: "job_01jd0000000000000000000001", title: "new") { job { title } errors { code } } }'
LIST = "{ scratchJobs(first: %d) { nodes { id title } } }"


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "_buckets", limits.MemoryBuckets(clock=clock))
    return clock


class Asker:
    """Asks a service with small budgets as somebody."""

    def __init__(self, schema: Any, budgets: Any = SMALL) -> None:
        self.service = GraphQLService(schema, introspection="everybody", once=frozenset(), budgets=budgets)

    async def __call__(self, document: str, actor: Actor | None = MANAGER, address: str = "192.0.2.1") -> Any:
        request = GraphQLRequest(document, None, {})
        return plain_data(await self.service.run(request, Context(actor, address=address)))

    async def cost(self, document: str, actor: Actor | None = MANAGER, address: str = "192.0.2.1") -> Any:
        return (await self(document, actor, address))["extensions"]["cost"]


@pytest.fixture
def asker(schema: Any, clock: Clock) -> Asker:
    return Asker(schema)


async def make_jobs(count: int) -> None:
    for number in range(count):
        await models.Job.create(
            id=f"job_01jd00000000000000000000{number:02}", organization_id=ORGANIZATION, title=f"Job {number}"
        )


async def test_every_answer_says_what_it_cost_and_what_is_left(scratch: Any, asker: Asker) -> None:
    await make_jobs(3)
    budget = {"maximum": 100, "available": 96, "restoreRate": 10}
    assert await asker.cost(LIST % 50) == {"requested": 51, "actual": 4, "budget": budget}
    assert await asker.cost("{ __typename }") == {"requested": 1, "actual": 1, "budget": budget | {"available": 95}}
    answer = await asker(RENAME)
    assert answer["extensions"]["cost"]["requested"] == 10 + 1 + 1  # the payload and its row; no problems are expected


async def test_a_request_beyond_the_budget_is_refused_unread_and_says_when_to_come_back(
    scratch: Any, asker: Asker, clock: Clock
) -> None:
    await make_jobs(1)
    assert (await asker.cost(LIST % 98))["budget"]["available"] == 98
    await limits.settle(f"people:{MANAGER.id}", SMALL[Caller.PEOPLE], -50)
    for _ in range(3):  # to be refused costs nothing
        with pytest.raises(RateLimited, match="more points than you have left") as refusal:
            await asker(LIST % 70)
        assert refusal.value.data() == {"retryAfterSeconds": 3}  # 71 - 48, at 10 a second
    clock.now += 3
    assert (await asker.cost(LIST % 70))["budget"]["available"] == 48 + 30 - 2
    clock.now += 100
    assert (await asker.cost(LIST % 70))["budget"]["available"] == 100 - 2


async def test_a_mutation_that_is_refused_changes_nothing(scratch: Any, asker: Asker) -> None:
    await make_jobs(2)
    await limits.settle(f"people:{MANAGER.id}", SMALL[Caller.PEOPLE], -95)
    with pytest.raises(RateLimited):
        await asker(RENAME)
    assert (await models.Job.get(id="job_01jd0000000000000000000001")).title == "Job 1"


async def test_each_person_key_and_address_has_a_budget_of_its_own(scratch: Any, asker: Asker) -> None:
    key = dataclasses.replace(MANAGER, kind=ActorKind.API_KEY, id="key_1")
    another_session = dataclasses.replace(MANAGER, session_id="ses_2")
    left = [
        (await asker.cost("{ __typename }", actor, address))["budget"]["available"]
        for actor, address in (
            (MANAGER, "192.0.2.1"),
            (another_session, "192.0.2.2"),  # the same person elsewhere
            (key, "192.0.2.1"),
            (CUSTOMER, "192.0.2.1"),
            (None, "192.0.2.1"),
            (None, "192.0.2.1"),
            (None, "192.0.2.2"),
        )
    ]
    assert left == [99, 98, 99, 99, 99, 98, 99]
    assert [caller_of(one) for one in (MANAGER, key, CUSTOMER, None)] == [
        Caller.PEOPLE,
        Caller.KEYS,
        Caller.CUSTOMERS,
        Caller.ANONYMOUS,
    ]


async def test_who_is_not_signed_in_pays_with_their_network_however_many_addresses_it_has(
    scratch: Any, asker: Asker
) -> None:
    addresses = ("2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:3::1", "192.0.2.7", "::ffff:192.0.2.7")
    left = [(await asker.cost("{ __typename }", None, one))["budget"]["available"] for one in addresses]
    assert left == [99, 98, 99, 99, 98]


@pytest.mark.parametrize("document", ["{", "{ nothing }", "query($n: Int!) { __typename }", "{" + "a " * 30 + "}"])
async def test_what_cannot_be_run_is_paid_for_as_well_until_nothing_is_left(
    scratch: Any, asker: Asker, document: str
) -> None:
    codes = []
    with pytest.raises(RateLimited):
        for _ in range(12):
            answer = await asker(document, None)
            assert "extensions" not in answer and "data" not in answer
            codes.append(answer["errors"][0]["extensions"]["code"])
    assert len(codes) == 10
    await asker("{ __typename }")  # nobody else pays for it


async def test_a_subscription_that_cannot_be_paid_for_does_not_begin(scratch: Any, asker: Asker) -> None:
    document = 'subscription { scratchJobChanged(after: "?") { fact job { title } } }'
    request = GraphQLRequest(document, None, {})
    await limits.settle(f"people:{MANAGER.id}", SMALL[Caller.PEOPLE], -99)
    [(refused, _)] = [one async for one in answers(asker.service, request, lambda: Context(MANAGER))]
    assert refused["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 1}
    assert "data" not in refused
    await asker.service._budgets.drain(Context(MANAGER), 50)
    assert await limits.settle(f"people:{MANAGER.id}", SMALL[Caller.PEOPLE], 0) == 0


async def test_events_that_cannot_be_paid_for_are_not_run_end_the_subscription_and_come_again_on_resuming(
    scratch: Any, asker: Asker, clock: Clock
) -> None:
    await make_jobs(1)
    follow = "subscription($after: String!) { scratchJobChanged(after: $after) { cursor job { title } } }"
    for number in range(60):  # each event is 2 points, as is the start, and 25 are paid for at once
        await rename_job(MANAGER, "job_01jd0000000000000000000000", str(number))

    async def heard(after: str) -> AsyncIterator[Any]:
        request = GraphQLRequest(follow, None, {"after": after})
        async with aclosing(answers(asker.service, request, lambda: Context(MANAGER))) as stream:
            async for response, _ in stream:
                yield plain_data(response)

    await broadcast.start("memory://", channel="test")
    told = [one async for one in heard(journal.cursor_at(ORGANIZATION, 0))]
    refused, cursors = told[-1], [one["data"]["scratchJobChanged"]["cursor"] for one in told[:-1]]
    assert cursors == [journal.cursor_at(ORGANIZATION, seq) for seq in range(1, 26)]
    assert "data" not in refused
    assert refused["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 1}
    clock.now += 3
    async with aclosing(heard(cursors[-1])) as again:
        next_one = await anext(again)
    assert next_one["data"]["scratchJobChanged"]["cursor"] == journal.cursor_at(ORGANIZATION, 26)
    await asker.service.hub.stop()
    await tail.stop()
    await broadcast.stop()


async def test_where_nobody_keeps_count_the_cost_is_told_all_the_same(scratch: Any, schema: Any) -> None:
    asker = Asker(schema, None)
    for _ in range(200):
        assert await asker.cost("{ __typename }") == {"requested": 1, "actual": 1, "budget": None}


def test_budgets_are_read_from_the_settings() -> None:
    assert read_budgets("") == CALLERS
    assert read_budgets(" off ") is None
    changed = read_budgets("keys=7000/9, anonymous=5000/1")
    assert changed == {**CALLERS, Caller.KEYS: Allowance(7000, 9), Caller.ANONYMOUS: Allowance(5000, 1)}
    for text in ("robots=5000/1", "keys=5000", "keys=4999/1", "keys=5000/0", "keys", "keys=-1/1", "keys=x/1"):
        with pytest.raises(ConfigurationError):
            read_budgets(text)


def test_a_full_budget_pays_for_every_request_that_is_allowed() -> None:
    assert all(one.maximum >= COST_MAX for one in CALLERS.values())
