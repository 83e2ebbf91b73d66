"""What a caller may ask for in all: paid before, settled after, told in every answer, and refused when it does not reach."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from app.infrastructure import broadcast, journal, limits, tail
from app.kernel.actor import Actor, ActorKind
from app.kernel.allowances import Allowance, KeyTerms
from app.kernel.budgets import CALLERS, Caller, caller_of, read_budgets
from app.kernel.errors import ConfigurationError, RateLimited
from schema.kit import Context, plain_data
from schema.kit.budgets import rate_headers
from schema.kit.limits import COST_MAX, GraphQLRequest
from schema.kit.service import GraphQLService
from tests.schema.kit import scratch_models as models
from tests.schema.kit.conftest import CUSTOMER, MANAGER, ORGANIZATION
from tests.schema.kit.scratch_api import rename_job
from tests.schema.listening import answers

SMALL = {caller: Allowance(100, 10) for caller in Caller} | {
    Caller.ACCOUNTS: Allowance(250, 20),
    Caller.ORGANIZATIONS: Allowance(1000, 50),
}
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
    shared = {"maximum": 1000, "available": 996, "restoreRate": 50}
    assert await asker.cost(LIST % 50) == {"requested": 51, "actual": 4, "budget": budget, "organization": shared}
    assert await asker.cost("{ __typename }") == {
        "requested": 1,
        "actual": 1,
        "budget": budget | {"available": 95},
        "organization": shared | {"available": 995},
    }
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


async def test_one_caller_of_an_organization_cannot_use_up_what_there_is_for_the_others(
    scratch: Any, asker: Asker
) -> None:
    with pytest.raises(RateLimited, match=r"^(You have no|This costs more points than you)"):
        while True:
            await asker("{ " + " ".join(f"a{n}: __typename" for n in range(10)) + LIST % 40 + " }")
    other = dataclasses.replace(MANAGER, id="usr_2")
    assert (await asker.cost("{ __typename }", other))["organization"]["available"] >= 800


async def test_all_callers_of_an_organization_together_have_an_end_and_another_organization_does_not_feel_it(
    scratch: Any, asker: Asker
) -> None:
    crowd = [dataclasses.replace(MANAGER, id=f"usr_{number}") for number in range(12)]
    for one in crowd[:10]:
        await limits.take(f"organization:{ORGANIZATION}", SMALL[Caller.ORGANIZATIONS], 99)
        await asker("{ __typename }", one)
    with pytest.raises(RateLimited, match="all of your organization have left together"):
        await asker("{ __typename }", crowd[10])
    elsewhere = dataclasses.replace(MANAGER, organization_id="org_2")
    cost = await asker.cost("{ __typename }", elsewhere)
    assert cost["organization"]["available"] == 999


async def test_who_is_refused_for_the_others_pays_nothing(scratch: Any, asker: Asker) -> None:
    await limits.take(f"organization:{ORGANIZATION}", SMALL[Caller.ORGANIZATIONS], 995)
    with pytest.raises(RateLimited, match="organization"):
        await asker(LIST % 50)
    assert (await asker.cost("{ __typename }"))["budget"]["available"] == 99


async def test_the_people_of_a_customers_account_share_a_budget(scratch: Any, asker: Asker) -> None:
    colleague = dataclasses.replace(CUSTOMER, id="usr_colleague")
    await asker("{ __typename }", CUSTOMER)
    cost = await asker.cost("{ __typename }", colleague)
    assert (cost["budget"]["available"], cost["account"]["available"]) == (99, 248)
    await limits.take(f"account:{CUSTOMER.customer_id}", SMALL[Caller.ACCOUNTS], 248)
    with pytest.raises(RateLimited, match="all of your account"):
        await asker("{ __typename }", colleague)
    assert "account" not in await asker.cost("{ __typename }")


async def test_a_key_has_the_budget_it_was_given_but_no_more_than_the_servers(scratch: Any, asker: Asker) -> None:
    key = dataclasses.replace(MANAGER, kind=ActorKind.API_KEY, id="key_1")
    asked = [
        (await asker.cost("{ __typename }", dataclasses.replace(key, id=f"key_{n}", terms=KeyTerms(allowance))))[
            "budget"
        ]
        for n, allowance in enumerate((None, Allowance(50, 5), Allowance(500, 5), Allowance(50, 500)))
    ]
    assert [(one["maximum"], one["restoreRate"]) for one in asked] == [(100, 10), (50, 5), (100, 5), (50, 10)]


async def test_a_key_may_ask_so_often_in_a_minute_and_no_more(scratch: Any, asker: Asker) -> None:
    await limits.start()
    key = dataclasses.replace(MANAGER, kind=ActorKind.API_KEY, id="key_1", terms=KeyTerms(requests_per_minute=3))
    for _ in range(3):
        await asker("{ __typename }", key)
    with pytest.raises(RateLimited, match="Too many tries") as refused:
        await asker("{ __typename }", key)
    assert 1 <= refused.value.retry_after_seconds <= 60
    await asker("{ __typename }", dataclasses.replace(key, id="key_2"))


def test_headers_say_what_is_left_and_when_it_is_full_again() -> None:
    own = {"maximum": 100, "available": 95, "restoreRate": 10}
    shared = {"maximum": 1000, "available": 1000, "restoreRate": 30}
    assert dict(rate_headers({"requested": 1, "actual": 1, "budget": own, "organization": shared})) == {
        b"ratelimit": b'"budget";r=95;t=1, "organization";r=1000;t=0',
        b"ratelimit-policy": b'"budget";q=100;w=10, "organization";q=1000;w=34',
    }
    assert rate_headers({"requested": 1, "actual": 1, "budget": None}) == []


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
