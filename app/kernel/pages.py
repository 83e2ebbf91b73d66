"""Pages of a list: how many, and after or before which cursor. Cursors are opaque to clients and carry the sort key."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson

from app.kernel.errors import InvalidInput

PAGE_SIZE_DEFAULT = 25
PAGE_SIZE_MAX = 100
WALKED_PAGE_SIZE_MAX = 1000
CURSOR_LENGTH_MAX = 1024


@dataclass(frozen=True, slots=True)
class Page:
    """At most ``size`` rows after a cursor, or before one when ``backward``."""

    size: int = PAGE_SIZE_DEFAULT
    cursor: str | None = None
    backward: bool = False


def page_of(
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    *,
    size_max: int = PAGE_SIZE_MAX,
) -> Page:
    """The page that Relay's four arguments ask for; a senseless combination is ``InvalidInput``."""
    if first is not None and last is not None:
        raise InvalidInput("Ask for the first rows or for the last ones, not for both.", path=["first"])
    if (last is not None and after is not None) or (last is None and before is not None):
        raise InvalidInput("Combine first with after, and last with before.", path=["after" if after else "before"])
    size = first if first is not None else last if last is not None else PAGE_SIZE_DEFAULT
    if not 1 <= size <= size_max:
        raise InvalidInput(f"A page has 1 to {size_max} rows.", path=["last" if last is not None else "first"])
    return Page(size, before if last is not None else after, backward=last is not None)


def encode_cursor(kind: str, values: list[Any]) -> str:
    """An opaque cursor of a kind (such as the order it belongs to) with plain JSON values."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, *values])).decode().rstrip("=")


def decode_cursor(cursor: str, kind: str, path: str = "after") -> list[Any]:
    """The values in a cursor; one that is malformed, or made for another list, is ``InvalidInput``."""
    try:
        if len(cursor) > CURSOR_LENGTH_MAX:
            raise ValueError(cursor)
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parsed = orjson.loads(raw)
        if not isinstance(parsed, list) or not parsed or parsed[0] != kind:
            raise ValueError(cursor)
        if any(
            isinstance(one, str) and "\x00" in one for one in parsed
        ):  # no text of ours; PostgreSQL has no such sign
            raise ValueError(cursor)
    except (ValueError, binascii.Error):
        raise InvalidInput(
            "This cursor does not belong to this list. Take it from pageInfo as it is.", path=[path]
        ) from None
    return parsed[1:]
