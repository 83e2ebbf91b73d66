"""Our own server with one query only, answered by plain objects instead of the reader: the general path.

Usage: as ``truckroll serve``, with the settings of the environment.
"""

from datetime import datetime

from app import main
from app.kernel.actor import Actor
from app.settings import read_settings
from schema.kit import ID, SIGNED_IN, about, build_schema, plain, query
from tests.benchmarks.reading.plain_objects import plain_work_orders


@plain
class PlainCustomer:
    """An account."""

    id: ID = about("Its id.")
    name: str = about("What it is called.")
    account_number: str = about("Its number.")


@plain
class PlainSite:
    """A place."""

    id: ID = about("Its id.")
    name: str = about("What it is called.")
    city: str | None = about("City.")


@plain
class PlainEquipment:
    """A device."""

    id: ID = about("Its id.")
    name: str = about("What it is called.")
    serial_number: str | None = about("The maker's number.")


@plain
class PlainWorkOrder:
    """What is to be done."""

    id: ID = about("Its id.")
    number: str = about("Its number.")
    status: str = about("Where it stands.")
    priority: str = about("How urgent it is.")
    channel: str = about("How it reached us.")
    category: str | None = about("What kind of problem.")
    summary: str = about("What is to be done, in a line.")
    description: str = about("What is to be done, at length.")
    submitted_at: datetime = about("When it was asked for.")
    due_at: datetime | None = about("When it must be done.")
    duration_minutes: int = about("How long it takes.")
    version: int = about("Counts up.")
    customer: PlainCustomer = about("For whom.")
    site: PlainSite = about("Where.")
    equipment: PlainEquipment | None = about("On which equipment.")


PLAIN = plain_work_orders(PlainWorkOrder, PlainCustomer, PlainSite, PlainEquipment, lambda at: at)


class PlainRoom:
    """A room without rows."""

    class Queries:
        """What can be asked there."""

        @query("A hundred work orders that are objects already.", permission=SIGNED_IN)
        async def plain_work_orders(actor: Actor) -> list[PlainWorkOrder]:
            """They are made once; what is measured is how they are answered."""
            return PLAIN


if __name__ == "__main__":
    main.api = build_schema([PlainRoom])
    main.serve(read_settings())
