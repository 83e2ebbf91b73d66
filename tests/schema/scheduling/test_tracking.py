"""Following one visit with nothing but a link: what strangers see of it, what they do not, and when it ends."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio

from app.customers.models import Site
from app.infrastructure import broadcast
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.main import BOARD
from app.scheduling import commands
from app.scheduling.models import Appointment
from app.technicians.models import Technician
from app.technicians.rules import PositionReport
from schema.kit import Context
from schema.kit.limits import GraphQLRequest
from schema.kit.live import SUBSCRIPTIONS, State
from tests.app.scheduling.test_positions import under_way
from tests.app.scheduling.world import Company, booked, found
from tests.schema.asking import ask, codes, heard, service
from tests.schema.listening import answers as each_answer

SEEN = """status statusLabel isOver windowStart windowEnd startsAt etaAt timeZone technicianFirstName
    place { coordinates { latitude longitude } at }"""
TRACKED = f"query($token: String!) {{ trackedVisit(token: $token) {{ {SEEN} }} }}"
TRACK = f"subscription($token: String!) {{ trackVisit(token: $token) {{ {SEEN} }} }}"
SHARE = """mutation($id: ID!) { shareVisit(input: { appointmentId: $id }) {
    sharedVisit { visitShareId visitShare { appointment { id } revokedAt } token path } errors { code } } }"""
REVOKE = """mutation($id: ID!) { revokeVisitShare(input: { id: $id }) {
    visitShare { revokedAt } errors { code } } }"""


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> AsyncIterator[Company]:
    await broadcast.start("memory://")
    try:
        yield await found("Acme")
    finally:
        await broadcast.stop()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who follows a link is told at once, whatever was told just before."""
    monkeypatch.setattr(SUBSCRIPTIONS["trackVisit"], "pause", 0.01)


async def link_to(actor: Actor, id: str) -> dict[str, Any]:
    """A new link."""
    payload = (await ask(actor, SHARE, {"id": id}))["data"]["shareVisit"]
    assert payload["errors"] == []
    link: dict[str, Any] = payload["sharedVisit"]
    return link


@asynccontextmanager
async def tracking(token: str) -> AsyncIterator[Any]:
    """What somebody who is not signed in is told, one after another."""
    answers = each_answer(service, GraphQLRequest(TRACK, None, {"token": token}), lambda: Context(None))

    async def told() -> dict[str, Any]:
        async with asyncio.timeout(15):
            answer, cursor = await anext(answers)
        assert not cursor
        return answer

    try:
        yield told
    finally:
        await answers.aclose()


async def test_a_link_shows_the_visit_and_nothing_else_of_the_company(company: Company) -> None:
    await Technician.filter(id=company.ann_id).update(name="Ann Leeward")
    id = await under_way(company)
    await Site.all().update(time_zone="America/New_York")
    link = await link_to(company.dispatcher, id)
    assert link["path"] == f"/track#{link['token']}"
    assert link["visitShare"] == {"appointment": {"id": id}, "revokedAt": None}
    await commands.report_positions(company.ann, [PositionReport(52.12345, 13.98765, utc_now())])
    answer = await ask(None, TRACKED, {"token": link["token"]})
    visit = await Appointment.get(id=id)
    assert answer["data"]["trackedVisit"] | {"place": None, "startsAt": None, "etaAt": None} == {
        "status": "EN_ROUTE",
        "statusLabel": "On the way to you",
        "isOver": False,
        "windowStart": None,
        "windowEnd": None,
        "startsAt": None,
        "etaAt": None,
        "timeZone": "America/New_York",
        "technicianFirstName": "Ann",
        "place": None,
    }
    place = answer["data"]["trackedVisit"]["place"]
    assert place["coordinates"] == {"latitude": 52.123, "longitude": 13.988}
    text = str(answer)
    for hidden in (
        "Leeward",
        company.organization_id,
        id,
        visit.customer_id,
        visit.site_id,
        company.ann_id,
        "52.12345",
    ):
        assert hidden not in text


async def test_the_page_asks_for_what_there_is_and_on_whose_clocks_to_show_it(company: Company) -> None:
    link = await link_to(company.dispatcher, await booked(company))
    document = (BOARD / "track.js").read_text(encoding="utf-8").split("`")[1]
    [told] = await heard(None, document, {"token": link["token"]})
    assert told["data"]["trackVisit"]["timeZone"] == "Europe/Berlin"


