"""What a search may find, and what it says of each find."""

from enum import StrEnum
from typing import Annotated, Any

import strawberry

from schema.customers.types import Contact, Customer, Site
from schema.equipment.types import Equipment
from schema.kit import PageInfo, about, describe_enum, plain
from schema.technicians.types import Technician
from schema.work_orders.types import WorkOrder


class SearchKind(StrEnum):
    """What kinds of things can be searched."""

    WORK_ORDER = "WORK_ORDER"
    CUSTOMER = "CUSTOMER"
    CONTACT = "CONTACT"
    SITE = "SITE"
    EQUIPMENT = "EQUIPMENT"
    TECHNICIAN = "TECHNICIAN"


describe_enum(
    SearchKind,
    "What kinds of things can be searched.",
    {
        SearchKind.WORK_ORDER: "By number, summary, description, external id, customer and site.",
        SearchKind.CUSTOMER: "By number, name, external id, e-mail address and phone number.",
        SearchKind.CONTACT: "By name, e-mail address and phone number.",
        SearchKind.SITE: "By name, external id and address.",
        SearchKind.EQUIPMENT: "By serial number, asset tag, external id, name and room.",
        SearchKind.TECHNICIAN: "By number and name.",
    },
)

KINDS: dict[Any, Any] = {
    SearchKind.WORK_ORDER: WorkOrder,
    SearchKind.CUSTOMER: Customer,
    SearchKind.CONTACT: Contact,
    SearchKind.SITE: Site,
    SearchKind.EQUIPMENT: Equipment,
    SearchKind.TECHNICIAN: Technician,
}
SearchResult = Annotated[
    WorkOrder | Customer | Contact | Site | Equipment | Technician,
    strawberry.union("SearchResult", description="Whatever a search may find."),
]


@plain
class SearchHit:
    """Something that was found."""

    node: SearchResult = about("What was found, as it is now.")
    rank: int = about("How well it answers the text: the higher, the better. Only to be compared within one search.")
    excerpt: str = about("Where in it the words stand, in at most 160 characters.")


@plain
class SearchPage:
    """A page of what was found, the best first."""

    nodes: list[SearchHit] = about("What was found.")
    page_info: PageInfo = about("Where this page stands.")
    total_count: int = about("How much was found. Counted only when asked for.")
