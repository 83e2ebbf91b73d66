"""Messages leave after the commit, at least once, and look the same however often they are delivered."""

import email
import email.policy
import json
from pathlib import Path

import pytest

from app.infrastructure import mail, outbox, sms
from app.infrastructure.command import command
from app.infrastructure.jobs import KINDS, Runner
from app.infrastructure.models import Job, OutboxMessage
from app.infrastructure.outbox import DELIVER, MAIL, SMS, FolderTransport
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(outbox, "_transports", {})
    outbox.configure(tmp_path / "outbox")
    return tmp_path / "outbox"


async def deliver() -> int:
    return await Runner(kinds={DELIVER: KINDS[DELIVER]}).run_due()


@command(None)
async def invite(actor: Actor, fail: bool = False) -> str:
    """Invite somebody by mail."""
    id = await mail.send(actor, "ada@example.com", "Einladung für Sie", "Grüße\n.\nIhr Team")
    if fail:
        raise InvalidInput("No.")
    return id


async def test_a_mail_leaves_after_the_commit(database: Dialect, actor: Actor, folder: Path) -> None:
    id = await invite(actor)
    assert not folder.exists()
    assert await deliver() == 1
    assert [path.name for path in folder.iterdir()] == [f"{id}.eml"]
    read = email.message_from_bytes((folder / f"{id}.eml").read_bytes(), policy=email.policy.default)
    assert (read["To"], read["Subject"]) == ("ada@example.com", "Einladung für Sie")
    assert read["Message-ID"] == f"<{id}@truckroll.invalid>"
    assert read.get_content().splitlines() == ["Grüße", ".", "Ihr Team"]
    assert (await OutboxMessage.get(id=id)).sent_at is not None


async def test_a_command_that_fails_sends_nothing(database: Dialect, actor: Actor, folder: Path) -> None:
    with pytest.raises(InvalidInput):
        await invite(actor, fail=True)
    assert await deliver() == 0
    assert (await OutboxMessage.all().count(), await Job.all().count(), folder.exists()) == (0, 0, False)


async def test_a_repeated_delivery_overwrites_the_same_file(database: Dialect, actor: Actor, folder: Path) -> None:
    id = await invite(actor)
    await deliver()
    first = (folder / f"{id}.eml").read_bytes()
    # As after a crash between the delivery and the note of it.
    await OutboxMessage.all().update(sent_at=None)
    await Job.all().update(status="QUEUED")
    assert await deliver() == 1
    assert [path.read_bytes() for path in folder.iterdir()] == [first]


async def test_what_is_sent_already_is_not_delivered_again(database: Dialect, actor: Actor, folder: Path) -> None:
    await invite(actor)
    await OutboxMessage.all().update(sent_at=utc_now())
    assert await deliver() == 1
    assert not folder.exists()


async def test_the_same_effect_is_one_message(database: Dialect, actor: Actor, stranger: Actor, folder: Path) -> None:
    ids = [await mail.send(actor, "a@example.com", "s", "t", effect_key="fact_1") for _ in range(2)]
    assert ids[0] == ids[1]
    assert await mail.send(stranger, "a@example.com", "s", "t", effect_key="fact_1") != ids[0]
    assert await sms.send(actor, "+49 30 123456", "t", effect_key="fact_2") != ids[0]
    assert await deliver() == 3


async def test_a_text_message_is_a_file_too(database: Dialect, actor: Actor, folder: Path) -> None:
    id = await sms.send(actor, "+49 (30) 12-34.56", "Wir kommen um 9 — bis gleich")
    await deliver()
    read = json.loads((folder / f"{id}.json").read_bytes())
    assert (read["id"], read["to"], read["text"]) == (id, "+4930123456", "Wir kommen um 9 — bis gleich")


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("a@example.com\r\nBcc: b@example.com", "s"),
        ("a@example.com, b@example.com", "s"),
        ("A <a@example.com>", "s"),
        ("a@example.com\n", "s"),
        ("a", "s"),
        ("a@", "s"),
        ("ä@example.com", "s"),
        ("a@example..com", "s"),
        ("a" * 65 + "@example.com", "s"),
        ("a@example.com", "s\r\nBcc: b@example.com"),
        ("a@example.com", "s\nBcc: b@example.com"),
        ("a@example.com", "s\rx"),
        ("a@example.com", "s\x00"),
        ("a@example.com", "s\u2028x"),
        ("a@example.com", "s" * 201),
    ],
)
async def test_refuses_what_would_be_another_header_or_address(
    sqlite_database: Dialect, actor: Actor, to: str, subject: str
) -> None:
    with pytest.raises(InvalidInput):
        await mail.send(actor, to, subject, "t")
    assert (await OutboxMessage.all().count(), await Job.all().count()) == (0, 0)


@pytest.mark.parametrize(("to", "text"), [("030 123", "t"), ("+0301234567", "t"), ("+49", "t"), ("+4930123456", "")])
async def test_refuses_numbers_and_texts_that_cannot_be_sent(
    sqlite_database: Dialect, actor: Actor, to: str, text: str
) -> None:
    with pytest.raises(InvalidInput):
        await sms.send(actor, to, text)
    assert await OutboxMessage.all().count() == 0


async def test_is_tried_again_while_there_is_no_way_out(
    database: Dialect, actor: Actor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await invite(actor)
    way = outbox._transports.pop(MAIL)
    await deliver()
    row = await Job.get()
    assert (row.status, row.attempts) == ("QUEUED", 1)
    assert row.error == "ConfigurationError: there is no transport for MAIL messages"
    outbox.use_transport(MAIL, way)
    await Job.all().update(run_at=utc_now())
    await deliver()
    assert [path.name for path in folder.iterdir()] == [f"{id}.eml"]


def test_both_channels_go_to_the_folder(folder: Path) -> None:
    assert {channel: type(way) for channel, way in outbox._transports.items()} == {
        MAIL: FolderTransport,
        SMS: FolderTransport,
    }
