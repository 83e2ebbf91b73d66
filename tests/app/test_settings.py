"""Settings: read once, and refused with one sentence that says what to set."""

from pathlib import Path

import pytest

from app.kernel.errors import ConfigurationError
from app.settings import Background, Documents, HttpStatuses, Introspection, TravelProvider, read_settings


def test_without_any_setting_everything_is_embedded():
    settings = read_settings({"HOME": "/root"})
    assert settings.database_url == "sqlite:///var/truckroll.db"
    assert settings.broadcast_url == "memory://"
    assert settings.embedded
    assert settings.runs_background_inside


def test_a_server_of_many_leaves_the_background_to_workers_unless_told_otherwise():
    environment = {"TRUCKROLL_DATABASE_URL": "postgres://truckroll@db/truckroll"}
    assert not read_settings(environment).runs_background_inside
    told = read_settings(environment | {"TRUCKROLL_BACKGROUND": "inside"})
    assert told.background is Background.INSIDE
    assert told.runs_background_inside


def test_values_are_read_as_what_they_are():
    settings = read_settings(
        {
            "TRUCKROLL_PORT": "9000",
            "TRUCKROLL_ALLOWED_ORIGINS": "https://board.example, https://office.example",
            "TRUCKROLL_INTROSPECTION": "nobody",
            "TRUCKROLL_DOCUMENTS": "trusted",
            "TRUCKROLL_TRUSTED_DOCUMENTS": "documents.json",
            "TRUCKROLL_HTTP_STATUSES": "draft",
        }
    )
    assert settings.port == 9000
    assert settings.allowed_origins == ("https://board.example", "https://office.example")
    assert settings.introspection is Introspection.NOBODY
    assert (settings.documents, settings.trusted_documents) == (Documents.TRUSTED, Path("documents.json"))
    assert settings.http_statuses is HttpStatuses.DRAFT


def test_a_road_server_has_a_kind_and_an_address():
    told = {"TRUCKROLL_TRAVEL_PROVIDER": "valhalla", "TRUCKROLL_TRAVEL_URL": "https://roads.example/v1?key=x"}
    settings = read_settings(told)
    assert (settings.travel_provider, settings.travel_url) == (
        TravelProvider.VALHALLA,
        "https://roads.example/v1?key=x",
    )
    assert read_settings({}).travel_provider is TravelProvider.ESTIMATE
    assert [one.factor for one in read_settings({}).slow_hours] == [1.3, 1.3]
    assert read_settings({"TRUCKROLL_TRAVEL_SLOW_HOURS": "none"}).slow_hours == ()


def test_people_reach_the_server_where_it_says_else_where_it_listens():
    assert read_settings({"TRUCKROLL_PORT": "9000"}).public_address == "http://127.0.0.1:9000"
    assert (
        read_settings({"TRUCKROLL_PUBLIC_URL": "https://service.example/"}).public_address == "https://service.example"
    )


