"""The whole API, one line per room."""

from functools import cache

from graphql import print_schema

import schema.audit.operations
import schema.company.operations
import schema.customers.operations
import schema.equipment.operations
import schema.identity.access
import schema.identity.factors
import schema.identity.invitations
import schema.identity.operations
import schema.identity.privacy
import schema.identity.providers
import schema.identity.resets
import schema.identity.security
import schema.integrations.operations
import schema.journal.operations
import schema.messaging.operations
import schema.scheduling.advice
import schema.scheduling.boards
import schema.scheduling.booking
import schema.scheduling.forecasts
import schema.scheduling.operations
import schema.scheduling.syncing
import schema.search.operations
import schema.technicians.operations
import schema.work_orders.operations
from schema.integrations import exporting
from schema.kit import build_schema
from schema.kit.execution import core_of

ROOMS = (
    schema.company.operations,
    schema.identity.operations,
    schema.identity.factors,
    schema.identity.providers,
    schema.identity.security,
    schema.identity.invitations,
    schema.identity.resets,
    schema.identity.access,
    schema.identity.privacy,
    schema.messaging.operations,
    schema.customers.operations,
    schema.technicians.operations,
    schema.equipment.operations,
    schema.work_orders.operations,
    schema.scheduling.operations,
    schema.scheduling.advice,
    schema.scheduling.booking,
    schema.scheduling.boards,
    schema.scheduling.syncing,
    schema.scheduling.forecasts,
    schema.integrations.operations,
    schema.journal.operations,
    schema.audit.operations,
    schema.search.operations,
)

api = build_schema(ROOMS)
exporting.export_from(api)


@cache
def sdl() -> str:
    """The schema as clients see it, in GraphQL's own language."""
    return print_schema(core_of(api)) + "\n"
