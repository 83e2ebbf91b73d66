"""The company that the tests of this room work for, and another one in the same database."""

import pytest_asyncio

from app.kernel.dialects import Dialect
from tests.app.scheduling.world import Company, found


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    """The company of the test."""
    return await found("Acme")


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(company: Company) -> Company:
    """Another company in the same database."""
    return await found("Globex")
