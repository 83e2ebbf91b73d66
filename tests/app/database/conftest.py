"""Scratch projects: models and a migrations package in a temporary folder, and a database of their own."""

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app import database as db
from app.kernel.dialects import Dialect
from tests import databases
from tests.databases import create_postgres, drop_postgres, require_postgres

NOTES = """
from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from app.database import RunDialectSQL


class Author(Model):
    id = fields.IntField(primary_key=True, generated=False)

    class Meta:
        table = "author"


class Note(Model):
    id = fields.IntField(primary_key=True, generated=False)
    author = fields.ForeignKeyField("truckroll.Author", null=True, on_delete=fields.RESTRICT)
    title = fields.CharField(max_length=40, null=True)
    count = fields.IntField(default=0)
    starts = fields.IntField(default=0)
    ends = fields.IntField(default=0)

    class Meta:
        table = "note"
        unique_together = (("author_id", "title"),)
        constraints = [CheckConstraint(check="count >= 0", name="note_count")]


EXTRAS = [
    RunDialectSQL(
        {
            "sqlite": [
                "CREATE TRIGGER note_overlap BEFORE INSERT ON note WHEN EXISTS "
                "(SELECT 1 FROM note WHERE starts < NEW.ends AND NEW.starts < ends) "
                "BEGIN SELECT RAISE(ABORT, 'overlap: two notes'); END"
            ],
            "postgres": [
                "ALTER TABLE note ADD CONSTRAINT note_overlap EXCLUDE USING gist (int4range(starts, ends) WITH &&)"
            ],
        },
        {"sqlite": ["DROP TRIGGER note_overlap"], "postgres": ["ALTER TABLE note DROP CONSTRAINT note_overlap"]},
        name="notes do not overlap",
    )
]
"""

_numbers = itertools.count(1)


class Scratch:
    """A project in a folder. ``models`` writes a version of its models and returns the configuration with them."""

    def __init__(self, folder: Path, url: str, dialect: Dialect) -> None:
        self.folder, self.url, self.dialect = folder, url, dialect
        self.package = f"scratch_{os.getpid()}_{next(_numbers)}"
        (folder / self.package / "migrations").mkdir(parents=True)
        (folder / self.package / "__init__.py").touch()
        (folder / self.package / "migrations" / "__init__.py").touch()

    def models(self, source: str, **options: Any) -> dict[str, Any]:
        module = f"models_{next(_numbers)}"
        (self.folder / self.package / f"{module}.py").write_text(source)
        return db.tortoise_config(
            self.url,
            model_modules=[f"{self.package}.{module}"],
            migrations=f"{self.package}.migrations",
            **options,
        )

    def files(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / self.package / "migrations").glob("0*.py"))

    async def empty(self) -> None:
        """Start with a database without tables."""
        if self.dialect is Dialect.SQLITE:
            for path in self.folder.glob("scratch.db*"):
                path.unlink()
            return
        await db.connect(self.models("from tests.app.database.nothing import Nothing"))
        await db.connection().execute_script("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await db.disconnect()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_scratch() -> AsyncIterator[str]:
    await require_postgres()
    name = f"truckroll_scratch_{os.getpid()}"
    yield await create_postgres(name)
    await drop_postgres(name)


@pytest_asyncio.fixture(loop_scope="session")
async def sqlite_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scratch]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Scratch(tmp_path, f"sqlite:///{tmp_path}/scratch.db", Dialect.SQLITE)
    await databases.leave()


@pytest_asyncio.fixture(loop_scope="session")
async def postgres_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_scratch: str
) -> AsyncIterator[Scratch]:
    monkeypatch.syspath_prepend(str(tmp_path))
    scratch = Scratch(tmp_path, postgres_scratch, Dialect.POSTGRES)
    await scratch.empty()
    yield scratch
    await databases.leave()


@pytest.fixture(params=[Dialect.SQLITE, Dialect.POSTGRES])
def project(request: pytest.FixtureRequest) -> Scratch:
    """A scratch project on SQLite, then on PostgreSQL."""
    scratch: Scratch = request.getfixturevalue(f"{request.param}_project")
    return scratch


@pytest_asyncio.fixture(loop_scope="session")
async def notes(project: Scratch) -> Scratch:
    """A connected database with the tables ``author`` and ``note``, built from the models."""
    await db.connect(project.models(NOTES, pool_max=4, lock_seconds=1, statement_seconds=0.5))
    await db.build_schema()
    return project
