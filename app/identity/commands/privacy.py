"""What people do about what is kept of a person: ask for a copy or for its erasure, decide, and have it done by a job."""

import secrets
from collections.abc import Mapping
from typing import Any

import structlog

from app.identity import events, models
from app.identity.privacy import (
    COPY_KEPT,
    DATA_REQUEST,
    DUE_AFTER,
    ERROR_LENGTH_MAX,
    OPEN,
    REASON_LENGTH_MAX,
    DataRequestKind,
    DataRequestStatus,
)
from app.infrastructure import erasing, jobs, journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.encryption import opened
from app.infrastructure.erasing import Erasure
from app.infrastructure.personal_data import PEOPLE, Kind
from app.infrastructure.tables import Table, add_row, change_row, find_one, find_rows, lock_one, require_text
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, NotFound
from app.kernel.ids import prefix_of, require_id
from app.kernel.permissions import Permission, Role

JOB = "identity.data_request"

log = structlog.get_logger(__name__)


@command(None, confirmed=True)
async def request_data_export(
    actor: Actor, *, person_id: str | None = None, reason: str = "", id: str | None = None
) -> str:
    """Ask for a copy of all that is kept of a person. The own copy needs nobody's leave, and is made at once."""
    person_id = person_id or own_id(actor)
    row = await _receive(actor, DataRequestKind.EXPORT, person_id, reason, id)
    if row.status == DataRequestStatus.RECEIVED and is_own(actor, person_id):
        await _approve(actor, row)
    return row.id


@command(None)
async def request_erasure(
    actor: Actor, *, person_id: str | None = None, reason: str = "", id: str | None = None
) -> str:
    """Ask for a person to be erased. Who manages privacy decides."""
    return (await _receive(actor, DataRequestKind.ERASURE, person_id or own_id(actor), reason, id)).id


@command(Permission.MANAGE_PRIVACY, confirmed=True)
async def approve_data_request(actor: Actor, id: str, *, version: int | None = None) -> str:
    """Have a request done; once more, if it broke off. A person who is still at work with us cannot be erased."""
    row = await lock_one(models.DataRequest, actor, id, version=version)
    if row.kind == DataRequestKind.ERASURE:
        kind, person = await _require_person(actor, row.person_id)
        await _require_out_of_use(actor, kind, person)
    await _approve(actor, row)
    return row.id


@command(Permission.MANAGE_PRIVACY)
async def refuse_data_request(actor: Actor, id: str, *, reason: str, version: int | None = None) -> str:
    """Turn a request down, and say why."""
    row = await lock_one(models.DataRequest, actor, id, version=version)
    said = require_text(reason, "reason", longest=REASON_LENGTH_MAX)
    changed = await _step(
        row, DataRequestStatus.REFUSED, refusal=said, decided_by=actor.id, decided_at=utc_now(), finished_at=utc_now()
    )
    journal.record(events.DataRequestRefused(subject_id=row.id, changes=changed))
    return row.id


def is_own(actor: Actor, person_id: str) -> bool:
    """Whether somebody asks about themselves: as a user, as a technician, or as a private customer."""
    if actor.kind is not ActorKind.USER:
        return False
    account = actor.customer_id if Role.RESIDENTIAL_CUSTOMER in actor.roles else None
    return person_id in (actor.id, actor.technician_id, account)


def own_id(actor: Actor) -> str:
    """Who somebody is who names nobody; a key and the system are nobody."""
    if actor.kind is not ActorKind.USER:
        raise InvalidInput("Name the person.", path=["personId"])
    return actor.id


async def _receive(
    actor: Actor, kind: DataRequestKind, person_id: str, reason: str, id: str | None
) -> models.DataRequest:
    if not is_own(actor, person_id):
        actor.require(Permission.MANAGE_PRIVACY)
    known = await find_rows(models.DataRequest, column("id") == id) if id is not None else []
    await _require_person(actor, person_id)
    same = (column("organization_id") == actor.organization_id) & (column("person_id") == person_id)
    waiting = same & (column("kind") == kind.value) & column("status").one_of([one.value for one in OPEN])
    if not known and (open := await find_rows(models.DataRequest, waiting, limit=1)):
        raise Conflict(f"The same was asked for already; that request is {open[0].status.lower()}.", path=["personId"])
    row = await add_row(
        models.DataRequest,
        id=id,
        organization_id=actor.organization_id,
        kind=kind.value,
        status=DataRequestStatus.RECEIVED.value,
        person_id=person_id,
        reason=require_text(reason, "reason", longest=REASON_LENGTH_MAX, shortest=0),
        requested_by=actor.id,
        due_at=utc_now() + DUE_AFTER,
    )
    journal.record(events.DataRequestReceived(subject_id=row.id, kind=kind.value, person_id=person_id))
    return row


