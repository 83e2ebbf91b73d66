"""An address that cannot be used is refused with one sentence that says what to set."""

from pathlib import Path

import pytest

from app import database as db
from app.kernel.errors import ConfigurationError
from tests.app.database.conftest import Scratch

NOTHING = ["tests.app.database.nothing"]
SECRET = "hunter2"

BAD = [
    "",
    "mysql://localhost/x",
    "sqlite://file.db",
    "sqlite:///",
    "sqlite:////no/such/folder/file.db",
    "sqlite:///file.db?mode=ro",
    f"postgresql://me:{SECRET}@localhost",
    f"postgresql://me:{SECRET}@localhost:port/x",
    f"postgresql://me:{SECRET}@localhost/x?pool_max=many",
    f"postgresql://me:{SECRET}@localhost/x?pool_max=0",
    f"postgresql://me:{SECRET}@localhost/x?sslmode=perhaps",
    f"postgresql://me:{SECRET}@localhost/x?magic=1",
    f"postgresql://me:{SECRET}@[::1/x",
]


@pytest.mark.parametrize("url", BAD)
def test_a_bad_address_names_the_setting_and_no_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        db.tortoise_config(url, model_modules=NOTHING)
    message = str(refused.value)
    assert "TRUCKROLL_DATABASE_URL" in message
    assert message.endswith(".")
    assert SECRET not in message


async def test_a_server_that_does_not_answer_names_the_setting_and_no_password() -> None:
    with pytest.raises(ConfigurationError) as refused:
        await db.connect(f"postgresql://me:{SECRET}@127.0.0.1:1/x", model_modules=NOTHING)
    assert "TRUCKROLL_DATABASE_URL names the database 127.0.0.1:1/x" in str(refused.value)
    assert SECRET not in str(refused.value)
    with pytest.raises(RuntimeError):
        db.connection()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    with pytest.raises(ConfigurationError, match=r"TRUCKROLL_DATABASE_URL names the file .*notes\.txt"):
        await db.connect(f"sqlite:///{tmp_path}/notes.txt", model_modules=NOTHING)
    with pytest.raises(RuntimeError):
        db.connection()


def test_an_address_becomes_what_the_engine_needs() -> None:
    config = db.tortoise_config(
        "postgres://me:p%40ss@host:6543/x%20y?pool_min=2&pool_max=7&sslmode=require", model_modules=NOTHING
    )
    credentials = config["connections"]["postgres"]["credentials"]
    settings = credentials.pop("server_settings")
    assert credentials == {
        "host": "host",
        "port": 6543,
        "user": "me",
        "password": "p@ss",
        "database": "x y",
        "minsize": 2,
        "maxsize": 7,
        "application_name": "truckroll",
        "ssl": "require",
    }
    assert settings["statement_timeout"] == "10000"
    assert settings["lock_timeout"] == "5000"


@pytest.mark.parametrize(
    ("url", "file_path"), [("sqlite:///here.db", "here.db"), ("sqlite:////tmp/x%20y.db", "/tmp/x y.db")]
)
def test_a_file_may_be_relative_or_absolute(url: str, file_path: str) -> None:
    config = db.tortoise_config(url, model_modules=NOTHING)
    assert config["connections"]["sqlite"]["credentials"]["file_path"] == file_path


async def test_a_second_connection_is_refused_until_the_first_is_closed(notes: Scratch) -> None:
    with pytest.raises(RuntimeError, match="disconnect"):
        await db.connect("sqlite://:memory:", model_modules=NOTHING)
    await db.disconnect()
    await db.connect("sqlite://:memory:", model_modules=NOTHING)
    assert await db.read_rows("SELECT 1") == [(1,)]


def test_every_room_with_tables_is_found() -> None:
    app = Path(db.__file__).parent.parent
    assert {f"app.{path.parent.name}.models" for path in app.glob("*/models.py")} <= set(db.MODEL_MODULES)
