"""The command line: what goes wrong is one sentence on standard error and an exit code, never a traceback."""

import sqlite3
import time
from contextlib import closing

import httpx
import pytest

from app.kernel.ids import new_id
from tests.servers import PASSWORD, Process, free_port, run_truckroll

pytestmark = pytest.mark.slow

SETUP = ("setup", "--name", "Acme", "--time-zone", "UTC", "--currency", "EUR", "--country", "DE",
         "--email", "ada@example.com", "--legal-name", "Ada Admin")  # fmt: skip


def refused(*arguments, environment):
    """The one sentence with which a command was refused."""
    ran = run_truckroll(*arguments, environment=environment, check=False)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
    said = ran.stderr.strip().splitlines()
    assert len(said) == 1, ran.stderr
    return said[0]


@pytest.fixture
def embedded(tmp_path):
    """Settings of an empty place."""
    return {
        "TRUCKROLL_DATABASE_URL": f"sqlite:///{tmp_path}/truckroll.db",
        "TRUCKROLL_DATA_FOLDER": str(tmp_path / "data"),
    }


def test_a_database_that_is_away_is_named_without_its_password():
    url = f"postgres://truckroll:hunter2@127.0.0.1:{free_port()}/truckroll"
    for command in ("serve", "check", "migrate"):
        said = refused(command, environment={"TRUCKROLL_DATABASE_URL": url})
        assert "TRUCKROLL_DATABASE_URL" in said
        assert "hunter2" not in said


def test_a_database_without_its_migrations_is_refused_and_says_what_to_run(embedded):
    for command in ("serve", "check", "worker"):
        assert "truckroll migrate" in refused(command, environment=embedded)


def test_a_setting_that_is_wrong_is_refused_before_anything_starts(embedded):
    assert "TRUCKROLL_PORT" in refused("serve", environment={**embedded, "TRUCKROLL_PORT": "x"})


def test_a_company_is_set_up_once_with_a_password_worth_the_name(embedded):
    assert "Applied 0001_initial" in run_truckroll("migrate", environment=embedded).stdout
    assert "up to date" in run_truckroll("migrate", environment=embedded).stdout
    assert "characters" in refused(*SETUP, "--password", "short", environment=embedded)
    assert "no organization" in refused("import", "work-orders", "README.md", environment=embedded).lower()
    assert "org_" in run_truckroll(*SETUP, "--password", PASSWORD, environment=embedded).stdout
    assert "exists already" in refused(*SETUP, "--password", PASSWORD, environment=embedded)
    assert "is none of the mappings" in refused(
        "import", "work-orders", "README.md", "--mapping", "nothing", environment=embedded
    )
    assert "fine" in run_truckroll("check", environment=embedded).stdout
    nowhere = {"TRUCKROLL_TRAVEL_PROVIDER": "osrm", "TRUCKROLL_TRAVEL_URL": "http://127.0.0.1:1"}
    ran = run_truckroll("check", environment=embedded | nowhere, check=False)
    assert ran.returncode != 0
    assert "The road server does not answer as osrm does (ConnectError)" in ran.stderr


def test_followers_say_how_far_they_are_and_try_again_what_was_set_aside(embedded):
    run_truckroll("migrate", environment=embedded)
    run_truckroll(*SETUP, "--password", PASSWORD, environment=embedded)
    path = embedded["TRUCKROLL_DATABASE_URL"].removeprefix("sqlite:///")
    parked, follower = new_id("park"), "scheduling.call_off_visits"
    with closing(sqlite3.connect(path)) as database, database:
        fact_id, organization_id, seq, kind = database.execute(
            "SELECT id, organization_id, seq, type FROM journal_entry ORDER BY seq LIMIT 1"
        ).fetchone()
        database.execute(
            "INSERT INTO parked_fact (id, version, created_at, updated_at, organization_id, follower, seq, fact_id, type, "
            "attempts, error) VALUES (?, 1, '2026-03-01', '2026-03-01', ?, ?, ?, ?, ?, 5, 'ValueError: no')",
            (parked, organization_id, follower, seq, fact_id, kind),
        )
    said = run_truckroll("followers", "status", environment=embedded).stdout.splitlines()
    assert f"{follower}: 0 waiting, 1 set aside" in said
    assert f"{parked}: {follower} failed at fact {seq}, {kind}: ValueError: no" in said
    assert "There is no parked fact" in refused("followers", "replay", new_id("park"), environment=embedded)
    assert "handled 1 of 1" in run_truckroll("followers", "replay", parked, environment=embedded).stdout
    assert "already" in refused("followers", "replay", parked, environment=embedded)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE parked_fact SET replayed_at = NULL")
    assert "no follower called" in refused("followers", "replay", "--follower", "nobody", environment=embedded)
    assert "handled 1 of 1" in run_truckroll("followers", "replay", "--follower", follower, environment=embedded).stdout
    assert "handled 0 of 0" in run_truckroll("followers", "replay", "--all", environment=embedded).stdout
    assert f"{follower}: 0 waiting, 0 set aside" in run_truckroll("followers", "status", environment=embedded).stdout