async def _require_person(actor: Actor, id: str) -> tuple[Kind, Table]:
    kind = PEOPLE.get(prefix_of(id))
    if kind is None:
        raise InvalidInput("Name a user, a technician, a contact or a customer.", path=["personId"])
    require_id(id, kind.model.prefix, "personId")
    mine = (column("organization_id") == actor.organization_id) & (column("id") == id)
    found = await find_rows(kind.model, mine)
    if not found:
        raise NotFound(kind.model.noun, id, path=["personId"])
    if why := kind.no_person(found[0]):
        raise Conflict(why, path=["personId"])
    return kind, found[0]


async def _require_out_of_use(actor: Actor, kind: Kind, row: Table) -> None:
    """Refuse to erase somebody who still works with us, under whichever id."""
    for prefix, ids in (await erasing.find_person(actor.organization_id, row.id)).items():
        one = PEOPLE[prefix]
        for same in await find_rows(one.model, column("id").one_of(ids)):
            if why := one.not_yet(same):
                raise Conflict(why, path=["id"])


async def _approve(actor: Actor, row: models.DataRequest) -> None:
    changed: dict[str, list[Any]] = {}
    if row.status != DataRequestStatus.APPROVED or row.error is None:
        changed = await _step(row, DataRequestStatus.APPROVED, decided_by=actor.id, decided_at=utc_now())
    job_id = await jobs.enqueue(actor, JOB, {"request_id": row.id}, dedupe_key=row.id)
    await change_row(row, job_id=job_id, error=None)
    journal.record(events.DataRequestApproved(subject_id=row.id, changes=changed))


async def _step(row: models.DataRequest, to: DataRequestStatus, **values: Any) -> dict[str, list[Any]]:
    """The one way a request's status changes."""
    DATA_REQUEST.require(DataRequestStatus(row.status), to)
    return {"status": (await change_row(row, status=to.value, **values))["status"]}


# What the job does


@jobs.job(JOB, tries=5, apart=True)
async def do_data_request(context: jobs.JobContext) -> Mapping[str, Any] | None:
    """Write the copy, or erase the person."""
    id = context.payload["request_id"]
    row = await begin_data_request(context.actor, id)
    if row is None:
        return None
    try:
        if row.kind == DataRequestKind.EXPORT:
            rows = await erasing.write_copy(row.organization_id, row.person_id, erasing.file_of(row.id))
        else:
            rows = await erase_person(context.actor, row)
    except Exception as error:
        log.exception("a data request failed", request=id)
        if context.attempt >= 5:
            await fail_data_request(context.actor, id, f"It broke off; the log says why ({type(error).__name__}).")
        raise
    await finish_data_request(context.actor, id, rows)
    return None


async def erase_person(actor: Actor, row: models.DataRequest) -> dict[str, int]:
    """Erase a person, and the copies that were made for them; of how many rows of each table."""
    names = opened(row, "called").splitlines()
    done = await erasing.erase(actor, row.id, row.person_id, names)
    theirs = (column("organization_id") == actor.organization_id) & (column("kind") == DataRequestKind.EXPORT.value)
    ids = [id for those in (await erasing.find_person(actor.organization_id, row.person_id)).values() for id in those]
    for copy in await find_rows(models.DataRequest, theirs & column("person_id").one_of(ids)):
        await expire_copy(actor, copy.id)
    at = utc_now()
    await erasing.note_erasure(Erasure(actor.organization_id, row.id, row.person_id, at))
    return {"journal": done.facts, **done.rows}


@command(Permission.MANAGE_PRIVACY)
async def begin_data_request(actor: Actor, id: str) -> models.DataRequest | None:
    """Take a request on, or over from a worker that died; None when it is over. What the person is called is noted first."""
    row = await lock_one(models.DataRequest, actor, id)
    if row.status == DataRequestStatus.APPROVED:
        if row.kind == DataRequestKind.ERASURE:
            await note_names(row)
        changed = await _step(row, DataRequestStatus.RUNNING)
        journal.record(events.DataRequestStarted(subject_id=row.id, changes=changed))
    return row if row.status == DataRequestStatus.RUNNING else None