async def test_who_has_the_link_is_told_what_happens_until_the_end(company: Company, hurried: None) -> None:
    id = await under_way(company)
    link = await link_to(company.customer, id)
    async with tracking(link["token"]) as told:
        first = (await told())["data"]["trackVisit"]
        assert (first["status"], first["place"]) == ("EN_ROUTE", None)
        await commands.report_positions(company.ann, [PositionReport(52.1, 13.9, utc_now())])
        assert (await told())["data"]["trackVisit"]["place"]["coordinates"] == {"latitude": 52.1, "longitude": 13.9}
        await commands.arrive(company.ann, id)
        arrived = (await told())["data"]["trackVisit"]
        assert (arrived["statusLabel"], arrived["place"]) == ("Arrived", None)
        await commands.start_work(company.ann, id)
        await commands.complete_appointment(company.ann, id)
        while not (seen := (await told())["data"]["trackVisit"])["isOver"]:
            assert seen["status"] == "IN_PROGRESS"
        assert (seen["status"], seen["statusLabel"]) == ("COMPLETED", "Done")


async def test_a_link_that_many_follow_is_looked_at_once_in_ten_seconds() -> None:
    live = SUBSCRIPTIONS["trackVisit"]
    assert isinstance(live, State)
    assert live.pause == 10


async def test_who_follows_a_link_that_is_revoked_told_so_and_no_more(company: Company, hurried: None) -> None:
    id = await booked(company)
    link = await link_to(company.dispatcher, id)
    async with tracking(link["token"]) as told:
        assert (await told())["data"]["trackVisit"]["status"] == "SCHEDULED"
        revoked = await ask(company.dispatcher, REVOKE, {"id": link["visitShareId"]})
        assert revoked["data"]["revokeVisitShare"]["errors"] == []
        last = await told()
        assert codes(last) == ["NOT_FOUND"]
        assert link["token"] not in str(last)
        with pytest.raises(StopAsyncIteration):
            await told()


async def test_a_link_that_opens_nothing_is_answered_alike_and_never_told_back(company: Company) -> None:
    id = await booked(company)
    revoked, ended = await link_to(company.dispatcher, id), await link_to(company.dispatcher, id)
    await commands.revoke_visit_share(company.dispatcher, revoked["visitShareId"])
    other = await booked(company, company.bob_id)
    past = await link_to(company.dispatcher, other)
    await Appointment.filter(id=other).update(completed_at=utc_now() - timedelta(hours=5))
    made_up = "visit_" + base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=") + "_aaaaaa"
    answers = []
    for token in (revoked["token"], past["token"], made_up, "", company.organization_id):
        asked = await ask(None, TRACKED, {"token": token})
        [told] = await heard(None, TRACK, {"token": token})
        for answer in (asked, told):
            assert token == "" or token not in str(answer)
            answers += [{name: one[name] for name in ("message", "extensions")} for one in answer["errors"]]
    assert len(answers) == 10
    assert all(orjson.dumps(one) == orjson.dumps(answers[0]) for one in answers)
    assert answers[0]["extensions"]["code"] == "NOT_FOUND"
    assert "errors" not in await ask(None, TRACKED, {"token": ended["token"]})


async def test_links_are_listed_for_the_office_and_their_customer_without_their_secrets(company: Company) -> None:
    id = await booked(company)
    link = await link_to(company.customer, id)
    document = "query($id: ID!) { appointment(id: $id) { shares { totalCount nodes { id revokedAt } } } }"
    for actor, count in ((company.dispatcher, 1), (company.customer, 1), (company.ann, 0)):
        answer = await ask(actor, document, {"id": id})
        assert answer["data"]["appointment"]["shares"]["totalCount"] == count
        assert link["token"] not in str(answer)
    other = await found("Globex")
    node = await ask(other.dispatcher, "query($id: ID!) { node(id: $id) { id } }", {"id": link["visitShareId"]})
    assert node["data"]["node"] is None


async def test_technicians_and_support_make_no_links(company: Company) -> None:
    id = await booked(company)
    for actor in (company.ann, company.support):
        assert codes(await ask(actor, SHARE, {"id": id})) == ["NOT_PERMITTED"]
    assert codes(await ask(None, SHARE, {"id": id})) == ["NOT_AUTHENTICATED"]
