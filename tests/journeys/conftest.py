"""The worlds as fixtures."""

import pytest

from tests.journeys.worlds import large_world, small_world


@pytest.fixture(params=["small", "large"])
def world(request, tmp_path):
    """A company that was just set up: on SQLite, and on PostgreSQL with Redis."""
    with (small_world if request.param == "small" else large_world)(tmp_path) as made:
        yield made.set_up()


@pytest.fixture
def small(tmp_path):
    """A company on SQLite."""
    with small_world(tmp_path) as made:
        yield made.set_up()


@pytest.fixture
def large(tmp_path):
    """A company on PostgreSQL and Redis."""
    with large_world(tmp_path) as made:
        yield made.set_up()
