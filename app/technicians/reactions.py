"""What this room does in the background: lets go of where people were, as soon as nobody may know it any more."""

from app import database
from app.company.events import OrganizationUpdated
from app.infrastructure.followers import follows
from app.infrastructure.jobs import JobContext, enqueue, job
from app.infrastructure.journal import Entry
from app.infrastructure.timers import every
from app.kernel.actor import Actor
from app.technicians import commands

JOB = "technicians.forget_positions"


@every(seconds=600, name=JOB)
async def forget_old_positions() -> None:
    """Positions that were kept long enough go, of every organization."""
    for row in await database.read_rows('SELECT "id" FROM "organization" ORDER BY "id"', []):
        await commands.forget_positions(row[0])


@follows(OrganizationUpdated, forget_after_hours=24)
async def forget_positions_sooner(actor: Actor, entry: Entry) -> None:
    """Who keeps them for fewer days from now on does not wait for the clock."""
    if "position_history_days" in entry.payload["changes"]:
        await enqueue(actor, JOB, dedupe_key="one")


@job(JOB)
async def forget_positions(context: JobContext) -> None:
    """Much may have to go, so it is done in parts, outside the follower's transaction."""
    await commands.forget_positions(context.actor.organization_id)
