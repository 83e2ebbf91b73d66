"""Where an export can stand, whose file it is, what it is called, and what a cell says."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.integrations import rules
from app.integrations.rules import EXPORT, ExportFormat, ExportStatus
from app.kernel.actor import Actor, user_actor
from app.kernel.errors import IllegalTransition
from app.kernel.permissions import Role

S = ExportStatus
STEPS = {
    (S.QUEUED, S.RUNNING), (S.QUEUED, S.CANCELED), (S.QUEUED, S.FAILED),
    (S.RUNNING, S.READY), (S.RUNNING, S.CANCELED), (S.RUNNING, S.FAILED),
    (S.READY, S.EXPIRED),
}  # fmt: skip


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("to", S)
def test_every_step_is_one_of_the_table_or_refused(state, to):
    if (state, to) in STEPS:
        EXPORT.require(state, to)
    else:
        with pytest.raises(IllegalTransition):
            EXPORT.require(state, to)


def someone(*roles: Role, id: str = "usr_1", **own: str) -> Actor:
    return user_actor("org_1", id, frozenset(roles), **own)


@pytest.mark.parametrize(
    ("then", "now", "sees_as_much"),
    [
        (someone(Role.FINANCE), someone(Role.FINANCE), True),
        (someone(Role.FINANCE), someone(Role.ADMINISTRATOR), True),
        (someone(Role.ADMINISTRATOR), someone(Role.FINANCE), False),
        (someone(Role.ACCOUNT_ADMINISTRATOR, customer_id="a"), someone(Role.ACCOUNT_ADMINISTRATOR, customer_id="a"), True),
        (someone(Role.ACCOUNT_ADMINISTRATOR, customer_id="a"), someone(Role.ACCOUNT_ADMINISTRATOR, customer_id="b"), False),
        (someone(Role.ACCOUNT_ADMINISTRATOR, customer_id="a"), someone(Role.ADMINISTRATOR), True),
        (someone(Role.GUEST, customer_id="a"), someone(Role.RESIDENTIAL_CUSTOMER, customer_id="a"), True),
        (someone(Role.ADMINISTRATOR), someone(Role.ACCOUNT_ADMINISTRATOR, customer_id="a"), False),
        (someone(Role.TECHNICIAN, technician_id="t"), someone(Role.TECHNICIAN, technician_id="u"), False),
        (someone(Role.TECHNICIAN, technician_id="t"), someone(Role.ADMINISTRATOR), False),
    ],
)  # fmt: skip
def test_who_sees_less_than_the_asker_did_may_not_have_what_the_asker_saw(then, now, sees_as_much):
    assert rules.sees_as_much(now, rules.access_of(then)) is sees_as_much


def test_a_file_is_for_who_asked_and_who_manages_the_company():
    access = rules.access_of(someone(Role.FINANCE))
    assert rules.may_download(someone(Role.FINANCE), "usr_1", access)
    assert not rules.may_download(someone(Role.FINANCE, id="usr_2"), "usr_1", access)
    assert not rules.may_download(someone(Role.OPERATIONS_MANAGER, id="usr_2"), "usr_1", access)
    assert rules.may_download(someone(Role.ADMINISTRATOR, id="usr_2"), "usr_1", access)
    assert not rules.may_download(someone(Role.DISPATCHER), "usr_1", rules.access_of(someone(Role.DISPATCHER)))


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (None, "workOrders.csv"),
        ("", "workOrders.csv"),
        ("june", "june.csv"),
        ("june.CSV", "june.CSV"),
        ("june.ndjson", "june.ndjson.csv"),
        ("../../etc/passwd", "etcpasswd.csv"),
        ("a\r\nSet-Cookie: x", "aSet-Cookie x.csv"),
        ("...", "workOrders.csv"),
        ("x" * 500, "x" * 100 + ".csv"),
        ("Süd ☕", "Süd ☕.csv"),
    ],
)
def test_a_file_has_a_name_that_is_safe_to_save_under(wanted, name):
    assert rules.file_name_of(wanted, "workOrders", ExportFormat.CSV) == name


@given(st.text())
def test_any_text_comes_back_from_a_cell_and_begins_no_formula(text):
    cell = rules.csv_cell(text)
    [[read]] = list(csv.reader(io.StringIO(cell + "\r\n", newline=""), strict=True)) if "\0" not in text else [[None]]
    if read is None:
        read = cell[1:-1].replace('""', '"')
    assert rules.unguarded(read) == text
    is_number = read.lstrip("-")[:1].isdigit()
    assert read[:1] not in set("=+@\t\r\n\0") and (read[:1] != "-" or is_number)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("-1", "-1"),
        ("-1.5e10", "-1.5e10"),
        ("-1+1", "'-1+1"),
        ("-", "'-"),
        ("+1", "'+1"),
        ("'=1", "''=1"),
        ("'t Hof", "'t Hof"),
        ("＝1", "'＝1"),
        (" =1", " =1"),
        ("-1\n", "'-1\n"),
    ],
)
def test_what_a_spreadsheet_would_compute_is_kept_from_it(text, shown):
    assert rules.guarded(text) == shown
    assert rules.unguarded(shown) == text


@pytest.mark.parametrize(
    ("value", "cell"), [(None, ""), ("", '""'), (True, "true"), (False, "false"), (12, "12"), (0.1, "0.1"), (-3, "-3")]
)
def test_values_other_than_texts_stand_bare(value, cell):
    assert rules.csv_cell(value) == cell
