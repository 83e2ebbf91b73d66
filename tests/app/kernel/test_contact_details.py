"""Phone numbers and e-mail addresses in one form."""

import pytest

from app.kernel.contact_details import email_address, phone_number
from app.kernel.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("+1 212 555 0100", None, "+12125550100"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("1-212-555-0100", "US", "+12125550100"),
        ("030 123456", "DE", "+4930123456"),
        ("+49 (0)30 123456", None, "+4930123456"),
        ("0049 30 123456", None, "+4930123456"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("020 7946 0000", "GB", "+442079460000"),
        ("06 1 234 5678", "HU", "+3612345678"),
    ],
)
def test_a_number_is_kept_as_the_world_dials_it(text: str, country: str | None, number: str) -> None:
    assert phone_number(text, country) == number
    assert phone_number(number) == number


@pytest.mark.parametrize(
    "text", ["", "call me", "212 555 0100", "+1", "+" + "1" * 16, "+0301234567", "+1 212 555 0100 x5"]
)
def test_refuses_what_nobody_can_dial(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        phone_number(text, None, "mobile")
    assert refused.value.path == ("mobile",)


def test_an_address_keeps_its_name_and_lowers_its_domain() -> None:
    assert email_address(" Jo.Doe+x@Mail.EXAMPLE.com ") == "Jo.Doe+x@mail.example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jo",
        "jo@",
        "@example.com",
        "jo@example",
        "jo doe@example.com",
        "a@b.c\r\nBcc: x@y.zz",
        "a..b@example.com",
        "x" * 250 + "@example.com",
    ],
)
def test_refuses_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidInput):
        email_address(text)
