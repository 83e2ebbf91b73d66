"""Log lines are JSON, belong to a request, and tell no secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from app.infrastructure import journal, logs, metrics
from app.infrastructure.tokens import new_token

SECRET = "hunter2-SECRET"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    stream = io.StringIO()
    logs.configure("INFO", stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:], level = before[0], before[1]
        root.setLevel(level)
        structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_request(out: io.StringIO) -> None:
    token = journal.request_id.set("req_1")
    structlog.get_logger("app.test").info("hello", organization="org_1", count=2, words=("a", "b"))
    journal.request_id.reset(token)
    structlog.get_logger("app.test").debug("not at this level")
    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "hello",
        "level": "info",
        "logger": "app.test",
        "request_id": "req_1",
        "organization": "org_1",
        "count": 2,
        "words": ["a", "b"],
    }


def test_the_libraries_lines_look_the_same(out: io.StringIO) -> None:
    logging.getLogger("some.library").warning("took %s ms", 12, extra={"statement": "SELECT 1"})
    (line,) = lines(out)
    assert (line["event"], line["level"], line["logger"], line["statement"]) == (
        "took 12 ms", "warning", "some.library", "SELECT 1"
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "Authorization", "authorisation", "access_token", "token", "client_secret", "key",
     "api_key", "apikey", "cookie", "Set-Cookie", "variables", "refreshToken", "credentials"],
)  # fmt: skip
def test_hides_what_its_name_gives_away(out: io.StringIO, name: str) -> None:
    log = structlog.get_logger()
    log.info("a", **{name: SECRET})
    log.info("b", inner={"deep": [{name: SECRET}]})
    logging.getLogger("x").warning("c", extra={name: SECRET})
    assert SECRET not in out.getvalue()
    assert out.getvalue().count(logs.HIDDEN) == 3


def test_hides_tokens_and_passwords_of_urls_wherever_they_stand(out: io.StringIO) -> None:
    token = new_token("trs")
    log = structlog.get_logger()
    log.info(f"got {token} from there", note=f"Bearer {token}", url=f"postgresql://me:{SECRET}@host/db")
    logging.getLogger("x").warning("again %s", token)
    try:
        raise ValueError(f"bad {token} at redis://:{SECRET}@host")
    except ValueError:
        log.exception("failed")
    text = out.getvalue()
    assert token not in text
    assert SECRET not in text
    assert "Traceback" in lines(out)[-1]["exception"]
    assert lines(out)[0]["url"] == f"postgresql://me:{logs.HIDDEN}@host/db"


def test_shows_what_only_looks_similar(out: io.StringIO) -> None:
    structlog.get_logger().info(
        "a", keyboard="us", monkey="m", dedupe="d", passenger="p", wo="wo_01m80rrh44e4z8c0m34dpbbw10"
    )
    assert logs.HIDDEN not in out.getvalue().replace("passenger", "")


def test_a_line_cannot_be_forged(out: io.StringIO) -> None:
    structlog.get_logger().info('x"}\n{"event":"forged"}', name="a\r\nb\x1b[31m")
    (line,) = lines(out)
    assert line["event"] == 'x"}\n{"event":"forged"}'


def test_values_of_any_kind_and_size_can_be_logged(out: io.StringIO) -> None:
    deep: list[Any] = []
    deep.append(deep)
    structlog.get_logger().info("a", deep=deep, big="x" * 100_000, thing=object(), raw=b"\xff", bad="\udcff", none=None)
    (line,) = lines(out)
    assert len(line["big"]) == logs.TEXT_LENGTH_MAX + 1
    assert line["none"] is None


def test_on_a_terminal_it_is_text_without_the_values_of_variables() -> None:
    stream = io.StringIO()
    logs.configure("INFO", json=False, stream=stream)
    try:
        secret_of_a_frame = SECRET
        assert secret_of_a_frame
        raise ValueError("x")
    except ValueError:
        structlog.get_logger("app.test").exception("failed", password=SECRET)
    finally:
        logging.getLogger().handlers.clear()
        structlog.reset_defaults()
    text = stream.getvalue()
    assert "failed" in text
    assert SECRET not in text


def test_metrics_are_rendered_as_prometheus_reads_them() -> None:
    metrics.observe_request(True, 0.02)
    metrics.observe_request(False, 0.02)
    metrics.count_command("ring_bell", "DONE")
    metrics.count_facts(3)
    metrics.follower_lag("test.follower", 7)
    metrics.count_parked("test.follower")
    metrics.observe_job("test", "done", 1.0)
    metrics.sockets_open(5)
    text = metrics.render().decode()
    for line in (
        'truckroll_follower_lag_facts{follower="test.follower"} 7.0',
        "truckroll_sockets_open 5.0",
        'truckroll_request_seconds_count{outcome="answered"}',
        'truckroll_request_seconds_count{outcome="refused"}',
        'truckroll_commands_total{command="ring_bell",outcome="DONE"}',
        "truckroll_facts_total",
        'truckroll_facts_parked_total{follower="test.follower"}',
        'truckroll_job_seconds_count{kind="test",outcome="done"}',
    ):
        assert f"\n{line}" in text
