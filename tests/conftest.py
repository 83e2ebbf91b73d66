"""What every test may ask for: see ``tests/databases.py``."""

pytest_plugins = ["tests.databases"]
