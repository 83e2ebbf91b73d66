"""Text messages to people's phones."""

import re

from app.infrastructure import outbox
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput

TEXT_LENGTH_MAX = 1600
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


async def send(actor: Actor, to: str, text: str, *, effect_key: str | None = None, secret: bool = False) -> str:
    """Send a text message once the transaction is committed; its id. The same ``effect_key`` sends it once only. What a
    ``secret`` one says is kept until it is delivered, and no longer."""
    number = re.sub(r"[ ()/.-]", "", to)
    if not _NUMBER.fullmatch(number):
        raise InvalidInput(f"{to[:40]!r} is not a phone number such as +49 30 123456.", path=["to"])
    if not 1 <= len(text) <= TEXT_LENGTH_MAX:
        raise InvalidInput(f"A text message has 1 to {TEXT_LENGTH_MAX} characters, not {len(text)}.", path=["text"])
    return await outbox.post(actor, outbox.SMS, number, "", text, effect_key, secret=secret)
