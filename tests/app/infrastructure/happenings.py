"""Facts and commands of a company that only counts bells, for tests of the machines."""

from collections.abc import Sequence
from typing import Any

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.journal import Entry
from app.infrastructure.models import OutboxMessage
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor
from app.kernel.errors import InvalidInput
from app.kernel.events import Fact
from app.kernel.permissions import Permission


class BellRung(Fact):
    noun = "bell"


class BellBroken(Fact):
    noun = "bell"


@command(Permission.MANAGE_WORK_ORDERS)
async def ring_bell(actor: Actor, name: str = "bell", *, times: int = 1, fail: bool = False) -> str:
    """Ring a bell some times; each time is a fact, and a note is kept."""
    row = await add_note(actor, name)
    for number in range(times):
        journal.record(BellRung(subject_id=name, changes={"times": [number, number + 1]}))
    if fail:
        raise InvalidInput("The bell is broken.", path=["name"])
    return row.id


@command(Permission.MANAGE_WORK_ORDERS)
async def break_bell(actor: Actor, name: str = "bell") -> dict[str, Any]:
    """Break a bell, for which it is rung once more."""
    await ring_bell(actor, name)
    journal.record(BellBroken(subject_id=name, customer_id="cus_1", technician_ids=("tech_1", "tech_2")))
    return {"bell": name}


async def add_note(actor: Actor, text: str) -> OutboxMessage:
    return await add_row(
        OutboxMessage, organization_id=actor.organization_id, channel="NOTE", recipient="nobody", text=text
    )


async def notes(actor: Actor) -> list[str]:
    rows = await OutboxMessage.filter(organization_id=actor.organization_id).order_by("id")
    return [row.text for row in rows]


async def facts(actor: Actor, after: int = 0) -> list[tuple[int, str, str]]:
    return brief(await journal.read(actor.organization_id, after))


def brief(entries: Sequence[Entry]) -> list[tuple[int, str, str]]:
    return [(entry.seq, entry.type, entry.subject_id) for entry in entries]
