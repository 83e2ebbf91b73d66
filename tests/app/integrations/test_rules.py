"""How a file becomes rows and a row becomes values: tables of cases, no database."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.integrations import mappings
from app.integrations.mappings import GENERIC, NYC_311
from app.integrations.rules import imports as rules
from app.kernel.errors import InvalidInput


def read(text, *required):
    return rules.read_rows(text if isinstance(text, bytes) else text.encode(), required)


def test_rows_know_where_they_stand_in_a_spreadsheet_and_in_an_editor():
    rows = read('\ufeffa,b\r\n1,"two\nlines"\r\n\r\n3,4\n', "a")
    assert [(row.row, row.line, row.cells, row.fault) for row in rows] == [
        (2, 2, {"a": "1", "b": "two\nlines"}, None),
        (4, 5, {"a": "3", "b": "4"}, None),
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (b"", 1, "no header"),
        (b"\n\n", 1, "no header"),
        (b"a,b\n1,2\n\xff\xfe,3\n", 3, "UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), 1, "UTF-8"),
        (b"a,b\n1,2\n3,\x004\n", 3, "NUL"),
        (b'a,b\n1,2\n3,"never\nends\n5,6\n', 3, "never ends"),
        (b'a,b\n1,"x"y\n', 2, "quote"),
        (b"b,c\n1,2\n", 1, "lacks a"),
        (b"a,a\n1,2\n", 1, "twice"),
        (b"a," + b"c," * 300 + b"\n", 1, "columns"),
        (b"a,b\n1," + b"x" * 20_001 + b"\n", 2, "20000"),
        (b'a,b\n1,"' + b"x" * 200_000 + b'"\n', 2, "20000"),
    ],
)
def test_a_file_that_is_no_csv_is_one_problem_that_names_the_line(text, line, said):
    with pytest.raises(InvalidInput) as refused:
        read(text, "a")
    assert refused.value.path == ("file", str(line))
    assert refused.value.message.startswith(f"Line {line}: ")
    assert said in refused.value.message


def test_too_many_bytes_or_rows_are_refused(monkeypatch):
    monkeypatch.setattr(rules, "ROWS_MAX", 3)
    assert len(read("a\n1\n2\n3\n")) == 3
    with pytest.raises(InvalidInput):
        read("a\n1\n2\n3\n4\n")
    monkeypatch.setattr(rules, "FILE_BYTES_MAX", 5)
    with pytest.raises(InvalidInput):
        read("a\n1\n2\n")


def test_a_row_that_cannot_be_cut_into_cells_is_a_fault_of_that_row_alone():
    rows = read("a,b\n1\n1,2,3\n\x07,2\n1,2\n", "a")
    assert [row.fault is None for row in rows] == [False, False, False, True]
    assert rules.translate(GENERIC, rows[0]).errors == (
        rules.CellError(None, "The row has 1 cells, the header has 2."),
    )


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20), min_size=3, max_size=3), max_size=8))  # fmt: skip
def test_what_was_written_as_csv_is_read_as_it_was(table):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *table])
    rows = read(text.getvalue())
    written = [cells for cells in table if any(cell.strip() for cell in cells)]
    composed = [[rules.unicodedata.normalize("NFC", cell) for cell in cells] for cells in written]
    assert [list(row.cells.values()) for row in rows] == composed


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_one_problem(data):
    try:
        rules.read_rows(data, ())
    except InvalidInput as refused:
        assert refused.path[0] == "file"


HOUSE = {
    "Unique Key": "33648024",
    "Created Date": "06/20/2016 10:04:21 PM",
    "Complaint Type": "Noise - Residential",
    "Descriptor": "Loud Music/Party",
    "Location Type": "Residential Building/House",
    "Incident Zip": "11231",
    "Incident Address": "70 BUSH STREET",
    "Address Type": "ADDRESS",
    "Cross Street 1": "COLUMBIA STREET",
    "Cross Street 2": "HICKS STREET",
    "City": "BROOKLYN",
    "Latitude": "40.67500778066339",
    "Longitude": "-74.00664420030702",
}


def city(**cells):
    said = HOUSE | {name.replace("_", " "): value for name, value in cells.items()}
    return rules.translate(NYC_311, rules.Row(2, 2, said))


def test_a_request_of_the_city_becomes_a_customer_a_site_and_a_work_order():
    said = city()
    assert said.errors == ()
    assert said.values == {
        "customer": {
            "external_id": "nyc-311:70 bush street, 11231", "name": "70 Bush Street", "type": "RESIDENTIAL",
        },
        "site": {
            "external_id": "nyc-311:70 bush street, 11231", "name": "70 Bush Street", "address_line": "70 Bush Street",
            "city": "Brooklyn", "region": "NY", "country": "US", "postal_code": "11231", "time_zone": "America/New_York",
            "latitude": 40.67500778066339, "longitude": -74.00664420030702,
        },
        "work_order": {
            "external_id": "33648024", "channel": "IMPORT", "category": "Noise - Residential", "priority": "NORMAL",
            "summary": "Noise - Residential: Loud Music/Party",
            "description": "Complaint: Loud Music/Party\nLocation: Residential Building/House\n"
            "Between: Columbia Street and Hicks Street",
            "submitted_at": datetime(2016, 6, 21, 2, 4, 21, tzinfo=UTC),
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("01/15/2016 12:00:00 AM", datetime(2016, 1, 15, 5, tzinfo=UTC)),
        ("07/15/2016 12:00:00 PM", datetime(2016, 7, 15, 16, tzinfo=UTC)),
        ("03/13/2016 02:30:00 AM", datetime(2016, 3, 13, 7, 30, tzinfo=UTC)),
        ("11/06/2016 01:30:00 AM", datetime(2016, 11, 6, 5, 30, tzinfo=UTC)),
    ],
)
def test_the_citys_clock_is_new_yorks_also_when_it_jumps(local, utc):
    assert mappings.new_york_time(local) == utc


@pytest.mark.parametrize("cell", ["2016-06-20", "13/40/2016 10:04:21 PM", "12/31/9999 11:59:59 PM"])
def test_what_is_no_time_of_the_city_is_an_error_of_its_row(cell):
    with pytest.raises(rules.Reject):
        mappings.new_york_time(cell)


@pytest.mark.parametrize(
    ("cells", "address"),
    [
        ({"Incident_Address": "5 STREET"}, "5 Street"),
        ({"Incident_Address": "1ST  AVENUE"}, "1st Avenue"),
        (
            {"Incident_Address": "", "Address_Type": "INTERSECTION", "Intersection_Street_1": "4 PLACE",
             "Intersection_Street_2": "COURT STREET"},
            "4 Place & Court Street",
        ),
        ({"Incident_Address": "SMITH STREET", "Address_Type": "BLOCKFACE"}, "Smith Street, Columbia Street to Hicks Street"),
    ],
)  # fmt: skip
def test_a_place_is_a_house_a_corner_or_a_block(cells, address):
    assert city(**cells).values["site"]["address_line"] == address


@pytest.mark.parametrize(
    ("cells", "columns"),
    [
        ({"Latitude": "", "Longitude": ""}, ["Latitude", "Longitude"]),
        ({"Latitude": "91"}, ["Latitude"]),
        ({"Longitude": "east"}, ["Longitude"]),
        ({"Latitude": "1e3"}, ["Latitude"]),
        ({"Latitude": "nan"}, ["Latitude"]),
        ({"Unique_Key": "  "}, ["Unique Key"]),
        ({"Created_Date": "2016-06-20"}, ["Created Date"]),
        ({"Created_Date": "13/40/2016 10:04:21 PM"}, ["Created Date"]),
        ({"Incident_Address": ""}, ["Incident Address"]),
        ({"Complaint_Type": ""}, ["Complaint Type"]),
        ({"Complaint_Type": "x" * 121, "Created_Date": "soon"}, ["Created Date", "Complaint Type"]),
    ],
)
def test_everything_that_is_wrong_with_a_row_is_told_with_its_column(cells, columns):
    said = city(**cells)
    assert [error.column for error in said.errors] == columns
    assert all(error.message for error in said.errors)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("priority", "soon"),
        ("created_at", "2026-03-01T09:00:00"),
        ("due_at", "tomorrow"),
        ("duration_minutes", "-5"),
        ("duration_minutes", "1.5"),
        ("latitude", "north"),
        ("customer_type", "ALIEN"),
        ("summary", ""),
        ("site_external_id", ""),
    ],
)
def test_our_own_columns_are_checked_too(column, cell):
    cells = {
        "external_id": "1", "customer_external_id": "c", "customer_name": "Lamp", "site_external_id": "s",
        "address_line": "1 Main", "summary": "Fix",
    }  # fmt: skip
    assert rules.translate(GENERIC, rules.Row(2, 2, cells)).errors == ()
    said = rules.translate(GENERIC, rules.Row(2, 2, cells | {column: cell}))
    assert [error.column for error in said.errors] == [column]


def test_every_column_of_the_generic_mapping_is_documented():
    for one in GENERIC.fields:
        assert one.columns[0] in GENERIC.description


def test_a_problem_of_a_command_is_shown_in_the_column_it_came_from():
    assert mappings.column_of(NYC_311, "work_order", ("externalId",)) == "Unique Key"
    assert mappings.column_of(NYC_311, "site", ("latitude",)) == "Latitude"
    assert mappings.column_of(NYC_311, "site", ("territoryId",)) is None
    assert mappings.column_of(NYC_311, "customer", ()) is None
