"""Files over HTTP: who gets one, whole or in part, and what a link is worth."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from app import downloads
from app.identity.models import User
from app.infrastructure import journal, storage, tokens
from app.integrations import queries, rules
from app.integrations.models import BulkExport
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.permissions import Role
from app.serving import Envelope
from schema.kit import compression
from schema.kit.compression import Packed
from tests.schema.integrations.exports import (
    Office,
    an_office,
    content,
    requested,
    row_of,
    shown,
    work,
)


@pytest_asyncio.fixture
async def office(sqlite_database: Dialect, tmp_path: Path) -> Office:
    return await an_office(tmp_path)


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=Envelope(Packed(Starlette(routes=downloads.routes()))))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        client.headers.pop("accept-encoding")
        yield client


async def a_file(office: Office, actor: Actor | None = None, rows: int = 50, **input: object) -> tuple[str, str, bytes]:
    """A ready export: its id, a link, and what is in the file."""
    await office.customers(rows)
    asker = actor or office.boss
    id = await requested(asker, **input)
    await work()
    return id, (await shown(asker, id))["url"], await content(id)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["errors"][0]["extensions"]["code"]


async def test_a_link_gives_the_file_to_be_saved_and_kept_nowhere_else(office: Office, http: httpx.AsyncClient) -> None:
    id, url, data = await a_file(office, fileName='Kunden "Süd"')
    response = await http.get(url)
    assert (response.status_code, response.content) == (200, data)
    headers = response.headers
    assert headers["content-type"] == "application/x-ndjson"
    assert headers["content-disposition"] == (
        "attachment; filename=\"Kunden S_d.ndjson\"; filename*=UTF-8''Kunden%20S%C3%BCd.ndjson"
    )
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert (headers["content-length"], headers["accept-ranges"]) == (str(len(data)), "bytes")
    assert await downloads_of(office) == [(id, office.boss.id)]
    head = await http.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(data)))


async def downloads_of(office: Office) -> list[tuple[str, str]]:
    """Which files were taken, and by whom."""
    facts = await journal.read(office.organization_id, 0)
    return [(one.subject_id, one.actor_id) for one in facts if one.type == "BulkExportDownloaded"]


async def test_each_link_is_one_download_in_however_many_parts(
    office: Office, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, url, data = await a_file(office)
    await http.head(url)
    beyond = await http.get(url, headers={"range": f"bytes={len(data)}-"})
    assert (beyond.status_code, await downloads_of(office)) == (416, [])
    parts = [await http.get(url, headers={"range": f"bytes={first}-{first + 8}"}) for first in range(1, 50, 9)]
    assert {part.status_code for part in parts} == {206}
    assert await downloads_of(office) == [(id, office.boss.id)]
    both = [http.get(url), http.get(url, headers={"range": "bytes=0-"})]
    assert {answer.content for answer in await asyncio.gather(*both)} == {data}
    assert await downloads_of(office) == [(id, office.boss.id)]
    now = utc_now()
    monkeypatch.setattr(queries, "utc_now", lambda: now + timedelta(minutes=1))
    later = (await shown(office.boss, id))["url"]
    assert later != url and (await http.get(later)).status_code == 200
    assert await downloads_of(office) == [(id, office.boss.id)] * 2


async def test_a_link_answers_so_many_requests(
    office: Office, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "LINK_REQUESTS_MAX", 3)
    id, url, _ = await a_file(office)
    manager = await office.person(Role.ADMINISTRATOR)
    answers = [await http.get(url, headers={"range": "bytes=1-2"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [206, 206, 206, 429, 429]
    assert refusal(answers[-1]) == (429, "RATE_LIMITED")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 900
    other = await http.get((await shown(manager, id))["url"])
    assert other.status_code == 200, "another's link is their own"


async def test_what_is_not_stored_is_not_packed_on_its_way(
    office: Office, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url, _ = await a_file(office, format="CSV")
    assert "content-encoding" not in (await http.get(url, headers={"accept-encoding": "br"})).headers
    monkeypatch.setattr(compression, "_is_worth_it", lambda start: start["status"] == 200)
    packed = await http.get(url, headers={"accept-encoding": "br"})
    assert packed.headers["content-encoding"] == "br", "the control: what packs pages stands before the files too"


async def test_a_table_says_that_it_is_one(office: Office, http: httpx.AsyncClient) -> None:
    _, url, data = await a_file(office, format="CSV")
    response = await http.get(url)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"].startswith('attachment; filename="customers.csv"')
    assert response.content == data


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("br", False),
        ("x-gzip", False),
    ],
)
async def test_who_takes_gzip_gets_it(office: Office, http: httpx.AsyncClient, accepted: str, zipped: bool) -> None:
    _, url, data = await a_file(office)
    async with http.stream("GET", url, headers={"accept-encoding": accepted}) as response:
        raw = b"".join([piece async for piece in response.aiter_raw()])
    assert response.headers.get("content-encoding") == ("gzip" if zipped else None)
    assert (zlib.decompress(raw, wbits=31) if zipped else raw) == data
    assert len(raw) < len(data) or not zipped
    assert response.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, None),
        ("bytes=-10", -10, None),
        ("bytes=5-999999999", 5, None),
        ("bytes=-999999999", 0, None),
        ("bytes=7-7", 7, 7),
    ],
)
async def test_a_part_is_the_bytes_that_were_asked_for(
    office: Office, http: httpx.AsyncClient, wanted: str, first: int, last: int | None
) -> None:
    _, url, data = await a_file(office)
    size = len(data)
    start, end = first % size, size - 1 if last is None else last
    response = await http.get(url, headers={"range": wanted, "accept-encoding": "gzip"})
    assert (response.status_code, response.content) == (206, data[start : end + 1])
    assert response.headers["content-range"] == f"bytes {start}-{end}/{size}"
    assert response.headers["content-length"] == str(end + 1 - start)
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("wanted", ["bytes=999999-", "bytes=-0"])
async def test_a_part_beyond_the_end_is_none(office: Office, http: httpx.AsyncClient, wanted: str) -> None:
    _, url, data = await a_file(office)
    response = await http.get(url, headers={"range": wanted})
    assert (response.status_code, response.content) == (416, b"")
    assert response.headers["content-range"] == f"bytes */{len(data)}"


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=0-1,2-3",
        "bytes=" + ",".join(["0-1"] * 5000),
        "bytes=" + "0-," * 3000,
        "bytes=" + "9" * 5000 + "-",
        "bytes=-",
        "bytes=9-3",
        "lines=0-1",
        "bytes= 0-1",
        "bytes=0x1-2",
        "\x00",
    ],
)
async def test_several_parts_and_nonsense_are_answered_with_the_whole_once(
    office: Office, http: httpx.AsyncClient, wanted: str
) -> None:
    _, url, data = await a_file(office)
    response = await http.get(url, headers={"range": wanted})
    assert (response.status_code, response.content) == (200, data)


async def test_a_part_of_another_file_than_the_one_begun_is_the_whole(office: Office, http: httpx.AsyncClient) -> None:
    _, url, data = await a_file(office)
    tag = (await http.get(url)).headers["etag"]
    same = await http.get(url, headers={"range": "bytes=0-3", "if-range": tag})
    other = await http.get(url, headers={"range": "bytes=0-3", "if-range": '"other"'})
    assert [(one.status_code, len(one.content)) for one in (same, other)] == [(206, 4), (200, len(data))]


async def test_a_link_that_was_tampered_with_is_as_one_to_nothing(office: Office, http: httpx.AsyncClient) -> None:
    id, url, _ = await a_file(office)
    other = await requested(office.boss)
    await work()
    manager = await office.person(Role.ADMINISTRATOR)
    until = int(re.search(r"until=(\d+)", url)[1])  # type: ignore[index]  # a link has it
    forged = [
        url.replace(id, other),
        url.replace(id, "exp_01jd0000000000000000000000"),
        url.replace(office.boss.id, manager.id),
        url.replace(str(until), str(until + 1)),
        url.replace(str(until), "x"),
        url.replace(str(until), "9" * 30),
        url[:-1] + ("a" if url[-1] != "a" else "b"),
        url.partition("?")[0],
        url.partition("&token=")[0],
        url.partition("&token=")[0] + "&token=" + tokens.signed_token("dl", "", id, office.boss.id, until),
        url.partition("&token=")[0] + "&token=%F0%9F%98%80%00",
        url.replace("/exports/", "/exports/..%2F"),
    ]
    for link in forged:
        assert (await http.get(link)).status_code == 404, link
    assert (await http.get(url)).status_code == 200


async def test_a_link_is_over_after_some_minutes(
    office: Office, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url, _ = await a_file(office)
    now = utc_now()
    monkeypatch.setattr(queries, "utc_now", lambda: now + timedelta(minutes=14))
    assert (await http.get(url)).status_code == 200
    monkeypatch.setattr(queries, "utc_now", lambda: now + timedelta(minutes=15, seconds=1))
    assert refusal(await http.get(url)) == (410, "LINK_EXPIRED")


@pytest.mark.parametrize("change", [{"roles": ["DISPATCHER"]}, {"roles": ["FINANCE"]}, {"status": "DEACTIVATED"}])
async def test_a_link_is_worth_nothing_once_its_holder_may_not_see_the_rows(
    office: Office, http: httpx.AsyncClient, change: dict[str, object]
) -> None:
    asker = await office.person(Role.ADMINISTRATOR)
    _, url, _ = await a_file(office, asker)
    await User.filter(id=asker.id).update(**change)
    assert refusal(await http.get(url)) == (403, "NOT_PERMITTED")


async def test_who_manages_the_company_has_a_link_of_their_own(office: Office, http: httpx.AsyncClient) -> None:
    asker = await office.person(Role.FINANCE)
    id, _, data = await a_file(office, asker)
    url = (await shown(office.boss, id))["url"]
    assert f"for={office.boss.id}" in url
    assert (await http.get(url)).content == data


async def test_a_file_that_is_gone_or_over_is_not_there(office: Office, http: httpx.AsyncClient) -> None:
    id, url, _ = await a_file(office)
    await BulkExport.filter(id=id).update(expires_at=utc_now())
    assert (await http.get(url)).status_code == 404
    await BulkExport.filter(id=id).update(expires_at=utc_now() + rules.KEPT)
    assert (await http.get(url)).status_code == 200
    (await storage.exports().find((await row_of(id)).position["file"])).unlink()
    assert (await http.get(url)).status_code == 404


def test_a_link_is_hidden_in_logs() -> None:
    actor = system_actor("org_x")
    assert tokens.TOKEN_PATTERN.search(queries.link_to(actor, "exp_x", "secret"))
