"""What is committed is what the code makes: the migrations, and the schema that clients see."""

from pathlib import Path

from app import database
from schema.schema import sdl
from tests.databases import POSTGRES, require_postgres

SNAPSHOT = Path(__file__).resolve().parents[2] / "schema" / "schema.graphql"


async def test_migrations_and_models_make_the_same_sqlite_database():
    assert await database.check_drift() == []


async def test_migrations_and_models_make_the_same_postgres_database():
    await require_postgres()
    assert await database.check_drift(POSTGRES) == []


def test_the_committed_schema_is_the_one_the_code_makes():
    assert SNAPSHOT.read_text(encoding="utf-8") == sdl(), "run `truckroll schema export` and look at the difference"