def test_the_journal_is_verified_and_the_first_wrong_fact_named(embedded, tmp_path):
    environment = {**embedded, "TRUCKROLL_JOURNAL_KEY": "a key that is known to few people only"}
    run_truckroll("migrate", environment=environment)
    run_truckroll(*SETUP, "--password", PASSWORD, environment=environment)
    assert "Nothing is sealed yet" in run_truckroll("audit", "head", environment=environment).stderr
    with Process("worker", environment, tmp_path / "worker.log") as worker:
        deadline = time.monotonic() + 30
        while not (head := run_truckroll("audit", "head", environment=environment).stdout.strip()):
            assert time.monotonic() < deadline, worker.log.read_text()
        assert worker.stop() == 0
    organization_id, seq, seal = head.split()
    assert seal.startswith("hmac-sha256-")
    kept = tmp_path / "heads.txt"
    run_truckroll("audit", "head", "--to", str(kept), environment=environment)
    assert kept.read_text() == f"{head}\n"
    whole = f"{organization_id}: {seq} facts, {seq} of them sealed: as they were written.\n"
    assert run_truckroll("audit", "verify", environment=environment).stdout == whole
    assert run_truckroll("audit", "verify", "--heads", str(kept), environment=environment).stdout == whole
    assert "TRUCKROLL_AUDIT_KEY" in refused("audit", "head", "--sign", environment=environment)
    signing = {
        **environment,
        "TRUCKROLL_AUDIT_KEY": run_truckroll("audit", "key", environment=environment).stdout.strip(),
    }
    public = run_truckroll("audit", "key", "--public", environment=signing).stdout.strip()
    signed = tmp_path / "signed.txt"
    run_truckroll("audit", "head", "--sign", "--to", str(signed), environment=signing)
    verify = ("audit", "verify", "--heads", str(signed), "--public-key", public)
    assert run_truckroll(*verify, environment=environment).stdout == whole
    signed.write_text(signed.read_text().replace(seal, f"{seal[:-1]}_"))
    assert "altered" in refused(*verify, environment=environment)
    assert "TRUCKROLL_JOURNAL_KEY" in refused("audit", "verify", environment=embedded)
    with closing(sqlite3.connect(embedded["TRUCKROLL_DATABASE_URL"].removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE journal_entry SET actor_id = 'usr_nobody' WHERE seq = 1")
    said = refused("audit", "verify", "--organization", organization_id, environment=environment)
    assert f"{organization_id}: fact 1 is wrong: it was altered" in said


def test_a_worker_answers_probes_where_it_is_told_to_and_still_ends_by_a_signal(embedded, tmp_path):
    run_truckroll("migrate", environment=embedded)
    port = free_port()
    settings = {**embedded, "TRUCKROLL_WORKER_PORT": str(port), "TRUCKROLL_METRICS_TOKEN": "a-long-random-word"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        with Process("worker", settings, tmp_path / "worker.log") as worker:
            deadline = time.monotonic() + 30
            while True:
                try:
                    ready = client.get("/readyz")
                    break
                except httpx.ConnectError:
                    assert time.monotonic() < deadline, worker.log.read_text()
                    time.sleep(0.05)
            assert (ready.status_code, ready.json()["database"]) == (200, "ok")
            assert client.get("/healthz").json() == {"status": "ok"}
            assert client.get("/metrics").status_code == 401
            metrics = client.get("/metrics", headers={"authorization": "Bearer a-long-random-word"})
            assert "truckroll_follower_lag_facts" in metrics.text
            assert client.get("/graphql").status_code == 404
            taken = refused("worker", environment=settings)
            assert "TRUCKROLL_WORKER_PORT" in taken
            assert worker.stop() == 0
        with pytest.raises(httpx.ConnectError):
            client.get("/healthz")


def test_models_migrations_and_snapshot_agree(embedded):
    assert "agree" in run_truckroll("migrate", "--check", environment=embedded).stdout
    assert "committed one" in run_truckroll("schema", "check", environment=embedded).stdout
