"""A company with a visit, and subscriptions that end."""

import pytest
import pytest_asyncio

from app.kernel.dialects import Dialect
from schema.kit import problems
from tests.app.scheduling.world import Company, found


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(company: Company) -> Company:
    return await found("Globex")
