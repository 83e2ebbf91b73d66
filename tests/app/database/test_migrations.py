"""Migrations keep every row, index and rule, on both databases, whoever starts them and whenever they die."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import database as db
from app.database.migration.catalogue import catalogue
from app.database.scripts import split_statements
from app.kernel.dialects import Dialect
from tests.app.database.conftest import Scratch

MODELS = """
from enum import StrEnum

from tortoise import fields
from tortoise.indexes import Index, PartialIndex
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from app.database import RunDialectSQL


class Customer(Model):
    id = fields.CharField(max_length=30, primary_key=True)
    name = fields.CharField(max_length=80)

    class Meta:
        table = "customer"


class Tag(Model):
    id = fields.CharField(max_length=30, primary_key=True)

    class Meta:
        table = "tag"


class Job(Model):
    id = fields.CharField(max_length=30, primary_key=True)
    customer = fields.ForeignKeyField("truckroll.Customer", related_name="jobs", on_delete=fields.RESTRICT)
    number = fields.IntField()
    title = fields.CharField(max_length=40, db_index=True)
    note = fields.TextField(null=True)
    kind = fields.CharField(max_length=20, db_default="repair")
    price = fields.DecimalField(max_digits=12, decimal_places=2, null=True)
    tags = fields.ManyToManyField("truckroll.Tag", related_name="jobs", through="job_tag")
    # more

    class Meta:
        table = "job"
        unique_together = (("customer_id", "number"),)
        indexes = [Index(fields=("customer_id", "kind")), PartialIndex(fields=("note",), name="job_repairs", condition={"kind": "repair"})]
        constraints = [
            CheckConstraint(check="number > 0", name="job_number"),
            UniqueConstraint(fields=("title",), name="job_open_title", condition="note IS NULL"),
        ]


class Line(Model):
    id = fields.IntField(primary_key=True)
    job = fields.ForeignKeyField("truckroll.Job", related_name="lines", on_delete=fields.CASCADE, db_index=True)
    text = fields.CharField(max_length=80)

    class Meta:
        table = "line"


EXTRAS = [
    RunDialectSQL(
        {
            "sqlite": [
                "CREATE TRIGGER job_frozen BEFORE UPDATE OF id ON job BEGIN SELECT RAISE(ABORT, 'ids stay; always'); END",
                "CREATE INDEX job_title_length ON job (length(title))",
            ],
            "postgres": [
                "CREATE FUNCTION job_frozen() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'ids stay; always'; END $$",
                "CREATE TRIGGER job_frozen BEFORE UPDATE OF id ON job FOR EACH ROW EXECUTE FUNCTION job_frozen()",
                "CREATE INDEX job_title_length ON job (length(title))",
            ],
        },
        {
            "sqlite": ["DROP TRIGGER job_frozen", "DROP INDEX job_title_length"],
            "postgres": ["DROP TRIGGER job_frozen ON job", "DROP FUNCTION job_frozen()", "DROP INDEX job_title_length"],
        },
        name="ids of jobs stay",
    )
]
"""

ROWS = """
INSERT INTO customer (id, name) VALUES ('c1', 'Ann'), ('c2', 'Bob');
INSERT INTO tag (id) VALUES ('t1');
INSERT INTO job (id, customer_id, number, title, note, price) VALUES
    ('j1', 'c1', 1, 'one', NULL, 1.50), ('j2', 'c1', 2, 'two', 'x', NULL), ('j3', 'c2', 1, 'three', 'y', 3);
