"""The kinds of files we read, each a table: column → field. To add one, write its table and name it in ``MAPPINGS``.

A customer and a site belong to every work order, so every mapping says who and where, and gives each an external id by
which it is found again: importing a file twice changes nothing the second time.
"""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.integrations.rules import Field, Mapping, Reject, Transform
from app.kernel.calendar import at_local
from app.kernel.errors import InvalidInput
from app.kernel.work import Priority

NEW_YORK = ZoneInfo("America/New_York")
EXTERNAL_ID_LENGTH_MAX = 200
SUMMARY_LENGTH_MAX = 200

# Which complaints should not wait, judged by what waiting does to people; what is not named is NORMAL.
PRIORITY_OF_COMPLAINT = {
    "HEAT/HOT WATER": Priority.URGENT,
    "ELEVATOR": Priority.URGENT,
    "WATER LEAK": Priority.HIGH,
    "WATER SYSTEM": Priority.HIGH,
    "SEWER": Priority.HIGH,
    "ELECTRIC": Priority.HIGH,
    "PLUMBING": Priority.HIGH,
    "STREET LIGHT CONDITION": Priority.NORMAL,
    "NOISE - RESIDENTIAL": Priority.NORMAL,
    "NOISE - COMMERCIAL": Priority.NORMAL,
    "NOISE": Priority.LOW,
    "GRAFFITI": Priority.LOW,
}


def text(longest: int) -> Transform:
    """The cell as it is, at most so long; an empty one says nothing."""

    def transform(cell: str) -> str | None:
        if len(cell) > longest:
            raise Reject(f"This text has {len(cell)} characters, at most {longest} are taken.")
        return cell or None

    return transform


def number(least: float, most: float) -> Transform:
    """A decimal number between two bounds, with a point."""

    def transform(cell: str) -> float | None:
        if not cell:
            return None
        if not re.fullmatch(r"[+-]?\d{1,9}(\.\d{1,20})?", cell) or not least <= float(cell) <= most:
            raise Reject(f"{cell[:40]!r} is not a number between {least:g} and {most:g}.")
        return float(cell)

    return transform


def whole_number(least: int, most: int) -> Transform:
    """A whole number between two bounds."""

    def transform(cell: str) -> int | None:
        if not cell:
            return None
        if not re.fullmatch(r"\d{1,9}", cell) or not least <= int(cell) <= most:
            raise Reject(f"{cell[:40]!r} is not a whole number between {least} and {most}.")
        return int(cell)

    return transform


def moment(cell: str) -> datetime | None:
    """A time with its offset, as in 2026-03-01T09:00:00+01:00."""
    if not cell:
        return None
    try:
        parsed = datetime.fromisoformat(cell)
    except ValueError:
        raise Reject(f"{cell[:40]!r} is not a time such as 2026-03-01T09:00:00+01:00.") from None
    if parsed.tzinfo is None:
        raise Reject(f"{cell[:40]!r} lacks its offset, as in 2026-03-01T09:00:00+01:00.")
    return parsed


def one_of(*words: str) -> Transform:
    """One of some words, in capitals or not."""

    def transform(cell: str) -> str | None:
        if not cell:
            return None
        if cell.upper() not in words:
            raise Reject(f"{cell[:40]!r} is none of {', '.join(words)}.")
        return cell.upper()

    return transform


def new_york_time(cell: str) -> datetime | None:
    """The city's local time, such as 06/20/2016 10:04:21 PM, as a moment."""
    if not cell:
        return None
    try:
        wall = datetime.strptime(cell, "%m/%d/%Y %I:%M:%S %p")  # noqa: DTZ007  # the zone is added in the next line
        return at_local(wall.date(), wall.time(), NEW_YORK)
    except (ValueError, OverflowError):
        raise Reject(f"{cell[:40]!r} is not a time such as 06/20/2016 10:04:21 PM.") from None


ADDRESS_COLUMNS = (
    "Incident Address", "Address Type", "Intersection Street 1", "Intersection Street 2", "Cross Street 1",
    "Cross Street 2",
)  # fmt: skip


