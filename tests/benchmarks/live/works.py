"""What is subscribed to, what happens, and who must hear of it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.live.crowd import Wish
from tests.benchmarks.live.rows import Company, Person, Visit

EVENT = "cursor at fact"
VISIT = "status statusLabel startsAt endsAt durationMinutes workOrder { number summary priority } site { name city }"
SAME_DOCUMENT = f"subscription {{ appointmentChanged {{ {EVENT} appointmentId appointment {{ {VISIT} }} }} }}"
"""What everybody subscribes to, in the words that all contestants know."""

Fact = list[Any]


def visit_fact(visit: Visit, name: str = "AppointmentDispatched") -> Fact:
    """A fact about a visit, as the writer takes it."""
    return [name, visit.id, visit.customer_id, [visit.technician_id], {"work_order_id": visit.work_order_id}]


def plain_event(number: int, cursor: str) -> dict[str, Any]:
    """An event of the same form and size, for servers that only pass on what they are given."""
    return {
        "cursor": cursor,
        "at": datetime.now(UTC).isoformat(),
        "fact": "AppointmentDispatched",
        "appointmentId": f"apt_01m89qp7nme1vrzgwvgz{number % 1_000_000:06}",
        "appointment": {
            "status": "DISPATCHED",
            "statusLabel": "Dispatched",
            "startsAt": "2026-06-01T08:00:00+00:00",
            "endsAt": "2026-06-01T09:30:00+00:00",
            "durationMinutes": 90,
            "workOrder": {
                "number": f"WO-{number % 40:08}",
                "summary": f"Cooling unit {number % 40:03} on the roof makes a grinding noise",
                "priority": "NORMAL",
            },
            "site": {"name": f"Building {number % 4}, entrance at the back", "city": "Springfield"},
        },
    }


def leaves(value: object, path: str = "") -> list[str]:
    """The paths of all plain values of a payload."""
    if isinstance(value, dict):
        return [leaf for key, one in value.items() for leaf in leaves(one, f"{path}.{key}")]
    return [path]


@dataclass(frozen=True, slots=True)
class Mixed:
    """One of many different subscriptions, and which facts of its company it must hear."""

    company: int
    wish: Wish
    prefix: str
    ids: frozenset[str] | None = None
    technician_id: str | None = None
    customer_id: str | None = None

    def hears(self, fact: Fact) -> bool:
        """Whether a fact of the company is for this subscriber, decided without any code of the server."""
        _, subject, customer, technicians, _ = fact
        return (
            subject.startswith(f"{self.prefix}_")
            and (self.ids is None or subject in self.ids)
            and (self.technician_id is None or self.technician_id in technicians)
            and (self.customer_id is None or self.customer_id == customer)
        )


FIELDS = {
    "board": f"appointmentId appointment {{ id {VISIT} }}",
    "map": "appointmentId appointment { id status startsAt site { name coordinates { latitude longitude } } }",
    "queue": "workOrderId workOrder { id number status priority summary dueAt customer { name } site { name } }",
    "work": "workOrderId workOrder { id number status statusLabel priority summary description }",
    "crew": "technicianId technician { id name status }",
}
SUBSCRIPTIONS = {
    "board": "appointmentChanged",
    "map": "appointmentChanged",
    "queue": "workOrderChanged",
    "work": "workOrderChanged",
    "crew": "technicianChanged",
}
PREFIXES = {"appointmentChanged": "apt", "workOrderChanged": "wo", "technicianChanged": "tech"}


def document(look: str) -> str:
    """A subscription with one of the selections."""
    name = SUBSCRIPTIONS[look]
    return f"subscription Look($ids: [ID!]) {{ {name}(ids: $ids) {{ {EVENT} {FIELDS[look]} }} }}"


def mixed_subscriptions(companies: Sequence[Company]) -> list[Mixed]:
    """Fifty of each company: boards, maps, queues, technicians, single work orders and visits, of people of all roles."""
    made: list[Mixed] = []
    for number, company in enumerate(companies):
        for index, (look, person, ids) in enumerate(_looks(company)):
            wish = Wish(number * 1000 + index, document(look), {"ids": ids}, person.token)
            made.append(
                Mixed(
                    number, wish, PREFIXES[SUBSCRIPTIONS[look]], frozenset(ids) if ids else None,
                    person.technician_id, person.customer_id,
                )
            )  # fmt: skip
    return made


def _looks(company: Company) -> Iterator[tuple[str, Person, list[str] | None]]:
    """Which selection, as whom, and of which ids; None for all."""
    dispatchers, managers = company.of_role("DISPATCHER"), company.of_role("OPERATIONS_MANAGER")
    support, finance = company.of_role("SUPPORT"), company.of_role("FINANCE")
    yield from (("board", one, None) for one in (*dispatchers, *managers))
    yield from (("map", one, None) for one in dispatchers[:4])
    yield from (("queue", one, None) for one in (*dispatchers[4:], *support, *finance))
    yield from (("crew", one, None) for one in managers)
    yield from (("board", one, None) for one in company.of_role("TECHNICIAN"))
    yield from (("queue", one, None) for one in company.of_role("ACCOUNT_ADMINISTRATOR"))
    for index, one in enumerate(support):
        yield "work", one, [company.visits[index].work_order_id]
        yield "board", one, [company.visits[index].id, company.visits[index + 4].id]
    yield from (("work", one, [visit.work_order_id for visit in company.visits[:8]]) for one in finance)


def mixed_facts(companies: Sequence[Company], count: int) -> list[tuple[str, list[Fact]]]:
    """Transactions with about so many facts in all: a visit ends, its work order with it, now and then the day, too."""
    dice = random.Random(2)
    made: list[tuple[str, list[Fact]]] = []
    total = 0
    while total < count:
        company = companies[len(made) % len(companies)]
        visit = dice.choice(company.visits)
        facts = [
            visit_fact(visit, "AppointmentStarted"),
            ["WorkOrderStarted", visit.work_order_id, visit.customer_id, [visit.technician_id], {}],
        ]
        if dice.random() < 0.5:
            facts.append(["TechnicianStatusChanged", visit.technician_id, None, [visit.technician_id], {}])
        made.append((company.id, facts))
        total += len(facts)
    return made