INSERT INTO line (job_id, text) VALUES ('j1', 'a'), ('j2', 'b'), ('j3', 'c');
INSERT INTO job_tag (job_id, tag_id) VALUES ('j1', 't1'), ('j2', 't1'), ('j3', 't1');
"""
CONTENTS = {
    "customer": "SELECT id FROM customer ORDER BY 1",
    "job": "SELECT id, customer_id, number FROM job ORDER BY 1",
    "line": "SELECT id, job_id, text FROM line ORDER BY 1",
    "job_tag": "SELECT job_id, tag_id FROM job_tag ORDER BY 1",
}


@dataclass(frozen=True)
class Change:
    """``old`` → ``new`` in the models; then ``sql`` gives ``rows``. ``loses`` names a table that goes."""

    name: str
    old: str
    new: str
    sql: str = "SELECT 1"
    rows: tuple[tuple[Any, ...], ...] = ((1,),)
    loses: str = ""


MORE = "    # more\n"
CONSTRAINTS = 'constraints = [\n            CheckConstraint(check="number > 0", name="job_number"),'
CHANGES = [
    Change(
        "add a nullable column",
        MORE,
        "    urgent = fields.BooleanField(null=True)\n",
        "SELECT urgent FROM job",
        ((None,),) * 3,
    ),
    Change(
        "add a column with a default of the database",
        MORE,
        "    seats = fields.IntField(db_default=4)\n",
        "SELECT seats FROM job",
        ((4,),) * 3,
    ),
    Change(
        "add a required column with a default of Python",
        MORE,
        '    word = fields.CharField(max_length=9, default="it\'s")\n',
        "SELECT word FROM job",
        (("it's",),) * 3,
    ),
    Change("add a unique nullable column", MORE, "    code = fields.CharField(max_length=9, null=True, unique=True)\n"),
    Change("add an indexed column", MORE, "    code = fields.CharField(max_length=9, null=True, db_index=True)\n"),
    Change(
        "add a nullable reference",
        MORE,
        '    payer = fields.ForeignKeyField("truckroll.Customer", related_name="paid", null=True, on_delete=fields.SET_NULL)\n',
    ),
    Change(
        "add a many-to-many",
        MORE,
        '    helpers = fields.ManyToManyField("truckroll.Customer", related_name="helped", through="job_helper")\n',
    ),
    Change("drop a column", "    price = fields.DecimalField(max_digits=12, decimal_places=2, null=True)\n", ""),
    Change(
        "widen a column",
        "title = fields.CharField(max_length=40",
        "title = fields.CharField(max_length=90",
        "SELECT title FROM job ORDER BY id",
        (("one",), ("two",), ("three",)),
    ),
    Change(
        "widen a column of a table that others restrict",
        "name = fields.CharField(max_length=80)",
        "name = fields.CharField(max_length=99)",
        "SELECT name FROM customer ORDER BY id",
        (("Ann",), ("Bob",)),
    ),
    Change(
        "change a default of the database",
        'db_default="repair"',
        'db_default="check"',
        "SELECT kind FROM job",
        (("repair",),) * 3,
    ),
    Change(
        "index a column",
        "text = fields.CharField(max_length=80)",
        "text = fields.CharField(max_length=80, db_index=True)",
    ),
    Change("no longer index a column", "max_length=40, db_index=True", "max_length=40"),
    Change(
        "make a column unique",
        "text = fields.CharField(max_length=80)",
        "text = fields.CharField(max_length=80, unique=True)",
    ),
    Change(
        "require a column",
        "note = fields.TextField(null=True)",
        'note = fields.TextField(default="-")',
        "SELECT note FROM job ORDER BY id",
        (("-",), ("x",), ("y",)),
    ),
    Change(
        "rename a column", "title", "heading", "SELECT heading FROM job ORDER BY id", (("one",), ("two",), ("three",))
    ),
    Change(
        "add a check", CONSTRAINTS, CONSTRAINTS + '\n            CheckConstraint(check="price >= 0", name="job_price"),'
    ),
    Change("drop a check", 'CheckConstraint(check="number > 0", name="job_number"),', ""),
    Change("change a check", '"number > 0"', '"number > -1"'),
    Change(
        "add a rule of uniqueness", 'table = "line"', 'table = "line"\n        unique_together = (("job_id", "text"),)'
    ),
    Change("drop a rule of uniqueness", 'unique_together = (("customer_id", "number"),)', ""),
    Change(
        "add a conditional uniqueness",
        CONSTRAINTS,
        CONSTRAINTS + '\n            UniqueConstraint(fields=("price",), name="job_price", condition="price > 2"),',
    ),
    Change(
        "drop a conditional uniqueness",
        'UniqueConstraint(fields=("title",), name="job_open_title", condition="note IS NULL"),',
        "",
    ),
    Change(
        "add a named uniqueness",
        CONSTRAINTS,
        CONSTRAINTS + '\n            UniqueConstraint(fields=("title", "kind"), name="job_title_kind"),',
    ),
    Change("add an index over a relation", 'table = "line"', 'table = "line"\n        indexes = [("job", "text")]'),
    Change("drop an index", 'Index(fields=("customer_id", "kind")), ', ""),
    Change(
        "change what a deletion does",
        'related_name="lines", on_delete=fields.CASCADE',
        'related_name="lines", on_delete=fields.RESTRICT',
    ),
    Change("drop a table", MODELS[MODELS.index("class Line") : MODELS.index("EXTRAS")], "", loses="line"),
    Change("change an extra", "'ids stay; always'", "'ids stay'"),
]


async def facts_of(config: dict[str, Any]) -> set[str]:
    await db.connect(config)
    try:
        return await catalogue(db.connection())
    finally:
        await db.disconnect()


async def contents(config: dict[str, Any], *, without: str = "") -> dict[str, list[tuple[Any, ...]]]:
    await db.connect(config)
    try:
        return {table: await db.read_rows(sql) for table, sql in CONTENTS.items() if table != without}
    finally:
        await db.disconnect()


async def filled(project: Scratch) -> dict[str, Any]:
    """A migrated project with rows; its configuration."""
    config = project.models(MODELS)
    await db.make_migration("initial", config)
    assert await db.migrate(config) == ["0001_initial"]
    await db.connect(config)
    for statement in split_statements(ROWS):
        await db.connection().execute_query(statement)
    await db.disconnect()
    return config


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
async def test_a_change_keeps_rows_and_rules_there_and_back_on_sqlite(sqlite_project: Scratch, change: Change) -> None:
    await go_there_and_back(sqlite_project, change)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
async def test_a_change_keeps_rows_and_rules_there_and_back_on_postgres(
    postgres_project: Scratch, change: Change
) -> None:
    await go_there_and_back(postgres_project, change)


async def go_there_and_back(project: Scratch, change: Change) -> None:
    before = await filled(project)
    facts_before, rows_before = await facts_of(before), await contents(before)
    assert change.old in MODELS
    source = MODELS.replace(change.old, change.new)
    after = project.models(source)
    await db.make_migration("change", after)
    assert await db.migrate(after) == ["0002_change"]
    assert await db.make_migration("nothing is missing", after) == []
    facts_after = await facts_of(after)
    kept = {table: rows for table, rows in rows_before.items() if table != change.loses}
    assert await contents(after, without=change.loses) == kept
    await db.connect(after)
    assert sorted(await db.read_rows(change.sql), key=str) == sorted(change.rows, key=str)
    await db.disconnect()

    assert await db.migrate(after, "0001") == ["0002_change"]
    assert await facts_of(before) == facts_before
    assert await contents(before, without=change.loses) == kept

    await project.empty()
    await db.connect(after)
    await db.build_schema()
    await db.disconnect()
    assert facts_after == await facts_of(after)


async def test_all_the_way_back_leaves_nothing(project: Scratch) -> None:
    config = await filled(project)
    assert await db.migrate(config, "zero") == ["0001_initial"]
    assert {fact for fact in await facts_of(config) if not fact.startswith("extension")} == set()
    assert await db.pending(config) == ["0001_initial"]
    assert await db.history(config) == []


async def test_pending_and_history_tell_where_a_database_is(project: Scratch) -> None:
    config = await filled(project)
    await db.make_migration(
        "Add seats!", after := project.models(MODELS.replace(MORE, "    seats = fields.IntField(null=True)\n"))
    )
    assert project.files() == ["0001_initial", "0002_add_seats"]
    assert await db.pending(after) == ["0002_add_seats"]
    assert [name for name, _ in await db.history(config)] == ["0001_initial"]
    with pytest.raises(db.MigrationError, match="no one migration 0009"):
        await db.migrate(after, "0009")


async def test_drift_names_what_is_missing_on_each_side(project: Scratch) -> None:
    config = await filled(project)
    assert await db.check_drift(config) == []
    changed = project.models(MODELS.replace("max_length=40", "max_length=50"))
    drift = await db.check_drift(changed)
    assert "not in a migration: Alter field title on Job" in drift
    assert "sqlite: only the models make “column job.title: VARCHAR(50) not null kind 0”" in drift
    dialects = {line.partition(":")[0] for line in drift} - {"not in a migration"}
    assert dialects == ({"sqlite"} if project.dialect is Dialect.SQLITE else {"sqlite", "postgres"})


async def test_a_change_of_type_is_refused_and_changes_nothing(project: Scratch) -> None:
    before = await filled(project)
    facts, rows = await facts_of(before), await contents(before)
    after = project.models(MODELS.replace("number = fields.IntField()", "number = fields.TextField()"))
    await db.make_migration("change", after)
    with pytest.raises(db.MigrationError, match="0002_change failed and was rolled back"):
        await db.migrate(after)
    assert await facts_of(before) == facts
    assert await contents(before) == rows
    assert await db.pending(after) == ["0002_change"]


async def test_renaming_a_model_is_refused_before_it_is_written(sqlite_project: Scratch) -> None:
    await filled(sqlite_project)
    source = MODELS.replace("class Line(", "class Row(")
    with pytest.raises(db.MigrationError, match="renaming the model Line to Row"):
        await db.make_migration("rename", sqlite_project.models(source))
    assert sqlite_project.files() == ["0001_initial"]


async def test_a_migration_that_would_leave_rows_pointing_nowhere_is_rolled_back(sqlite_project: Scratch) -> None:
    config = await filled(sqlite_project)
    rows = await contents(config)
    migration = sqlite_project.folder / sqlite_project.package / "migrations" / "0002_bad.py"
    migration.write_text(
        "from tortoise import migrations\nfrom app.database import RunDialectSQL\n"
        "class Migration(migrations.Migration):\n    dependencies = [('truckroll', '0001_initial')]\n"
        "    operations = [RunDialectSQL({'sqlite': ['DELETE FROM job']}, {})]\n"
    )
    with pytest.raises(db.MigrationError, match="6 rows would point nowhere: job_tag → job, line → job"):
        await db.migrate(config)
    assert await contents(config) == rows
    assert await db.pending(config) == ["0002_bad"]


async def test_a_rebuild_refuses_a_column_that_no_model_knows(sqlite_project: Scratch) -> None:
    config = await filled(sqlite_project)
    await db.connect(config)
    await db.connection().execute_query("ALTER TABLE job ADD COLUMN mystery TEXT")
    await db.disconnect()
    after = sqlite_project.models(MODELS.replace("max_length=40", "max_length=50"))
    await db.make_migration("widen", after)
    with pytest.raises(db.MigrationError, match="job has columns that are not its model's: mystery"):
        await db.migrate(after)
    assert "column job.mystery: TEXT kind 0" in await facts_of(config)


async def test_a_rebuild_keeps_row_numbers_and_used_up_ids(sqlite_project: Scratch) -> None:
    config = await filled(sqlite_project)
    await db.connect(config)
    await db.connection().execute_script("DELETE FROM line WHERE job_id <> 'j2'; DELETE FROM job WHERE id = 'j1'")
    rowids = await db.read_rows("SELECT rowid, id FROM job")
    await db.disconnect()
    assert rowids == [(2, "j2"), (3, "j3")]
    after = sqlite_project.models(
        MODELS.replace("max_length=40", "max_length=50").replace(
            "text = fields.CharField(max_length=80)", "text = fields.CharField(max_length=90)"
        )
    )
    await db.make_migration("widen", after)
    await db.migrate(after)
    await db.connect(after)
    assert await db.read_rows("SELECT rowid, id FROM job") == rowids
    await db.connection().execute_query("INSERT INTO line (job_id, text) VALUES ('j2', 'new')")
    assert await db.read_rows("SELECT id FROM line") == [(2,), (4,)]


def test_a_script_is_split_between_statements_and_not_inside_a_trigger() -> None:
    trigger = "CREATE TRIGGER a BEFORE UPDATE ON b BEGIN SELECT 1; SELECT ';'; END;"
    assert list(split_statements(f"SELECT 1;\n{trigger} SELECT 'a;b'")) == ["SELECT 1;", trigger, "SELECT 'a;b'"]


def test_extras_need_names_of_their_own(sqlite_project: Scratch) -> None:
    config = sqlite_project.models("from app.database import RunDialectSQL\nEXTRAS = [RunDialectSQL({}, {})]")
    with pytest.raises(ValueError, match="a name of its own"):
        db.schema_extras(config["apps"]["truckroll"]["models"])
    with pytest.raises(ValueError, match="unknown dialect: mysql"):
        db.RunDialectSQL({"mysql": ["SELECT 1"]})


MIGRATE = """
import asyncio, os, signal, sys
from app import database as db
from app.database.migration.executor import Recorder

