"""Messages on their way out of the house: stored in the transaction of the change that causes them, delivered afterwards.

Delivery is a job, so it happens at least once, also after a crash. A transport is handed the message's id as the key of
the effect: a folder overwrites the same file, a gateway gets it as its idempotency key, a mail as its Message-ID.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Protocol

import orjson
from tortoise.expressions import F

from app import database
from app.infrastructure import jobs
from app.infrastructure.jobs import JobContext, job
from app.infrastructure.models import OutboxMessage
from app.infrastructure.storage import write_whole
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import ConfigurationError, InvalidInput
from app.kernel.ids import new_id

MAIL = "MAIL"
SMS = "SMS"
DELIVER = "deliver_message"
TRIES = 12
MAIL_DOMAIN = "truckroll.invalid"
KEY_LENGTH_MAX = 200


class Transport(Protocol):
    """Takes messages to where they belong. The same message may be handed over again, and must not arrive twice then."""

    async def deliver(self, message: OutboxMessage) -> None:
        """Hand one message over; raises when it could not be."""
        ...


class FolderTransport:
    """Messages as files in a folder: ``<id>.eml`` for a mail, ``<id>.json`` for a text message."""

    def __init__(self, folder: Path, sender: str = f"Truckroll <no-reply@{MAIL_DOMAIN}>") -> None:
        self._folder = folder
        self._sender = sender

    async def deliver(self, message: OutboxMessage) -> None:
        """Write the file; a repeat overwrites it with the same."""
        name, content = (
            (f"{message.id}.eml", bytes(as_mail(message, self._sender)))
            if message.channel == MAIL
            else (f"{message.id}.json", _as_json(message))
        )
        await asyncio.to_thread(self._write, name, content)

    def forget(self, ids: Sequence[str]) -> None:
        """Delete the files of messages."""
        for id in ids:
            for name in (f"{id}.eml", f"{id}.json"):
                (self._folder / name).unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / name, content)


_transports: dict[str, Transport] = {}


def use_transport(channel: str, transport: Transport) -> None:
    """Send messages of a channel by a transport from now on."""
    _transports[channel] = transport


def configure(folder: Path) -> None:
    """Put every message into a folder."""
    transport = FolderTransport(folder)
    for channel in (MAIL, SMS):
        use_transport(channel, transport)


async def post(
    actor: Actor,
    channel: str,
    recipient: str,
    subject: str,
    text: str,
    effect_key: str | None = None,
    *,
    secret: bool = False,
) -> str:
    """Store a message, to be delivered after the transaction; its id. With a key that was used before: the first one's.

    What a ``secret`` message says, such as a link that lets somebody in, is forgotten once it is delivered.
    """
    if effect_key is not None and not 1 <= len(effect_key) <= KEY_LENGTH_MAX:
        raise InvalidInput(f"A message's key has 1 to {KEY_LENGTH_MAX} characters.", path=["effectKey"])
    now = utc_now()
    row = OutboxMessage(
        id=new_id(OutboxMessage.prefix),
        created_at=now,
        updated_at=now,
        organization_id=actor.organization_id,
        channel=channel,
        recipient=recipient,
        subject=subject,
        text=text,
        effect_key=effect_key,
        is_secret=secret,
    )

    async def work() -> str:
        if effect_key is None:
            await row.save(force_create=True)
        else:
            await OutboxMessage.bulk_create([row], ignore_conflicts=True)
            first = await OutboxMessage.get(organization_id=actor.organization_id, effect_key=effect_key)
            if first.id != row.id:
                return first.id
        await jobs.enqueue(actor, DELIVER, {"message": row.id}, dedupe_key=row.id)
        return row.id

    return await database.unit_of_work(work)


@job(DELIVER, tries=TRIES)
async def deliver_message(context: JobContext) -> None:
    """Hand one message to its transport, and note that it went."""
    id, organization_id = context.payload["message"], context.actor.organization_id
    message = await OutboxMessage.get_or_none(id=id, organization_id=organization_id)
    if message is None or message.sent_at is not None:
        return
    transport = _transports.get(message.channel)
    if transport is None:
        raise ConfigurationError(f"there is no transport for {message.channel} messages")
    await transport.deliver(message)
    await database.unit_of_work(lambda: _note_sent(id, utc_now()))


async def _note_sent(id: str, now: datetime) -> None:
    await OutboxMessage.filter(id=id).update(sent_at=now, updated_at=now, version=F("version") + 1)
    await OutboxMessage.filter(id=id, is_secret=True).update(text="")


async def forget(ids: Sequence[str]) -> None:
    """Delete what a transport of ours has kept of messages."""
    for transport in _transports.values():
        if isinstance(transport, FolderTransport):
            await asyncio.to_thread(transport.forget, ids)


def require_one_line(text: str, path: str) -> str:
    """Text that fits into a header: a line break would let its writer add headers of their own."""
    if any(ord(letter) < 32 or ord(letter) == 127 or letter in "\x85\u2028\u2029" for letter in text):
        raise InvalidInput("This must be one line, without control characters.", path=[path])
    return text


def as_mail(message: OutboxMessage, sender: str) -> EmailMessage:
    """The message as an RFC 5322 mail, ready to be written or sent."""
    mail = EmailMessage(policy=SMTP)
    mail["Message-ID"] = f"<{message.id}@{MAIL_DOMAIN}>"
    mail["Date"] = message.created_at
    mail["From"] = sender
    mail["To"] = message.recipient
    mail["Subject"] = message.subject
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    return mail


def _as_json(message: OutboxMessage) -> bytes:
    return orjson.dumps(
        {"id": message.id, "to": message.recipient, "text": message.text, "at": message.created_at},
        option=orjson.OPT_INDENT_2,
    )
