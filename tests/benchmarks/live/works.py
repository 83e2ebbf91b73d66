"""What is subscribed to, what happens, and who must hear of it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.live.crowd import Wish
from tests.benchmarks.live.rows import BEGAN, Company, Person, Visit

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
class Look:
    """A subscription of some form, and which facts are for it. With ``conflates``, a reader who lags behind may get only
    the latest of each row."""

    name: str
    fields: str
    prefixes: tuple[str, ...]
    conflates: bool = False
    arguments: str = ""
    variable: str = ""

    @property
    def document(self) -> str:
        """As a client asks for it."""
        declared = f" Look({self.variable})" if self.variable else ""
        return f"subscription{declared} {{ {self.name}{self.arguments} {{ {EVENT} {self.fields} }} }}"


DAY = f'day: "{BEGAN.date()}"'
IDS = "$ids: [ID!]"
WORK = "workOrderId workOrder { id number status priority summary dueAt customer { name } site { name } }"
BOARD = Look(
    "boardChanged",
    f"rowKind rowId removed statusLabel severity lateMinutes appointment {{ id {VISIT} }} technician {{ name status }}",
    ("apt", "tech"),
    conflates=True,
    arguments=f"({DAY})",
)
MY_DAY = Look("myDay", f"order severity appointment {{ id {VISIT} }}", ("apt",), conflates=True, arguments=f"({DAY})")
QUEUE = Look(
    "queueChanged",
    "rowId inQueue sizes { queue count } workOrder { number priority }",
    ("apt",),
    conflates=True,
)
VISITS = Look("appointmentChanged", f"appointmentId appointment {{ id {VISIT} }}", ("apt",))
MAP = Look(
    "appointmentChanged",
    "appointmentId appointment { id status startsAt site { name coordinates { latitude longitude } } }",
    ("apt",),
)
CREW = Look("technicianChanged", "technicianId technician { id name status }", ("tech",))
ORDERS = Look("workOrderChanged", WORK, ("wo",))
SOME_VISITS = Look(VISITS.name, VISITS.fields, VISITS.prefixes, arguments="(ids: $ids)", variable=IDS)
SOME_ORDERS = Look(ORDERS.name, f"{WORK} changes {{ field }}", ORDERS.prefixes, arguments="(ids: $ids)", variable=IDS)


@dataclass(frozen=True, slots=True)
class Mixed:
    """One of many different subscriptions, and which facts of its company it must hear."""

    company: int
    wish: Wish
    look: Look
    ids: frozenset[str] | None = None
    technician_id: str | None = None
    customer_id: str | None = None

    def hears(self, fact: Fact) -> bool:
        """Whether a fact of the company is for this subscriber, decided without any code of the server."""
        _, subject, customer, technicians, _ = fact
        return (
            subject.partition("_")[0] in self.look.prefixes
            and (self.ids is None or subject in self.ids)
            and (self.technician_id is None or self.technician_id in technicians)
            and (self.customer_id is None or self.customer_id == customer)
        )


def mixed_subscriptions(companies: Sequence[Company]) -> list[Mixed]:
    """Fifty of each company: boards, maps, queues, crews, days, single work orders and visits, of people of all roles."""
    made: list[Mixed] = []
    for number, company in enumerate(companies):
        waiting = frozenset(visit.id for visit in company.visits if visit.waits)
        for index, (look, person, ids) in enumerate(_looks(company)):
            wish = Wish(number * 1000 + index, look.document, {"ids": ids} if ids else {}, person.token)
            heard = waiting if look is QUEUE else frozenset(ids) if ids else None
            made.append(Mixed(number, wish, look, heard, person.technician_id, person.customer_id))
    return made


def _looks(company: Company) -> Iterator[tuple[Look, Person, list[str] | None]]:
    """Which subscription, as whom, and of which ids; None for all."""
    dispatchers, managers = company.of_role("DISPATCHER"), company.of_role("OPERATIONS_MANAGER")
    support, finance = company.of_role("SUPPORT"), company.of_role("FINANCE")
    yield from ((BOARD, one, None) for one in (*dispatchers, *managers))
    yield from ((MAP, one, None) for one in dispatchers[:4])
    yield from ((QUEUE, one, None) for one in dispatchers[4:])
    yield from ((ORDERS, one, None) for one in (*support, *finance))
    yield from ((CREW, one, None) for one in managers)
    yield from ((MY_DAY, one, None) for one in company.of_role("TECHNICIAN"))
    yield from ((ORDERS, one, None) for one in company.of_role("ACCOUNT_ADMINISTRATOR"))
    for index, one in enumerate(support):
        yield SOME_ORDERS, one, [company.visits[index].work_order_id]
        yield SOME_VISITS, one, [company.visits[index].id, company.visits[index + 4].id]
    yield from ((SOME_ORDERS, one, [visit.work_order_id for visit in company.visits[:8]]) for one in finance)


def mixed_facts(companies: Sequence[Company], count: int) -> list[tuple[str, list[Fact]]]:
    """Transactions with about so many facts in all: a visit begins, its work order with it, and often the technician's status changes, too."""
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
