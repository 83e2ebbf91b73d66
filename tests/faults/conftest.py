"""The worlds of the journeys, for fault tests."""

import pytest

from tests.journeys.conftest import large, small, world

__all__ = ["large", "small", "without_budgets", "world"]


@pytest.fixture(autouse=True)
def without_budgets(request: pytest.FixtureRequest) -> None:
    """One caller does here what a hundred would: what they may spend is not what these tests are about."""
    for name in {"large", "small", "world"} & set(request.fixturenames):
        request.getfixturevalue(name).environment["TRUCKROLL_COST_BUDGET"] = "off"