def city_address(address: str, kind: str, street_1: str, street_2: str, cross_1: str, cross_2: str) -> str | None:
    """Where it is: a house, a corner, or a block between two streets."""
    if not address and street_1 and street_2:
        return _tidy(f"{street_1} & {street_2}")
    if address and kind.upper() == "BLOCKFACE" and cross_1 and cross_2:
        return f"{_tidy(address)}, {_tidy(cross_1)} to {_tidy(cross_2)}"
    return _tidy(address) or None


def city_place_id(zip_code: str, *address: str) -> str | None:
    """The id of a place: the city has none, so it is the address itself with its ZIP code."""
    where = city_address(*address)
    return f"nyc-311:{where}, {zip_code or 'no ZIP'}".lower()[:EXTERNAL_ID_LENGTH_MAX] if where else None


def city_summary(complaint: str, descriptor: str) -> str | None:
    """What it is about, in one line."""
    return ": ".join(part for part in (complaint, descriptor) if part)[:SUMMARY_LENGTH_MAX] or None


def city_description(descriptor: str, location: str, agency: str, cross_1: str, cross_2: str) -> str:
    """Everything else that the request says and a technician may want to know."""
    streets = " and ".join(_tidy(street) for street in (cross_1, cross_2) if street)
    told = {"Complaint": descriptor, "Location": location, "Between": streets, "Agency": agency}
    return "\n".join(f"{name}: {what}" for name, what in told.items() if what)


def city_priority(complaint: str) -> str:
    """How soon, by the kind of complaint."""
    return PRIORITY_OF_COMPLAINT.get(complaint.upper(), Priority.NORMAL).value


def _tidy(street: str) -> str:
    """A street as people write it: 70 BUSH STREET → 70 Bush Street, 5 STREET stays a number, 1ST AVENUE is 1st Avenue."""
    return " ".join(word.lower() if word[:1].isdigit() else word.capitalize() for word in street.split())


NYC_311 = Mapping(
    name="nyc-311",
    description=(
        "New York City's own export of 311 service requests. A row becomes a work order; its customer is whoever lives or "
        "works at the address, one customer and one site per address, because the city does not say who asked. The request "
        "is taken on anew: what the city did with it is not imported."
    ),
    fields=(
        Field("work_order.external_id", ("Unique Key",), text(EXTERNAL_ID_LENGTH_MAX), required=True),
        Field("work_order.submitted_at", ("Created Date",), new_york_time, required=True),
        Field("work_order.category", ("Complaint Type",), text(120), required=True),
        Field("work_order.priority", ("Complaint Type",), city_priority, required=True),
        Field("work_order.summary", ("Complaint Type", "Descriptor"), city_summary, required=True),
        Field(
            "work_order.description",
            ("Descriptor", "Location Type", "Agency Name", "Cross Street 1", "Cross Street 2"),
            city_description,
        ),
        Field("customer.external_id", ("Incident Zip", *ADDRESS_COLUMNS), city_place_id),
        Field("customer.name", ADDRESS_COLUMNS, city_address, required=True, missing="There is no address."),
        Field("site.external_id", ("Incident Zip", *ADDRESS_COLUMNS), city_place_id),
        Field("site.name", ADDRESS_COLUMNS, city_address),
        Field("site.address_line", ADDRESS_COLUMNS, city_address),
        Field("site.city", ("City",), lambda cell: _tidy(cell) or None),
        Field("site.postal_code", ("Incident Zip",), text(20)),
        Field(
            "site.latitude", ("Latitude",), number(-90, 90), required=True,
            missing="There is no latitude, so nobody could be sent there.",
        ),
        Field(
            "site.longitude", ("Longitude",), number(-180, 180), required=True,
            missing="There is no longitude, so nobody could be sent there.",
        ),
    ),
    constants={
        "customer.type": "RESIDENTIAL",
        "site.region": "NY",
        "site.country": "US",
        "site.time_zone": NEW_YORK.key,
        "work_order.channel": "IMPORT",
    },
)  # fmt: skip

