"""What is asked: each work in the words of each peer, always for the same values."""

from dataclasses import dataclass
from typing import Any

FIELDS = (
    "id number status priority channel category summary description submittedAt dueAt durationMinutes version "
    "customer { id name accountNumber } site { id name city } equipment { id name serialNumber }"
)
GRAPHILE_FIELDS = (
    FIELDS.replace("customer {", "customerByCustomerId {")
    .replace("site {", "siteBySiteId {")
    .replace("equipment {", "equipmentByEquipmentId {")
)
VISIT = "id number status startsAt endsAt"
TASK = "id number summary priority"
WORKS = {
    "list": "100 work orders, 12 fields and 3 nested objects each, newest first",
    "one": "one work order with the same nesting",
    "due": "100 work orders of a status, by due date",
    "deep": "a customer's sites, their visits, and the work order of each: two nested lists of ten",
    "plain": "100 plain objects of the same form as in list, no database",
}


@dataclass(frozen=True, slots=True)
class Ids:
    """Whom we ask as, and for which rows."""

    token: str
    organization: str
    one: str
    customer: str


def ours(ids: Ids) -> dict[str, dict[str, Any]]:
    """In our own words."""
    nodes = f"nodes {{ {FIELDS} }}"
    due = "first: 100, filter: { status: { eq: TRIAGED } }, orderBy: [{ field: DUE_AT }]"
    visits = f"appointments(first: 10) {{ nodes {{ {VISIT} workOrder {{ {TASK} }} }} }}"
    sites = f"sites(first: 10) {{ nodes {{ id name city {visits} }} }}"
    return {
        "list": {"query": f"{{ workOrders(first: 100) {{ {nodes} }} }}"},
        "one": _by_id(f"query One($id: ID!) {{ workOrder(id: $id) {{ {FIELDS} }} }}", ids.one),
        "due": {"query": f"{{ workOrders({due}) {{ {nodes} }} }}"},
        "deep": _by_id(f"query Deep($id: ID!) {{ customer(id: $id) {{ id name accountNumber {sites} }} }}", ids.customer),
        "plain": {"query": f"{{ plainWorkOrders {{ {FIELDS} }} }}"},
    }  # fmt: skip


def hand_written(ids: Ids) -> dict[str, dict[str, Any]]:
    """In the words of the schema that stock, Mercurius and Yoga share."""
    visits = f"appointments {{ {VISIT} workOrder {{ {TASK} }} }}"
    sites = f"sites {{ id name city {visits} }}"
    return {
        "list": {"query": f"{{ workOrders(first: 100) {{ {FIELDS} }} }}"},
        "one": _by_id(f"query One($id: ID!) {{ workOrder(id: $id) {{ {FIELDS} }} }}", ids.one),
        "due": {"query": f'{{ dueWorkOrders(first: 100, status: "TRIAGED") {{ {FIELDS} }} }}'},
        "deep": _by_id(f"query Deep($id: ID!) {{ customer(id: $id) {{ id name accountNumber {sites} }} }}", ids.customer),
        "plain": {"query": f"{{ plainWorkOrders {{ {FIELDS} }} }}"},
    }  # fmt: skip


def graphile(ids: Ids) -> dict[str, dict[str, Any]]:
    """In the words that PostGraphile makes of the tables."""
    nodes = f"nodes {{ {GRAPHILE_FIELDS} }}"
    own = f'organizationId: "{ids.organization}"'
    visits = (
        "appointmentsBySiteId(first: 10, orderBy: [STARTS_AT_ASC, ID_ASC]) "
        f"{{ nodes {{ {VISIT} workOrderByWorkOrderId {{ {TASK} }} }} }}"
    )
    sites = f"sitesByCustomerId(first: 10, orderBy: [NAME_ASC, ID_ASC]) {{ nodes {{ id name city {visits} }} }}"
    pages = {
        "list": f"first: 100, condition: {{ {own} }}, orderBy: [SUBMITTED_AT_DESC, ID_DESC]",
        "due": f'first: 100, condition: {{ {own}, status: "TRIAGED" }}, orderBy: [DUE_AT_ASC, ID_ASC]',
    }
    return {
        **{name: {"query": f"{{ allWorkOrders({page}) {{ {nodes} }} }}"} for name, page in pages.items()},
        "one": _by_id(f"query One($id: String!) {{ workOrderById(id: $id) {{ {GRAPHILE_FIELDS} }} }}", ids.one),
        "deep": _by_id(
            f"query Deep($id: String!) {{ customerById(id: $id) {{ id name accountNumber {sites} }} }}", ids.customer
        ),
    }


def floor(ids: Ids) -> dict[str, dict[str, Any]]:
    """By name: the floor knows no GraphQL."""
    return {
        "list": {"operationName": "list"},
        "one": {"operationName": "one", "variables": {"id": ids.one}},
        "due": {"operationName": "due"},
    }


def _by_id(document: str, id: str) -> dict[str, Any]:
    return {"query": document, "variables": {"id": id}}


def leaves(value: object) -> int:
    """How many plain values a response carries; a missing object counts as what it lacks would."""
    if isinstance(value, dict):
        return sum(leaves(one) for one in value.values())
    if isinstance(value, list):
        return sum(leaves(one) for one in value)
    return 1


def ids_in(value: object) -> list[str]:
    """All ids of a response, in order: two answers with the same ones tell of the same rows."""
    if isinstance(value, dict):
        return [id for key, one in value.items() for id in ([one] if key == "id" else ids_in(one))]
    return [id for one in value for id in ids_in(one)] if isinstance(value, list) else []
