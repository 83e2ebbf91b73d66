"""What clients may ask about alerts, do with them, and hear of them."""

from typing import Annotated

from app.infrastructure.conditions import Condition, everything
from app.kernel.actor import Actor
from app.kernel.errors import IllegalTransition, StaleVersion
from app.kernel.permissions import Permission
from app.messaging import commands, queries
from schema.kit import ID, Connection, about, arg, inputs, many, mutation, one
from schema.kit.live import changed
from schema.messaging.types import Alert, AlertFilter, AlertOrder

VERSION = "The version you saw; refused when it is no longer the current one."


def not_over(
    actor: Actor,
    include_resolved: Annotated[bool, arg("Those that are over as well; only the others without it.")] = False,
) -> Condition:
    """Alerts that still need attention, or all."""
    return everything() if include_resolved else queries.unresolved()


class Queries:
    """What clients may ask."""

    alert: Alert | None = one("One alert.", permission=Permission.VIEW_ALERTS)
    alerts: Connection[Alert] = many(
        "What needs attention, the newest first unless told otherwise.",
        permission=Permission.VIEW_ALERTS,
        filter=AlertFilter,
        order=AlertOrder,
        where=not_over,
    )


@inputs
class AlertStepInput:
    """An alert that somebody sees to."""

    id: ID = about("Which alert.")
    version: int | None = about(VERSION, default=None)


class Mutations:
    """What clients may do."""

    @mutation(
        Alert,
        "Takes care of an alert; others see who does. Of one that was acknowledged already, nothing changes.",
        permission=Permission.MANAGE_ALERTS,
        problems=(IllegalTransition, StaleVersion),
    )
    async def acknowledge_alert(actor: Actor, input: AlertStepInput) -> str:
        """See the command."""
        return await commands.acknowledge_alert(actor, input.id, version=input.version)

    @mutation(
        Alert,
        "Says that an alert needs no attention any more. It does not come back for the same cause: the same visit at the "
        "same time, the same due time. Of one that was resolved already, nothing changes.",
        permission=Permission.MANAGE_ALERTS,
        problems=(StaleVersion,),
    )
    async def resolve_alert(actor: Actor, input: AlertStepInput) -> str:
        """See the command."""
        return await commands.resolve_alert(actor, input.id, version=input.version)


class Subscriptions:
    """What clients may hear."""

    alerts = changed(
        Alert,
        "What happens to alerts: AlertRaised, AlertSeverityChanged, AlertAcknowledged, AlertResolved; each as one fact, in "
        "order.",
        permission=Permission.VIEW_ALERTS,
    )
