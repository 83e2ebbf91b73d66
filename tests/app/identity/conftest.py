"""Two companies, so that what belongs to one can be asked for by the other."""

import pytest_asyncio

from app.infrastructure import limits
from app.kernel.dialects import Dialect
from tests.app.company.companies import Company, found


@pytest_asyncio.fixture
async def lamp(database: Dialect) -> Company:
    await limits.start()  # what other tests tried from the same network does not count
    return await found("Complicated Lamp Repairs")


@pytest_asyncio.fixture
async def rival(lamp: Company) -> Company:
    return await found("Rival Roofing", time_zone="Europe/Berlin", currency="EUR", country="DE")