url, folder, models, migrations, dies = sys.argv[1:]
sys.path.insert(0, folder)
record = Recorder.record_applied

async def record_and_die(self, app, name):
    if dies == "after recording":
        await record(self, app, name)
    os.kill(os.getpid(), signal.SIGKILL)

if dies:
    Recorder.record_applied = record_and_die
config = db.tortoise_config(url, model_modules=[models], migrations=migrations)
asyncio.run(db.migrate(config))
"""


async def start_migrating(config: dict[str, Any], project: Scratch, *, dies: str = "") -> asyncio.subprocess.Process:
    """A process that migrates, and may be killed on the way."""
    root = Path(db.__file__).parent.parent.parent
    app = config["apps"]["truckroll"]
    arguments = (project.url, str(project.folder), app["models"][0], app["migrations"], dies)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATE, *arguments, env=environment, cwd=root)


@pytest.mark.slow
async def test_four_processes_that_start_together_all_succeed(project: Scratch) -> None:
    config = project.models(MODELS)
    await db.make_migration("initial", config)
    after = project.models(MODELS.replace("max_length=40", "max_length=50"))
    await db.make_migration("widen", after)
    processes = [await start_migrating(after, project) for _ in range(4)]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0, 0, 0, 0]
    assert [name for name, _ in await db.history(after)] == ["0001_initial", "0002_widen"]
    assert await db.check_drift(after) == []


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize("moment", ["before recording", "after recording"])
async def test_a_process_killed_before_the_commit_leaves_a_migration_not_begun(project: Scratch, moment: str) -> None:
    config = await filled(project)
    facts, rows = await facts_of(config), await contents(config)
    after = project.models(MODELS.replace("max_length=40", "max_length=50"))
    await db.make_migration("widen", after)
    process = await start_migrating(after, project, dies=moment)
    assert await process.wait() == -signal.SIGKILL
    assert await facts_of(config) == facts
    assert await contents(config) == rows
    assert await db.pending(after) == ["0002_widen"]
    assert await db.migrate(after) == ["0002_widen"]
    assert await contents(config) == rows
