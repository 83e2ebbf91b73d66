"""A server broken on purpose, for controls: no row is ever locked."""

import importlib.abc
import sys


class _Breaker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "app.scheduling":
            return
        sys.meta_path.remove(self)
        from app.infrastructure import tables

        locking = tables.find_rows

        async def find_rows(*args, lock=False, **options):
            return await locking(*args, **options)

        tables.find_rows = find_rows
        return


sys.meta_path.insert(0, _Breaker())
