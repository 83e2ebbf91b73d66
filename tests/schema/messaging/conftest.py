"""A company with a visit, and subscriptions that end."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.infrastructure import journal, tail
from app.kernel.dialects import Dialect
from schema.kit import problems
from tests.app.scheduling.world import Company, found


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest.fixture(autouse=True)
def ending_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subscriptions tell what there is and end, instead of waiting for more."""

    async def replay(organization_id: str, after: int) -> AsyncIterator[journal.Entry]:
        for entry in await journal.read(organization_id, after):
            yield entry

    monkeypatch.setattr(tail, "follow", replay)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(company: Company) -> Company:
    return await found("Globex")
