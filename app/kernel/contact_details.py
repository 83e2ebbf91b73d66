"""Phone numbers and e-mail addresses in the one form in which they are kept, so that equal ones are equal."""

import re

from app.kernel.errors import InvalidInput

PHONE_DIGITS_MIN = 7
PHONE_DIGITS_MAX = 15  # ITU-T E.164
EMAIL_LENGTH_MAX = 254  # RFC 5321, 4.5.3.1.3

# Country: calling code and the trunk prefix that is dialled inside the country only. Source: ITU-T E.164 country codes
# and E.129 national numbering plans. Italy and San Marino keep the leading zero, so they have no trunk prefix.
DIALLING = {
    "AR": ("54", "0"), "AT": ("43", "0"), "AU": ("61", "0"), "BE": ("32", "0"), "BG": ("359", "0"), "BR": ("55", "0"),
    "CA": ("1", "1"), "CH": ("41", "0"), "CL": ("56", ""), "CN": ("86", "0"), "CO": ("57", ""), "CZ": ("420", ""),
    "DE": ("49", "0"), "DK": ("45", ""), "EE": ("372", ""), "ES": ("34", ""), "FI": ("358", "0"), "FR": ("33", "0"),
    "GB": ("44", "0"), "GR": ("30", ""), "HK": ("852", ""), "HR": ("385", "0"), "HU": ("36", "06"), "IE": ("353", "0"),
    "IL": ("972", "0"), "IN": ("91", "0"), "IT": ("39", ""), "JP": ("81", "0"), "KR": ("82", "0"), "LT": ("370", "0"),
    "LU": ("352", ""), "LV": ("371", ""), "MX": ("52", ""), "NL": ("31", "0"), "NO": ("47", ""), "NZ": ("64", "0"),
    "PL": ("48", ""), "PT": ("351", ""), "RO": ("40", "0"), "SE": ("46", "0"), "SG": ("65", ""), "SI": ("386", "0"),
    "SK": ("421", "0"), "SM": ("378", ""), "TR": ("90", "0"), "UA": ("380", "0"), "US": ("1", "1"), "ZA": ("27", "0"),
}  # fmt: skip

_PHONE_SHAPE = re.compile(r"\+?[0-9 ().\-/\u00a0]+")
_PUNCTUATION = re.compile(r"[^0-9]")
_EMAIL_SHAPE = re.compile(r"[^\s@<>\"(),:;\[\]\\]{1,64}@[^\s@<>\"(),:;\[\]\\_]+\.[^\s@<>\"(),:;\[\]\\_.]{2,}")


def phone_number(text: str, country: str | None = None, path: str = "phone") -> str:
    """The number as E.164, such as +4930123456. A national one needs the country whose plan it belongs to."""
    cleaned = text.strip()
    if not _PHONE_SHAPE.fullmatch(cleaned):
        raise InvalidInput("A phone number has digits, such as +1 212 555 0100.", path=[path])
    digits = _PUNCTUATION.sub("", cleaned.replace("(0)", "") if cleaned.startswith("+") else cleaned)
    if cleaned.startswith("+"):
        number = digits
    elif digits.startswith("00"):
        number = digits[2:]
    elif country in DIALLING:
        code, trunk = DIALLING[country]
        number = code + (digits.removeprefix(trunk) if trunk else digits)
    else:
        raise InvalidInput("Write this phone number with its country code, such as +1 212 555 0100.", path=[path])
    if not PHONE_DIGITS_MIN <= len(number) <= PHONE_DIGITS_MAX or number.startswith("0"):
        raise InvalidInput(
            f"A phone number has {PHONE_DIGITS_MIN} to {PHONE_DIGITS_MAX} digits with its country code.",
            path=[path],
        )
    return f"+{number}"


def email_address(text: str, path: str = "email") -> str:
    """The address with its domain in lower case. Only a message tells whether anybody reads it."""
    cleaned = text.strip()
    if len(cleaned) > EMAIL_LENGTH_MAX or not _EMAIL_SHAPE.fullmatch(cleaned) or ".." in cleaned:
        raise InvalidInput("An e-mail address looks like name@example.com.", path=[path])
    name, domain = cleaned.rsplit("@", 1)
    return f"{name}@{domain.lower()}"
