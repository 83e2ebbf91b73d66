"""Which providers somebody may sign in by."""

from app.identity import models
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows

FOUND_MAX = 10


async def providers_for(email: str) -> list[models.IdentityProvider]:
    """The providers in use that may vouch for a mail address, by its domain. Whether there is an account is not looked at."""
    domain = email.rpartition("@")[2].strip().lower()
    if not domain:
        return []
    found = await find_rows(models.IdentityProvider, ~column("email_domains").is_null(), order=["name"])
    return [one for one in found if one.is_active and domain in one.email_domains][:FOUND_MAX]
