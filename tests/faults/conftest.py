"""The worlds of the journeys, for fault tests."""

from tests.journeys.conftest import large, small, world

__all__ = ["large", "small", "world"]
