"""A server broken on purpose, for controls: a unit of work answers its caller half a second before it commits."""

import asyncio
import importlib.abc
import sys


class _Breaker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "app.infrastructure.command":
            return
        sys.meta_path.remove(self)
        from app import database
        from app.database import units

        async def answers_too_early(work, **options):
            answered = asyncio.get_running_loop().create_future()

            async def late():
                result = await work()
                if not answered.done():
                    answered.set_result(result)
                await asyncio.sleep(0.5)
                return result

            def failed(task):
                if not answered.done():
                    answered.set_exception(task.exception() or RuntimeError("no answer"))

            task = asyncio.create_task(units.unit_of_work(late, **options))
            task.add_done_callback(failed)
            return await answered

        database.unit_of_work = answers_too_early
        return


sys.meta_path.insert(0, _Breaker())
