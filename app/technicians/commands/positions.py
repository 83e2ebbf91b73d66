"""Where technicians are: taken on duty only, kept for a while only, and told to whoever looks at the moment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, TypedDict

from app import database
from app.company import queries as company
from app.identity.data_copies import require_not_withdrawn
from app.identity.privacy import ConsentPurpose
from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, change_row, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput
from app.kernel.ids import new_id
from app.kernel.permissions import Permission
from app.kernel.places import Point
from app.technicians import models, rules
from app.technicians.rules import DutyTime, IgnoredReason, PositionReport, Rest, TechnicianStatus

TOPIC = "positions"
FORGOTTEN_AT_ONCE = 1000
LATEST = timedelta(hours=rules.POSITION_AGE_HOURS_MAX)


class PositionsTaken(TypedDict):
    """What became of a batch: how many positions were kept, and how many were not, by the reason."""

    technician_id: str
    taken: int
    ignored: Mapping[str, int]
    is_newest: bool


@command(Permission.REPORT_OWN_STATUS)
async def take_positions(actor: Actor, positions: Sequence[PositionReport]) -> PositionsTaken:
    """Take what the own device noted: the newest position, and of the others what the history keeps.

    Only what was taken on duty counts, whenever it comes; ``ConsentWithdrawn`` from who took the consent to it back, ``Conflict`` when somebody off duty sends nothing of that kind.
    """
    reports = rules.require_reports(positions)
    technician = await lock_one(models.Technician, actor, own_id(actor))
    person = [technician.id, technician.user_id or actor.id]
    await require_not_withdrawn(actor.organization_id, person, ConsentPurpose.LOCATION_SHARING)
    now = utc_now()
    usable, ignored = rules.usable_reports(reports, await _duties(technician, now), now)
    if not usable:
        _require_on_duty(technician, reports, ignored)
    kept = {report.at for report in await _keep_samples(actor, technician, usable)}
    is_newest = await _move(technician, usable)
    if is_newest:
        kept.add(usable[-1].at)
        journal.announce(TOPIC)
    if needless := len(usable) - len(kept):
        ignored[IgnoredReason.NOT_NEEDED] = needless
    return PositionsTaken(
        technician_id=technician.id,
        taken=len(kept),
        ignored={reason.value: ignored[reason] for reason in IgnoredReason if ignored[reason]},
        is_newest=is_newest,
    )


def own_id(actor: Actor) -> str:
    """The technician that the actor is."""
    if actor.technician_id is None:
        raise InvalidInput("You are not a technician: name the technician.", path=["technicianId"])
    return actor.technician_id


async def begin_duty(technician: models.Technician) -> None:
    """From now on positions are taken."""
    owner = {"organization_id": technician.organization_id, "technician_id": technician.id}
    await add_row(models.Duty, **owner, starts_at=utc_now())


async def end_duty(technician: models.Technician) -> None:
    """From now on, where somebody is concerns nobody."""
    now = utc_now()
    await models.Duty.filter(technician_id=technician.id, ends_at=None).update(ends_at=now, updated_at=now)
    await models.Position.filter(technician_id=technician.id).delete()
    journal.announce(TOPIC)


async def forget_positions(organization_id: str) -> int:
    """Delete the samples that an organization keeps no longer, and times on duty that no position can come from any more;
    how many samples. In small parts, so that nothing waits for it."""
    days = await _days_kept(organization_id)
    forgotten = 0
    if days is not None:
        forgotten = await _delete(models.PositionSample, organization_id, "at", utc_now() - timedelta(days=days))
    await _delete(models.Duty, organization_id, "ends_at", utc_now() - LATEST)
    return forgotten


async def _delete(
    model: type[models.PositionSample | models.Duty], organization_id: str, name: str, before: datetime
) -> int:
    over = (column("organization_id") == organization_id) & (column(name) < before)

    async def work() -> int:
        ids = [row.id for row in await find_rows(model, over, order=[name], limit=FORGOTTEN_AT_ONCE)]
        return await model.filter(id__in=ids).delete() if ids else 0

    total = 0
    while deleted := await database.unit_of_work(work):
        total += deleted
    return total


def _require_on_duty(
    technician: models.Technician, reports: Sequence[PositionReport], ignored: Counter[IgnoredReason]
) -> None:
    """A device must learn that it sends in vain, now and for ever: it is off duty, or its clock is wrong."""
    if technician.status == TechnicianStatus.OFF and ignored[IgnoredReason.FROM_THE_FUTURE] < len(reports):
        raise Conflict("Positions are taken on duty only: check in first.", path=["positions"])
    if ignored[IgnoredReason.FROM_THE_FUTURE] == len(reports):
        raise InvalidInput("These positions are from the future: set the device's clock.", path=["positions"])


async def _duties(technician: models.Technician, now: datetime) -> list[DutyTime]:
    own = (column("organization_id") == technician.organization_id) & (column("technician_id") == technician.id)
    lately = column("ends_at").is_null() | (column("ends_at") > now - LATEST)
    return [DutyTime(row.starts_at, row.ends_at) for row in await find_rows(models.Duty, own & lately)]


async def _keep_samples(
    actor: Actor, technician: models.Technician, reports: Sequence[PositionReport]
) -> list[PositionReport]:
    if not reports or not (await company.get_organization(actor)).position_history_days:
        return []
    near = timedelta(seconds=rules.SAMPLE_SECONDS_MAX)
    around = (
        (column("organization_id") == technician.organization_id)
        & (column("technician_id") == technician.id)
        & (column("at") >= reports[0].at - near)
        & (column("at") <= reports[-1].at + near)
    )
    kept = [_report(row) for row in await find_rows(models.PositionSample, around)]
    fresh = rules.samples_of(reports, kept)
    rows = [
        models.PositionSample(
            id=new_id(models.PositionSample.prefix),
            organization_id=technician.organization_id,
            technician_id=technician.id,
            **asdict(report),
        )
        for report in fresh
    ]
    if rows:
        await models.PositionSample.bulk_create(rows, batch_size=100)
    return fresh


async def _move(technician: models.Technician, reports: Sequence[PositionReport]) -> bool:
    """Note where the technician is, if the reports know better, and if it concerns anybody; whether they did."""
    own = (column("organization_id") == technician.organization_id) & (column("technician_id") == technician.id)
    found = await find_rows(models.Position, own)
    last = found[0] if found else None
    news = [report for report in reports if last is None or report.at > last.at]
    if not news or technician.status == TechnicianStatus.OFF:
        return False
    rest = Rest(Point(last.still_latitude, last.still_longitude), last.still_since) if last is not None else None
    rest = rules.rest_after(rest, news)
    assert rest is not None
    values: dict[str, Any] = {
        **asdict(news[-1]),
        "still_latitude": rest.point.latitude,
        "still_longitude": rest.point.longitude,
        "still_since": rest.since,
    }
    if last is not None:
        await change_row(last, **values)
    else:
        owner = {"organization_id": technician.organization_id, "technician_id": technician.id}
        await add_row(models.Position, **owner, **values)
    return True


def _report(row: models.PositionSample) -> PositionReport:
    return PositionReport(row.latitude, row.longitude, row.at)


async def _days_kept(organization_id: str) -> int | None:
    """For how many days an organization keeps samples; None when there is no such organization."""
    mark = journal.mark(1)
    rows = await database.read_rows(
        f'SELECT "position_history_days" FROM "organization" WHERE "id" = {mark}', [organization_id]
    )
    return int(rows[0][0]) if rows else None
