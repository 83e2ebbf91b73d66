"""Ids: their form, their order, and what is refused."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.errors import InvalidInput
from app.kernel.ids import ALPHABET, new_id, prefix_of, require_id


def test_are_a_prefix_and_a_uuid7_in_crockford_base32():
    prefix, _, text = new_id("wo").partition("_")
    number = 0
    for letter in text:
        number = number << 5 | ALPHABET.index(letter)
    assert prefix == "wo"
    assert len(text) == 26
    assert uuid.UUID(int=number).version == 7
    assert uuid.UUID(int=number).variant == uuid.RFC_4122


def test_sort_in_the_order_in_which_they_were_made():
    made = [new_id("wo") for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_tell_their_prefix():
    assert prefix_of(new_id("cus")) == "cus"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wo",
        "wo_",
        "wo_01",
        "WO_01jd0000000000000000000000",
        "wo_81jd0000000000000000000000",
        "wo_01jd000000000000000000000u",
        "wo_01jd0000000000000000000000\n",
        "w_01jd0000000000000000000000",
        "wo_01jd00000000000000000000000",
    ],
)
def test_other_text_is_no_id(text):
    assert prefix_of(text) == ""
    with pytest.raises(InvalidInput) as refusal:
        require_id(text, "wo", "workOrderId")
    assert refusal.value.path == ("workOrderId",)


def test_an_id_of_another_kind_is_refused():
    with pytest.raises(InvalidInput):
        require_id(new_id("cus"), "wo")


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_ids(text):
    assert prefix_of(text) in {"", text.partition("_")[0]}
