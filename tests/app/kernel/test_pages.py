"""Pages and cursors: Relay's four arguments, and cursors that are ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.errors import InvalidInput
from app.kernel.pages import Page, decode_cursor, encode_cursor, page_of

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
json_values = st.lists(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, max_size=4)


@pytest.mark.parametrize(
    ("arguments", "page"),
    [
        ({}, Page(25, None, False)),
        ({"first": 10}, Page(10, None, False)),
        ({"first": 100, "after": "x"}, Page(100, "x", False)),
        ({"after": "x"}, Page(25, "x", False)),
        ({"last": 5}, Page(5, None, True)),
        ({"last": 5, "before": "y"}, Page(5, "y", True)),
    ],
)
def test_the_four_arguments_ask_for_one_page(arguments, page):
    assert page_of(**arguments) == page


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": 0},
        {"first": 101},
        {"last": -1},
        {"first": 1, "last": 1},
        {"first": 1, "before": "x"},
        {"last": 1, "after": "x"},
        {"before": "x"},
    ],
)
def test_a_senseless_page_is_refused(arguments):
    with pytest.raises(InvalidInput):
        page_of(**arguments)


@given(json_values)
def test_a_cursor_gives_back_what_it_was_made_of(values):
    assert decode_cursor(encode_cursor("k", values), "k") == values


@given(json_values)
def test_a_cursor_of_another_list_is_refused(values):
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor("other", values), "k")


@given(st.text(max_size=100))
def test_no_text_breaks_the_reading_of_cursors(text):
    try:
        decode_cursor(text, "k")
    except InvalidInput as refusal:
        assert refusal.path == ("after",)


def test_a_sign_that_no_text_of_ours_has_is_refused():
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor("k", ["a\x00", "id_1"]), "k")
