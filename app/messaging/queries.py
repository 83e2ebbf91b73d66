"""What commands and other rooms ask about alerts."""

from collections.abc import AsyncIterator, Iterable, Mapping

from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import find_rows, walk_rows
from app.messaging.models import Alert
from app.messaging.rules import UNRESOLVED, AlertKind, AlertStatus, Danger


def unresolved(kinds: Iterable[AlertKind] | None = None) -> Condition:
    """Alerts that are not over: of some kinds, or all."""
    condition = column("status").one_of([one.value for one in UNRESOLVED])
    if kinds is None:
        return condition
    return condition & column("kind").one_of([kind.value for kind in kinds])


async def find_unresolved(
    organization_id: str, kinds: Iterable[AlertKind], about: Condition, *, lock: bool = False
) -> list[Alert]:
    """The alerts of some kinds that are not over and of which a condition is true, in a fixed order."""
    wanted = (column("organization_id") == organization_id) & unresolved(kinds) & about
    return await find_rows(Alert, wanted, order=["id"], lock=lock)


def walk_unresolved(organization_id: str, kinds: Iterable[AlertKind]) -> AsyncIterator[list[Alert]]:
    """The alerts of some kinds that are not over, page by page."""
    return walk_rows(Alert, (column("organization_id") == organization_id) & unresolved(kinds))


async def find_untold(organization_id: str, dangers: Mapping[str, Danger]) -> list[str]:
    """Of the things in danger, those of which no alert says so yet, or another severity. What somebody resolved was told."""
    told = (
        (column("organization_id") == organization_id)
        & column("kind").one_of(sorted({one.kind.value for one in dangers.values()}))
        & column("cause").one_of(sorted({one.cause for one in dangers.values()}))
    )
    known = {(alert.kind, alert.cause): alert for alert in await find_rows(Alert, told)} if dangers else {}
    return [id for id, danger in dangers.items() if not _says(known.get((danger.kind.value, danger.cause)), danger)]


def _says(alert: Alert | None, danger: Danger) -> bool:
    return alert is not None and (alert.status == AlertStatus.RESOLVED or alert.severity == danger.severity)