def test_a_secret_may_come_from_a_file(tmp_path):
    secret = tmp_path / "url"
    secret.write_text("postgres://truckroll:hunter2@db/truckroll\n")
    assert read_settings({"TRUCKROLL_DATABASE_URL_FILE": str(secret)}).database_url.endswith("@db/truckroll")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TRUCKROLL_PORT", "eighty", "TRUCKROLL_PORT cannot be used"),
        ("TRUCKROLL_WORKER_PORT", "70000", "TRUCKROLL_WORKER_PORT cannot be used"),
        ("TRUCKROLL_PORT", "70000", "TRUCKROLL_PORT cannot be used"),
        ("TRUCKROLL_DATABASE_URL", "truckroll.db", "TRUCKROLL_DATABASE_URL cannot be used"),
        ("TRUCKROLL_BACKGROUND", "sometimes", "TRUCKROLL_BACKGROUND cannot be used"),
        ("TRUCKROLL_LOG_LEVEL", "LOUD", "TRUCKROLL_LOG_LEVEL cannot be used"),
        ("TRUCKROLL_METRICS_TOKEN", "short", "TRUCKROLL_METRICS_TOKEN cannot be used"),
        ("TRUCKROLL_HTTP_STATUSES", "2026", "TRUCKROLL_HTTP_STATUSES cannot be used: .*2025 or draft"),
        ("TRUCKROLL_DOCUMENTS", "some", "TRUCKROLL_DOCUMENTS cannot be used"),
        ("TRUCKROLL_DOCUMENTS", "trusted", "TRUCKROLL_DOCUMENTS cannot be used: .*TRUCKROLL_TRUSTED_DOCUMENTS"),
        ("TRUCKROLL_COST_BUDGET", "keys=1", "TRUCKROLL_COST_BUDGET cannot be used: keys=1 is not a budget"),
        (
            "TRUCKROLL_COST_BUDGET",
            "keys=20/1",
            "TRUCKROLL_COST_BUDGET cannot be used: a budget has 5000 points or more",
        ),
        (
            "TRUCKROLL_TRAVEL_PROVIDER",
            "osrm",
            "TRAVEL_PROVIDER cannot be used: .*set TRUCKROLL_TRAVEL_URL to its address",
        ),
        ("TRUCKROLL_TRAVEL_PROVIDER", "google", "TRUCKROLL_TRAVEL_PROVIDER cannot be used: .*osrm or valhalla"),
        (
            "TRUCKROLL_TRAVEL_URL",
            "http://osrm:5000",
            "TRAVEL_PROVIDER cannot be used: nobody would ask the road server",
        ),
        (
            "TRUCKROLL_PUBLIC_URL",
            "service.example",
            "TRUCKROLL_PUBLIC_URL cannot be used: it must be a URL such as https",
        ),
        ("TRUCKROLL_PUBLIC_URL", "https://service.example/app", "it ends behind the name or the port"),
        ("TRUCKROLL_TRAVEL_URL", "osrm:5000", "TRUCKROLL_TRAVEL_URL cannot be used: it must be a URL such as http"),
        ("TRUCKROLL_TRAVEL_URL", "http://osrm:99999", "TRUCKROLL_TRAVEL_URL cannot be used: port out of range"),
        ("TRUCKROLL_TRAVEL_URL", "http://:5000", "TRUCKROLL_TRAVEL_URL cannot be used: it must be a URL such as http"),
        ("TRUCKROLL_TRAVEL_PROFILE", "../x", "TRUCKROLL_TRAVEL_PROFILE cannot be used"),
        ("TRUCKROLL_TRAVEL_PLACES_MAX", "0", "TRUCKROLL_TRAVEL_PLACES_MAX cannot be used"),
        (
            "TRUCKROLL_TRAVEL_SLOW_HOURS",
            "7-9",
            "TRUCKROLL_TRAVEL_SLOW_HOURS cannot be used: 7-9 is no slow hours such as",
        ),
        ("TRUCKROLL_DATABSE_URL", "sqlite:///x", "TRUCKROLL_DATABSE_URL is not a setting"),
        ("TRUCKROLL_DATABASE_URL_FILE", "/nowhere/at/all", "cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_start_with_one_sentence(variable, value, said):
    with pytest.raises(ConfigurationError, match=said) as refusal:
        read_settings({variable: value})
    assert "\n" not in str(refusal.value)


def test_what_may_be_reached_though_it_is_private_is_named():
    told = read_settings({"TRUCKROLL_OUTBOUND_ALLOWED": "idp.internal, 10.1.0.0/16"})
    assert told.outbound_allowed == ("idp.internal", "10.1.0.0/16")
    assert read_settings({}).outbound_allowed == ()
    with pytest.raises(ConfigurationError, match=r"TRUCKROLL_OUTBOUND_ALLOWED cannot be used: 'http://idp' is neither"):
        read_settings({"TRUCKROLL_OUTBOUND_ALLOWED": "http://idp"})
