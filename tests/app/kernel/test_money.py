"""Money: exact, in a currency, rounded once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.errors import InvalidInput
from app.kernel.money import Money, parse_amount

amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=2)


@pytest.mark.parametrize(
    ("amount", "currency", "kept"),
    [("0.125", "USD", "0.12"), ("0.135", "USD", "0.14"), ("12.5", "JPY", "12"), ("1.23456", "KWD", "1.235")],
)
def test_is_rounded_half_even_to_the_digits_of_its_currency(amount, currency, kept):
    assert Money(Decimal(amount), currency).amount == Decimal(kept)


@given(amounts, st.integers(1, 97))
def test_splits_without_losing_a_penny(amount, parts):
    whole = Money(amount, "USD")
    split = whole.split(parts)
    assert len(split) == parts
    assert sum((one.amount for one in split), Decimal(0)) == whole.amount
    assert max(split, key=lambda one: one.amount).amount - min(split, key=lambda one: one.amount).amount <= Decimal(
        "0.01"
    )


@given(amounts, amounts)
def test_adding_and_taking_away_are_exact(a, b):
    assert Money(a, "EUR") + Money(b, "EUR") - Money(b, "EUR") == Money(a, "EUR")


def test_two_currencies_are_never_added():
    with pytest.raises(InvalidInput):
        Money(Decimal(1), "EUR") + Money(Decimal(1), "USD")


@pytest.mark.parametrize("currency", ["", "usd", "US", "USDT", "€€€"])
def test_a_wrong_currency_code_is_refused(currency):
    with pytest.raises(InvalidInput):
        Money(Decimal(1), currency)


@pytest.mark.parametrize("text", ["", "1,5", "NaN", "Infinity", "1e400", "0.1234567", "ten", "-1e14"])
def test_text_that_is_no_amount_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_amount(text)


def test_a_float_is_no_money():
    with pytest.raises(InvalidInput):
        Money(0.1, "USD")