async def note_names(row: models.DataRequest) -> None:
    """Keep what a person is called, encrypted, until they are erased: an erasure that was broken off finds it no more."""
    known = opened(row, "called").splitlines()
    names = await erasing.names_of(row.organization_id, await erasing.find_person(row.organization_id, row.person_id))
    await change_row(row, called="\n".join(dict.fromkeys([*known, *names])))


@command(Permission.MANAGE_PRIVACY)
async def finish_data_request(actor: Actor, id: str, rows: Mapping[str, int]) -> str:
    """Say that it is done."""
    row = await lock_one(models.DataRequest, actor, id)
    if row.status != DataRequestStatus.RUNNING:
        return row.id
    now = utc_now()
    file = {"expires_at": now + COPY_KEPT, "link_secret": secrets.token_hex(32)}
    own = file if row.kind == DataRequestKind.EXPORT else {"called": ""}
    changed = await _step(row, DataRequestStatus.DONE, rows=dict(rows), finished_at=now, error=None, **own)
    journal.record(events.DataRequestDone(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_PRIVACY)
async def fail_data_request(actor: Actor, id: str, error: str) -> str:
    """Say that it broke off; it can be approved once more."""
    row = await lock_one(models.DataRequest, actor, id)
    if row.status == DataRequestStatus.RUNNING:
        changed = await _step(row, DataRequestStatus.APPROVED, error=error[:ERROR_LENGTH_MAX])
        journal.record(events.DataRequestFailed(subject_id=row.id, changes=changed))
    return row.id


@command(Permission.MANAGE_PRIVACY)
async def expire_copy(actor: Actor, id: str) -> bool:
    """Delete the file of a request; whether there was one to be had."""
    row = await lock_one(models.DataRequest, actor, id)
    erasing.file_of(row.id).unlink(missing_ok=True)
    if row.link_secret is None:
        return False
    await change_row(row, link_secret=None, expires_at=None)
    journal.record(events.DataRequestExpired(subject_id=row.id))
    return True


@command(None)
async def note_copy_taken(actor: Actor, row: models.DataRequest) -> None:
    """Note who took the file; they were let in by the link and the rules of its request."""
    journal.record(events.DataCopyTaken(subject_id=row.id, by=actor.id))


@command(Permission.MANAGE_PRIVACY)
async def erase_again(actor: Actor, erasure: Erasure) -> bool:
    """Make sure that there is a request for a person who was erased before a backup was restored; whether it is still to be
    done."""
    found = await find_rows(models.DataRequest, column("id") == erasure.request_id)
    if not found:
        now = utc_now()
        row = await add_row(
            models.DataRequest,
            id=erasure.request_id,
            organization_id=actor.organization_id,
            kind=DataRequestKind.ERASURE.value,
            status=DataRequestStatus.APPROVED.value,
            person_id=erasure.person_id,
            requested_by=actor.id,
            decided_by=actor.id,
            decided_at=now,
            due_at=now,
        )
        journal.record(
            events.DataRequestReceived(subject_id=row.id, kind=DataRequestKind.ERASURE.value, person_id=row.person_id)
        )
        return True
    return found[0].status != DataRequestStatus.DONE


async def reapply_erasure(actor: Actor, erasure: Erasure) -> bool:
    """Erase somebody again who came back with a backup; whether there was something to do."""
    if not await erase_again(actor, erasure):
        return False
    row = await find_one(models.DataRequest, actor, erasure.request_id)
    if row.status == DataRequestStatus.RECEIVED:
        await _approve_again(actor, row.id)
    begun = await begin_data_request(actor, row.id)
    if begun is None:
        return False
    await finish_data_request(actor, row.id, await erase_person(actor, begun))
    return True


@command(Permission.MANAGE_PRIVACY)
async def _approve_again(actor: Actor, id: str) -> str:
    """It was approved after the backup was made."""
    row = await lock_one(models.DataRequest, actor, id)
    changed = await _step(row, DataRequestStatus.APPROVED, decided_by=actor.id, decided_at=utc_now())
    journal.record(events.DataRequestApproved(subject_id=row.id, changes=changed))
    return row.id
