"""Mail to people."""

import re

from app.infrastructure import outbox
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput

ADDRESS_LENGTH_MAX = 254
SUBJECT_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 100_000
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


async def send(
    actor: Actor, to: str, subject: str, text: str, *, effect_key: str | None = None, secret: bool = False
) -> str:
    """Send a mail once the transaction is committed; the message's id. The same ``effect_key`` sends it once only. What a
    ``secret`` one says is kept until it is delivered, and no longer."""
    return await outbox.post(
        actor,
        outbox.MAIL,
        require_mail_address(to, "to"),
        _require_length(outbox.require_one_line(subject, "subject"), "subject", SUBJECT_LENGTH_MAX),
        _require_length(text, "text", TEXT_LENGTH_MAX),
        effect_key,
        secret=secret,
    )


def require_mail_address(address: str, path: str) -> str:
    """One plain address, without a name around it and without anything that could become a second one."""
    if len(address) > ADDRESS_LENGTH_MAX or not _ADDRESS.fullmatch(address) or ".." in address:
        raise InvalidInput(f"{address[:60]!r} is not a mail address.", path=[path])
    return address


def _require_length(text: str, path: str, longest: int) -> str:
    if len(text) > longest:
        raise InvalidInput(f"This text has at most {longest} characters, not {len(text)}.", path=[path])
    return text
