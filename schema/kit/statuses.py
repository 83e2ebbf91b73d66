"""Which HTTP status each kind of outcome gets: one table, in two editions of the GraphQL-over-HTTP specification.

``2025`` is what the audits of the graphql-http package and most clients expect: 400 for a request that cannot be executed,
and 200 for it when the client takes plain ``application/json`` only. ``draft`` is the newer text: 422 where a request can be
read but does not fit, 294 for data with errors, and the same statuses for plain JSON.
"""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Any

from schema.kit.negotiation import GRAPHQL, JSON


class Edition(StrEnum):
    """Which text of the specification decides."""

    OF_2025 = "2025"
    DRAFT = "draft"


class Outcome(StrEnum):
    """What can become of a request."""

    ANSWERED = auto()
    PARTIAL = auto()
    NOT_MODIFIED = auto()
    UNREADABLE = auto()
    MALFORMED = auto()
    NOT_PARSED = auto()
    NOT_VALID = auto()
    NO_OPERATION = auto()
    NOT_COERCED = auto()
    TOO_EXPENSIVE = auto()
    REFUSED = auto()
    UNKNOWN_DOCUMENT = auto()
    NOT_TRUSTED = auto()
    NOT_AUTHENTICATED = auto()
    NOT_PERMITTED = auto()
    WRONG_METHOD = auto()
    NOT_ACCEPTABLE = auto()
    ONLY_STREAMED = auto()
    TOO_LARGE = auto()
    ADDRESS_TOO_LONG = auto()
    WRONG_CONTENT = auto()
    TOO_MANY = auto()
    FAILED = auto()
    UNAVAILABLE = auto()


TABLE: dict[Outcome, tuple[int, int, int]] = {
    # outcome                   2025, as plain JSON, draft
    Outcome.ANSWERED:          (200, 200, 200),
    Outcome.PARTIAL:           (200, 200, 294),
    Outcome.NOT_MODIFIED:      (304, 304, 304),
    Outcome.UNREADABLE:        (400, 400, 400),
    Outcome.MALFORMED:         (400, 400, 422),
    Outcome.NOT_PARSED:        (400, 200, 400),
    Outcome.NOT_VALID:         (400, 200, 422),
    Outcome.NO_OPERATION:      (400, 200, 422),
    Outcome.NOT_COERCED:       (400, 200, 422),
    Outcome.TOO_EXPENSIVE:     (400, 200, 422),
    Outcome.REFUSED:           (400, 200, 422),
    Outcome.UNKNOWN_DOCUMENT:  (404, 200, 404),
    Outcome.NOT_TRUSTED:       (403, 200, 403),
    Outcome.NOT_AUTHENTICATED: (401, 401, 401),
    Outcome.NOT_PERMITTED:     (403, 200, 403),
    Outcome.WRONG_METHOD:      (405, 405, 405),
    Outcome.NOT_ACCEPTABLE:    (406, 406, 406),
    Outcome.ONLY_STREAMED:     (406, 406, 406),
    Outcome.TOO_LARGE:         (413, 413, 413),
    Outcome.ADDRESS_TOO_LONG:  (414, 414, 414),
    Outcome.WRONG_CONTENT:     (415, 415, 415),
    Outcome.TOO_MANY:          (429, 429, 429),
    Outcome.FAILED:            (500, 500, 500),
    Outcome.UNAVAILABLE:       (503, 503, 503),
}  # fmt: skip

# What an answer without data says of itself, by the code of its first error; any other code is REFUSED.
BY_CODE = {
    "GRAPHQL_PARSE_FAILED": Outcome.NOT_PARSED,
    "GRAPHQL_VALIDATION_FAILED": Outcome.NOT_VALID,
    "OPERATION_RESOLUTION_FAILURE": Outcome.NO_OPERATION,
    "BAD_USER_INPUT": Outcome.NOT_COERCED,
    "TOO_EXPENSIVE": Outcome.TOO_EXPENSIVE,
    "PERSISTED_QUERY_NOT_FOUND": Outcome.UNKNOWN_DOCUMENT,
    "DOCUMENT_NOT_TRUSTED": Outcome.NOT_TRUSTED,
    "NOT_AUTHENTICATED": Outcome.NOT_AUTHENTICATED,
    "NOT_PERMITTED": Outcome.NOT_PERMITTED,
    "RATE_LIMITED": Outcome.TOO_MANY,
    "TOO_MANY_OPERATIONS": Outcome.TOO_MANY,
    "INTERNAL": Outcome.FAILED,
    "UNAVAILABLE": Outcome.UNAVAILABLE,
}


def outcome_of(response: Mapping[str, Any]) -> Outcome:
    """What a GraphQL response amounts to."""
    if "data" in response:
        return Outcome.PARTIAL if response.get("errors") else Outcome.ANSWERED
    return BY_CODE.get(response["errors"][0]["extensions"]["code"], Outcome.REFUSED)


def status_of(outcome: Outcome, media_type: str, edition: Edition) -> tuple[int, str]:
    """The status, and the media type that goes with it.

    294 means something beside the GraphQL media type only. In the draft, a client of plain JSON gets what is no success as
    a GraphQL response, by which it can tell that it is from us and not from a machine in between.
    """
    of_2025, as_json, draft = TABLE[outcome]
    if media_type != JSON:
        return (of_2025 if edition is Edition.OF_2025 else draft), media_type
    if edition is Edition.OF_2025:
        return as_json, JSON
    return (200, JSON) if draft < 300 else (draft, GRAPHQL)
