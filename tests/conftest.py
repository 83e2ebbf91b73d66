"""What every test may ask for: see ``tests/databases.py``."""

import pytest

from app.infrastructure import encryption

pytest_plugins = ["tests.databases"]

encryption.configure({"test": bytes(range(32))})


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first: the last of them must not keep one worker while the other has nothing to do."""
    weight: dict[str, int] = {}
    for item in items:
        own = 2 if item.get_closest_marker("fault") else 1 if item.get_closest_marker("slow") else 0
        weight[item.path.as_posix()] = max(own, weight.get(item.path.as_posix(), 0))
    items.sort(key=lambda item: -weight[item.path.as_posix()])