GENERIC = Mapping(
    name="generic",
    description=(
        "Our own columns, for whoever can choose: external_id, customer_external_id, customer_name, customer_type "
        "(RESIDENTIAL, SMALL_BUSINESS, ENTERPRISE, GOVERNMENT, NON_PROFIT), customer_email, customer_phone, "
        "site_external_id, site_name, address_line, city, region, postal_code, country, latitude, longitude, time_zone, "
        "summary, description, category, priority (LOW, NORMAL, HIGH, URGENT, EMERGENCY), created_at, due_at, "
        "window_start, window_end (times with offset), duration_minutes, service_type (its code). Required are "
        "external_id, customer_external_id, customer_name, site_external_id, address_line and summary; other columns may "
        "be missing, and an empty cell says nothing. Columns of other names are ignored."
    ),
    fields=(
        Field("work_order.external_id", ("external_id",), text(EXTERNAL_ID_LENGTH_MAX), required=True),
        Field("work_order.summary", ("summary",), text(SUMMARY_LENGTH_MAX), required=True),
        Field("work_order.description", ("description",), text(10_000)),
        Field("work_order.category", ("category",), text(120)),
        Field("work_order.priority", ("priority",), one_of(*Priority)),
        Field("work_order.submitted_at", ("created_at",), moment),
        Field("work_order.due_at", ("due_at",), moment),
        Field("work_order.requested_window_start", ("window_start",), moment),
        Field("work_order.requested_window_end", ("window_end",), moment),
        Field("work_order.duration_minutes", ("duration_minutes",), whole_number(1, 20_160)),
        Field("work_order.service_type", ("service_type",), text(32)),
        Field("customer.external_id", ("customer_external_id",), text(EXTERNAL_ID_LENGTH_MAX), required=True),
        Field("customer.name", ("customer_name",), text(200), required=True),
        Field(
            "customer.type", ("customer_type",),
            one_of("RESIDENTIAL", "SMALL_BUSINESS", "ENTERPRISE", "GOVERNMENT", "NON_PROFIT"),
        ),
        Field("customer.email", ("customer_email",), text(254)),
        Field("customer.phone", ("customer_phone",), text(40)),
        Field("site.external_id", ("site_external_id",), text(EXTERNAL_ID_LENGTH_MAX), required=True),
        Field("site.name", ("site_name",), text(200)),
        Field("site.address_line", ("address_line",), text(300), required=True),
        Field("site.city", ("city",), text(120)),
        Field("site.region", ("region",), text(120)),
        Field("site.postal_code", ("postal_code",), text(20)),
        Field("site.country", ("country",), text(2)),
        Field("site.latitude", ("latitude",), number(-90, 90)),
        Field("site.longitude", ("longitude",), number(-180, 180)),
        Field("site.time_zone", ("time_zone",), text(64)),
    ),
    constants={"work_order.channel": "IMPORT"},
)  # fmt: skip

MAPPINGS: dict[str, Mapping] = {mapping.name: mapping for mapping in (NYC_311, GENERIC)}

# Where a problem of a command belongs in the file: the field it names → our target.
FIELD_OF_PATH = {
    "externalId": "external_id",
    "addressLine": "address_line",
    "postalCode": "postal_code",
    "timeZone": "time_zone",
    "submittedAt": "submitted_at",
    "dueAt": "due_at",
    "requestedWindowStart": "requested_window_start",
    "requestedWindowEnd": "requested_window_end",
    "durationMinutes": "duration_minutes",
    "serviceTypeId": "service_type",
}


def mapping_of(name: str) -> Mapping:
    """The mapping of that name, else ``InvalidInput`` that lists them."""
    if name not in MAPPINGS:
        raise InvalidInput(f"{name[:40]!r} is none of the mappings {', '.join(MAPPINGS)}.", path=["mapping"])
    return MAPPINGS[name]


def column_of(mapping: Mapping, noun: str, path: tuple[str, ...]) -> str | None:
    """The column that a field of ours came from, so that a problem can be shown where it is."""
    name = FIELD_OF_PATH.get(path[0], path[0]) if path else ""
    targets: dict[str, Any] = {one.target: one.columns[0] for one in mapping.fields}
    return targets.get(f"{noun}.{name}")
