"""Traps that servers of this stack have fallen into, and the test that keeps us out of each.

| trap | test |
|---|---|
| Accept is never read; a request error answers 200 with data | tests/journeys/test_wire.py::test_passes_every_audit_of_graphql_http |
| the draft's other statuses need another server | tests/schema/kit/test_statuses.py::test_a_request_gets_the_status_of_its_outcome |
| a mutation by GET, a form or an upload is answered 400 in plain text | tests/journeys/test_wire.py::test_the_wrong_content_type_verb_or_accept_is_refused |
| body null, bad UTF-8, deep JSON, huge integers are a 500 | tests/journeys/test_wire.py::test_a_bad_request_gets_its_status_and_an_error_and_never_a_500 |
| a body has no limit | tests/schema/kit/test_http.py::test_a_body_that_is_too_large_is_refused_by_what_it_says_and_by_what_it_is |
| text/event-stream anywhere in Accept makes a stream; CRLF line ends | tests/schema/kit/test_sse.py::test_order_and_quality_decide_and_a_bare_mention_does_not |
| urql fails with every request | tests/journeys/test_clients.py::test_urql_pages_changes_follows_and_lets_go |
| batches of requests | tests/faults/test_cost_bombs.py::test_each_bomb_is_refused_in_a_moment_and_costs_no_memory |
| an empty, numeric or missing id, a message that is no object breaks the socket | tests/journeys/test_wire.py::test_a_message_against_the_protocol_closes_with_its_code |
| a syntax error or unknown operation closes the socket, or is lost | tests/journeys/test_wire.py::test_a_faulty_document_answers_error_and_leaves_the_others_alone |
| answers are binary frames, which graphql-ws does not read | tests/journeys/test_clients.py::test_graphql_ws_asks_changes_and_follows_over_one_socket |
| the older protocol graphql-ws is offered as well | tests/journeys/test_wire.py::test_binary_frames_and_other_protocols_are_refused |
| a minute to begin a socket | tests/schema/kit/test_sockets.py::test_who_does_not_begin_in_time_is_closed |
| a context for each connection answers from before a change | tests/schema/kit/test_traps.py::test_a_socket_does_not_answer_from_before_a_change |
| a client that goes leaves generators behind | tests/schema/kit/test_sockets.py::test_a_lost_connection_ends_20_busy_and_20_waiting_operations |
| a socket that is cut off in a transaction hangs the database | tests/faults/live/test_dropped_connections.py::test_sqlite_connections_that_are_cut_leave_a_server_that_is_whole_and_no_lock |
| a page of another origin opens a socket | tests/journeys/test_wire.py::test_a_foreign_page_cannot_open_a_socket |
| a slow reader fills the memory | tests/schema/kit/test_sse.py::test_who_does_not_read_is_closed_and_what_waits_is_bounded |
| cursors are offsets | tests/schema/kit/test_traps.py::test_a_page_is_read_from_its_place_and_no_further |
| last without before reads the whole table | tests/schema/kit/test_traps.py::test_a_page_is_read_from_its_place_and_no_further |
| first and last together are accepted | tests/app/kernel/test_pages.py::test_a_senseless_page_is_refused |
| an invalid cursor or id is an internal error | tests/schema/test_fuzz.py::test_whatever_comes_the_answer_is_data_or_a_documented_code |
| a cursor of another list gives rows | tests/schema/kit/test_paging.py::test_refuses_a_cursor_that_is_not_of_this_list |
| a statement for each row; loaders | tests/schema/kit/test_reading.py::test_reads_four_levels_with_two_nested_lists_in_one_statement |
| Model.__await__: each row becomes a task | tests/schema/kit/test_traps.py::test_reading_makes_no_row_objects |
| totalCount is counted unasked | tests/schema/kit/test_traps.py::test_nothing_is_counted_unasked |
| no limit of cost | tests/schema/kit/test_budgets.py::test_a_request_beyond_the_budget_is_refused_unread_and_says_when_to_come_back |
| limits that follow fragments without memory | tests/schema/kit/test_limits.py::test_fragments_that_double_at_every_step_are_refused_at_once |
| validation compares equal fields by the square | tests/faults/test_cost_bombs.py::test_without_the_guard_the_same_bombs_keep_everybody_waiting |
| a new rule class for each request, so that validation is never remembered | tests/schema/kit/test_execution.py::test_parses_and_validates_a_document_once |
| suggestions tell the schema | tests/schema/kit/test_telling.py::test_nothing_is_suggested |
| introspection by aliases and fragments | tests/schema/kit/test_telling.py::test_the_schema_is_told_to_whom_the_setting_says_however_it_is_asked_for |
| exceptions reach clients | tests/schema/kit/test_operations.py::test_a_bug_becomes_a_reference_number_and_leaves_the_other_mutations_standing |
| the log has the document's text | tests/schema/kit/test_telling.py::test_no_log_line_holds_what_was_sent_whatever_goes_wrong |
| a hundred sign-ins in one request | tests/schema/kit/test_limits.py::test_only_one_sign_in_stands_in_a_request_however_it_is_hidden |
| no persisted queries | tests/schema/kit/test_persisted.py::test_a_hash_is_not_found_until_its_document_came_along_once |
| @defer and @stream answer what nobody accepted | tests/schema/kit/test_traps.py::test_only_directives_that_work_are_offered |
| client names become columns | tests/schema/kit/test_filters.py::test_who_may_not_read_may_not_ask_through_a_relation |
| NUL and half surrogates in texts | tests/journeys/test_wire.py::test_text_with_control_characters_is_refused_and_nothing_is_made |
| NULL is first on one database and last on the other | tests/schema/kit/test_paging.py::test_walks_any_list_in_any_order |
| decimals compared as text, dates without offset | tests/schema/kit/test_filters.py::test_any_filter_keeps_what_a_plain_evaluation_keeps |
| naive times are accepted | tests/schema/kit/test_execution.py::test_refuses_times_that_nobody_can_place |
| a slow read blocks everything on SQLite | tests/app/database/test_engines.py::test_sqlite_reads_while_a_transaction_writes |
| statements of one dialect are used for the other | tests/app/database/test_engines.py::test_one_process_can_change_from_one_database_to_the_other |
| a late commit hides behind a number that was read | tests/app/infrastructure/test_journal.py::test_eight_writers_and_a_reader_miss_and_repeat_nothing |
"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from app.infrastructure.tables import Table
from schema.kit.execution import core_of
from schema.kit.service import GraphQLService
from schema.schema import api
from tests.schema.kit import scratch_models as models
from tests.schema.kit.conftest import ORGANIZATION, Asking
from tests.schema.kit.test_sockets import JOB, Client, Session

ROOT = Path(__file__).resolve().parents[3]


def table() -> list[tuple[str, str, str]]:
    """The trap, the file and the name of each line above."""
    assert __doc__ is not None
    return re.findall(r"^\| (.+) \| (tests/\S+\.py)::(\w+) \|$", __doc__, re.MULTILINE)


def test_each_trap_has_a_test_that_is_there() -> None:
    rows = table()
    assert len(rows) > 40
    assert len({trap for trap, _, _ in rows}) == len(rows) == __doc__.count("\n| ") - 1 if __doc__ else False
    known: dict[str, set[str]] = {}
    for _, file, name in rows:
        if file not in known:
            nodes = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
            known[file] = {one.name for one in nodes if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in known[file], f"{file} has no {name}"


async def make_jobs(count: int) -> None:
    for number in range(count):
        await models.Job.create(
            id=f"job_01jd00000000000000000000{number:02}", organization_id=ORGANIZATION, title=f"Job {number:02}"
        )


async def test_a_page_is_read_from_its_place_and_no_further(scratch: Any, ask: Asking) -> None:
    await make_jobs(9)
    whole = [one["title"] for one in (await ask.data("{ scratchJobs { nodes { title } } }"))["scratchJobs"]["nodes"]]
    first = await ask.data("{ scratchJobs(first: 3) { nodes { title } pageInfo { endCursor } } }")
    after = first["scratchJobs"]["pageInfo"]["endCursor"]
    for document, variables, titles in (
        ("query($c: String) { scratchJobs(first: 2, after: $c) { nodes { title } } }", {"c": after}, whole[3:5]),
        ("{ scratchJobs(last: 2) { nodes { title } } }", {}, whole[7:]),
        ("query($c: String) { scratchJobs(last: 2, before: $c) { nodes { title } } }", {"c": after}, whole[:2]),
    ):
        data = await ask.data(document, **variables)
        assert [one["title"] for one in data["scratchJobs"]["nodes"]] == titles
        [statement] = ask.statements
        assert "LIMIT" in statement
        assert "OFFSET" not in statement.upper()


async def test_nothing_is_counted_unasked(scratch: Any, ask: Asking) -> None:
    await make_jobs(2)
    await ask.data("{ scratchJobs { nodes { id } pageInfo { hasNextPage } } }")
    assert "COUNT(" not in ask.statements[0].upper()
    await ask.data("{ scratchJobs { totalCount } }")
    assert "COUNT(" in ask.statements[0].upper()


async def test_reading_makes_no_row_objects(scratch: Any, ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_jobs(3)

    def made(*_: Any, **__: Any) -> Any:
        raise AssertionError("a row became an object")

    monkeypatch.setattr(Table, "_init_from_db", classmethod(made))
    monkeypatch.setattr(Table, "__init__", made)
    data = await ask.data("{ scratchJobs { nodes { id title crew { name } } } }")
    assert len(data["scratchJobs"]["nodes"]) == 3
    with pytest.raises(AssertionError, match="became an object"):  # the ORM itself would have been noticed
        await models.Job.filter(title="Job 00")


async def test_a_socket_does_not_answer_from_before_a_change(scratch: Any, schema: Any) -> None:
    await make_jobs(2)
    client = await Client(GraphQLService(schema, introspection="nobody", once=frozenset()), Session()).sign_in()
    seen = []
    for title in ("first", "second"):
        await models.Job.filter(id=JOB).update(title=title)
        client.subscribe("q", f'{{ scratchJob(id: "{JOB}") {{ title }} }}')
        seen.append((await client.receive())["payload"]["data"]["scratchJob"]["title"])
        assert (await client.receive())["type"] == "complete"
    assert seen == ["first", "second"]
    await client.leave()


def test_only_directives_that_work_are_offered() -> None:
    assert {one.name for one in core_of(api).directives} <= {"skip", "include", "deprecated", "specifiedBy", "oneOf"}
