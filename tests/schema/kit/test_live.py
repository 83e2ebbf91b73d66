"""What is heard and watched: made once for all who may see the same, told in order, and no more than they may see."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from app.infrastructure import broadcast, journal, tail
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from schema.kit import Context, plain_data
from schema.kit.limits import GraphQLRequest
from schema.kit.live.audience import Account, Personal, Viewers, viewer_of
from schema.kit.service import GraphQLService
from tests.schema.kit import scratch_api
from tests.schema.kit import scratch_models as models
from tests.schema.kit.conftest import CUSTOMER, MANAGER, ORGANIZATION
from tests.schema.kit.scratch_api import rename_job
from tests.schema.listening import answers

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB, OTHER = "job_01jd0000000000000000000001", "job_01jd0000000000000000000002"
RENAMED = """subscription ($begins: String! = "", $after: String) {
  heard: scratchRenamed(begins: $begins, after: $after) { jobId cursor job { title } } }"""
BY_ME = "subscription { heard: scratchRenamedByMe { jobId } }"
TITLES = "subscription { heard: scratchTitles { jobId title removed cursor job { title } } }"
COUNT = "subscription ($word: String!) { heard: scratchCount(word: $word) { jobs } }"
SECONDS = 5


class Listener:
    """One subscription, heard answer by answer."""

    def __init__(self, service: GraphQLService, actor: Actor | None, document: str, **variables: Any) -> None:
        request = GraphQLRequest(document, None, variables)
        self.told = answers(service, request, lambda: Context(actor))

    async def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = plain_data((await asyncio.wait_for(anext(self.told), SECONDS))[0])
        return answer

    async def event(self) -> Any:
        answer = await self.answer()
        assert "errors" not in answer, answer
        return answer["data"]["heard"]


@pytest_asyncio.fixture(loop_scope="session")
async def service(scratch: Dialect, schema: Any) -> AsyncIterator[GraphQLService]:
    for id in (JOB, OTHER):
        row = models.Job(id=id, title="old", organization_id=ORGANIZATION, created_at=NOON, updated_at=NOON)
        await row.save(force_create=True)
    scratch_api.CALLS.clear()
    await broadcast.start("memory://", channel="test")
    service = GraphQLService(schema, introspection="everybody", once=frozenset())
    try:
        yield service
    finally:
        await service.hub.stop()
        await tail.stop()
        await broadcast.stop()


async def start() -> str:
    return journal.cursor_at(ORGANIZATION, await journal.head(ORGANIZATION))


async def test_a_function_makes_events_of_the_facts_it_names(service: GraphQLService) -> None:
    listener = Listener(service, MANAGER, RENAMED, begins="new", after=await start())
    await rename_job(MANAGER, JOB, "other")
    await rename_job(MANAGER, OTHER, "new one")
    event = await listener.event()
    assert (event["jobId"], event["job"]) == (OTHER, {"title": "new one"})
    assert event["cursor"] == await start()
    assert scratch_api.CALLS == [("Viewers", []), ("Viewers", [JOB, OTHER])]
    await listener.told.aclose()


async def test_what_a_function_refuses_is_refused_before_anything_happened(service: GraphQLService) -> None:
    answer = await Listener(service, MANAGER, RENAMED, begins="b" * 21).answer()
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID_INPUT"]


async def test_what_is_personal_knows_who_hears_it(service: GraphQLService) -> None:
    other = replace(MANAGER, id="usr_other")
    mine, theirs = Listener(service, MANAGER, BY_ME), Listener(service, other, BY_ME)
    heard = [asyncio.create_task(one.event()) for one in (mine, theirs)]
    await asyncio.sleep(0.05)
    await rename_job(other, OTHER, "new")
    await rename_job(MANAGER, JOB, "new")
    assert [event["jobId"] for event in await asyncio.gather(*heard)] == [JOB, OTHER]
    for one in (mine, theirs):
        await one.told.aclose()


async def test_what_there_is_comes_first_and_then_what_differs_or_is_gone(service: GraphQLService) -> None:
    listener = Listener(service, MANAGER, TITLES)
    assert [(await listener.event())["title"] for _ in range(2)] == ["old", "old"]
    await rename_job(MANAGER, OTHER, "new")
    event = await listener.event()
    assert (event["jobId"], event["title"], event["removed"]) == (OTHER, "new", False)
    assert event["job"] == {"title": "new"} and event["cursor"] == await start()
    await models.Job.filter(id=OTHER).delete()
    broadcast.wake(ORGANIZATION, "titles")
    event = await listener.event()
    assert (event["jobId"], event["title"], event["removed"], event["job"]) == (OTHER, "new", True, None)
    await listener.told.aclose()


async def test_whoever_knows_the_word_hears_without_signing_in_and_nobody_else(service: GraphQLService) -> None:
    listener = Listener(service, None, COUNT, word="please")
    assert await listener.event() == {"jobs": 2}
    await listener.told.aclose()
    answer = await Listener(service, None, COUNT, word="now").answer()
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]


def test_the_office_and_the_people_of_a_customer_are_nobody_in_particular() -> None:
    other = replace(MANAGER, id="usr_other", session_id=MANAGER.session_id)
    (scope, office), (same, _) = viewer_of(MANAGER), viewer_of(other)
    assert scope == same and isinstance(office, Viewers)
    assert (office.organization_id, office.permissions) == (ORGANIZATION, MANAGER.permissions)
    assert not office.is_customer and not office.is_technician_only
    for name in ("id", "roles", "session_id", "technician_id", "customer_id"):
        with pytest.raises(Personal):
            getattr(office, name)
    scope, account = viewer_of(CUSTOMER)
    assert isinstance(account, Account) and account.is_customer and account.customer_id == CUSTOMER.customer_id
    assert viewer_of(replace(CUSTOMER, customer_id="cus_2"))[0] != scope
    with pytest.raises(Personal):
        _ = account.id


def test_who_hears_what_is_personal_is_only_themselves() -> None:
    other = replace(MANAGER, id="usr_other")
    assert viewer_of(MANAGER, personal=True)[1] is MANAGER
    assert viewer_of(MANAGER, personal=True)[0] != viewer_of(other, personal=True)[0]
