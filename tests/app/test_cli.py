"""The command line: what goes wrong is one sentence on standard error and an exit code, never a traceback."""

import pytest

from tests.servers import PASSWORD, free_port, run_truckroll

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


def test_models_migrations_and_snapshot_agree(embedded):
    assert "agree" in run_truckroll("migrate", "--check", environment=embedded).stdout
    assert "committed one" in run_truckroll("schema", "check", environment=embedded).stdout
