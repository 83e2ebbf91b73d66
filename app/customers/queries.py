"""What other rooms ask about customers: whose id in another system this is."""

from app.customers import models
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor


async def find_customer_by_external_id(actor: Actor, external_id: str) -> models.Customer | None:
    """The customer that another system knows by this id."""
    same = models.Customer.visible_to(actor) & (column("external_id") == external_id)
    found = await find_rows(models.Customer, same)
    return found[0] if found else None


async def find_site_by_external_id(actor: Actor, external_id: str) -> models.Site | None:
    """The site that another system knows by this id."""
    same = models.Site.visible_to(actor) & (column("external_id") == external_id)
    found = await find_rows(models.Site, same)
    return found[0] if found else None
