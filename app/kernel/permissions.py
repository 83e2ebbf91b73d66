"""The one table of who may do what. Commands, the reader, subscriptions and the tests use it and no other.

A permission says what may be done; *to which rows* is each model's ``visible_to(actor)``, by the reach of the roles. A person
may hold several roles: built-in ones, which stand here, and an organization's own, which are rows. Nothing here can be
changed while a process runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType


class Permission(StrEnum):
    """Everything that can be allowed, as verb and plural noun."""

    VIEW_ORGANIZATION = "VIEW_ORGANIZATION"
    MANAGE_ORGANIZATION = "MANAGE_ORGANIZATION"
    VIEW_USERS = "VIEW_USERS"
    MANAGE_USERS = "MANAGE_USERS"
    MANAGE_SECURITY = "MANAGE_SECURITY"
    MANAGE_ROLES = "MANAGE_ROLES"
    MANAGE_API_KEYS = "MANAGE_API_KEYS"
    MANAGE_PRIVACY = "MANAGE_PRIVACY"
    VIEW_CUSTOMERS = "VIEW_CUSTOMERS"
    MANAGE_CUSTOMERS = "MANAGE_CUSTOMERS"
    VIEW_ACCESS_CODES = "VIEW_ACCESS_CODES"
    VIEW_TECHNICIANS = "VIEW_TECHNICIANS"
    MANAGE_TECHNICIANS = "MANAGE_TECHNICIANS"
    VIEW_TECHNICIAN_COSTS = "VIEW_TECHNICIAN_COSTS"
    VIEW_POSITIONS = "VIEW_POSITIONS"
    REPORT_OWN_STATUS = "REPORT_OWN_STATUS"
    VIEW_EQUIPMENT = "VIEW_EQUIPMENT"
    MANAGE_EQUIPMENT = "MANAGE_EQUIPMENT"
    VIEW_WORK_ORDERS = "VIEW_WORK_ORDERS"
    ADD_NOTES = "ADD_NOTES"
    REQUEST_WORK = "REQUEST_WORK"
    MANAGE_WORK_ORDERS = "MANAGE_WORK_ORDERS"
    EXECUTE_WORK_ORDERS = "EXECUTE_WORK_ORDERS"
    APPROVE_WORK_ORDERS = "APPROVE_WORK_ORDERS"
    CANCEL_WORK_ORDERS = "CANCEL_WORK_ORDERS"
    VIEW_INTERNAL_NOTES = "VIEW_INTERNAL_NOTES"
    VIEW_PRICES = "VIEW_PRICES"
    SET_PRICES = "SET_PRICES"
    VIEW_SCHEDULE = "VIEW_SCHEDULE"
    SHARE_VISITS = "SHARE_VISITS"
    MANAGE_SCHEDULE = "MANAGE_SCHEDULE"
    OVERRIDE_SCHEDULE_CONFLICTS = "OVERRIDE_SCHEDULE_CONFLICTS"
    PLAN_SCHEDULE = "PLAN_SCHEDULE"
    BOOK_VISITS = "BOOK_VISITS"
    EXECUTE_APPOINTMENTS = "EXECUTE_APPOINTMENTS"
    VIEW_ALERTS = "VIEW_ALERTS"
    MANAGE_ALERTS = "MANAGE_ALERTS"
    VIEW_MESSAGES = "VIEW_MESSAGES"
    SEND_MESSAGES = "SEND_MESSAGES"
    VIEW_JOURNAL = "VIEW_JOURNAL"
    IMPORT_DATA = "IMPORT_DATA"
    EXPORT_DATA = "EXPORT_DATA"
    VIEW_OPERATIONS = "VIEW_OPERATIONS"
    VIEW_AUDIT = "VIEW_AUDIT"


class Role(StrEnum):
    """The roles of a service company, of its customers, and of partners."""

    ADMINISTRATOR = "ADMINISTRATOR"
    OPERATIONS_MANAGER = "OPERATIONS_MANAGER"
    DISPATCHER = "DISPATCHER"
    TECHNICIAN = "TECHNICIAN"
    INVENTORY_SPECIALIST = "INVENTORY_SPECIALIST"
    QUALITY_MANAGER = "QUALITY_MANAGER"
    FINANCE = "FINANCE"
    SUPPORT = "SUPPORT"
    AUDITOR = "AUDITOR"
    ACCOUNT_ADMINISTRATOR = "ACCOUNT_ADMINISTRATOR"
    CUSTOMER_USER = "CUSTOMER_USER"
    RESIDENTIAL_CUSTOMER = "RESIDENTIAL_CUSTOMER"
    GUEST = "GUEST"
    PARTNER = "PARTNER"


class Reach(StrEnum):
    """Whose rows a role opens. Who holds several roles reaches as far as the widest of them."""

    ORGANIZATION = "ORGANIZATION"
    OWN_WORK = "OWN_WORK"
    ACCOUNT = "ACCOUNT"


CUSTOMER_ROLES = frozenset({Role.ACCOUNT_ADMINISTRATOR, Role.CUSTOMER_USER, Role.RESIDENTIAL_CUSTOMER, Role.GUEST})

P = Permission
_STAFF = frozenset({P.VIEW_ORGANIZATION, P.VIEW_CUSTOMERS, P.VIEW_TECHNICIANS, P.VIEW_EQUIPMENT, P.VIEW_WORK_ORDERS,
                    P.VIEW_INTERNAL_NOTES, P.VIEW_SCHEDULE, P.VIEW_ALERTS, P.VIEW_MESSAGES, P.SEND_MESSAGES,
                    P.VIEW_JOURNAL, P.VIEW_USERS, P.ADD_NOTES, P.SHARE_VISITS})  # fmt: skip
_CUSTOMER = frozenset({P.VIEW_CUSTOMERS, P.VIEW_EQUIPMENT, P.VIEW_WORK_ORDERS, P.VIEW_SCHEDULE, P.VIEW_JOURNAL})
_WRITES = frozenset({P.REQUEST_WORK, P.ADD_NOTES, P.BOOK_VISITS, P.SHARE_VISITS, P.VIEW_MESSAGES, P.SEND_MESSAGES})
_DISPATCH = _STAFF | {P.VIEW_POSITIONS, P.VIEW_ACCESS_CODES, P.MANAGE_CUSTOMERS, P.MANAGE_EQUIPMENT, P.REQUEST_WORK,
                      P.MANAGE_WORK_ORDERS, P.CANCEL_WORK_ORDERS, P.MANAGE_SCHEDULE, P.PLAN_SCHEDULE, P.BOOK_VISITS, P.VIEW_PRICES, P.SET_PRICES,
                      P.EXECUTE_APPOINTMENTS, P.EXECUTE_WORK_ORDERS, P.OVERRIDE_SCHEDULE_CONFLICTS,
                      P.MANAGE_ALERTS, P.IMPORT_DATA}  # fmt: skip

_ROLES: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission) - {P.REPORT_OWN_STATUS},
    Role.OPERATIONS_MANAGER: _DISPATCH
    | {P.MANAGE_TECHNICIANS, P.VIEW_TECHNICIAN_COSTS, P.APPROVE_WORK_ORDERS, P.EXPORT_DATA, P.VIEW_OPERATIONS},
    Role.DISPATCHER: _DISPATCH,
    Role.TECHNICIAN: frozenset(
        {
            P.VIEW_ORGANIZATION,
            P.VIEW_CUSTOMERS,
            P.VIEW_ACCESS_CODES,
            P.VIEW_TECHNICIANS,
            P.VIEW_EQUIPMENT,
            P.VIEW_WORK_ORDERS,
            P.VIEW_INTERNAL_NOTES,
            P.VIEW_SCHEDULE,
            P.VIEW_ALERTS,
            P.VIEW_MESSAGES,
            P.SEND_MESSAGES,
            P.VIEW_JOURNAL,
            P.REQUEST_WORK,
            P.ADD_NOTES,
            P.SHARE_VISITS,
            P.EXECUTE_APPOINTMENTS,
            P.EXECUTE_WORK_ORDERS,
            P.REPORT_OWN_STATUS,
        }
    ),
    Role.INVENTORY_SPECIALIST: _STAFF | {P.VIEW_PRICES, P.SET_PRICES, P.MANAGE_EQUIPMENT},
    Role.QUALITY_MANAGER: _STAFF | {P.VIEW_PRICES, P.SET_PRICES, P.APPROVE_WORK_ORDERS, P.EXPORT_DATA},
    Role.FINANCE: _STAFF | {P.VIEW_PRICES, P.SET_PRICES, P.VIEW_TECHNICIAN_COSTS, P.APPROVE_WORK_ORDERS, P.EXPORT_DATA},
    # Sees what things cost, and sets none of it.
    Role.SUPPORT: _STAFF
    | {P.VIEW_PRICES, P.REQUEST_WORK, P.BOOK_VISITS, P.MANAGE_CUSTOMERS, P.MANAGE_EQUIPMENT, P.MANAGE_ALERTS},
    # Sees everything of the company, and changes nothing.
    Role.AUDITOR: frozenset(one for one in Permission if one.startswith("VIEW_")),
    # Whose account it is may take its data along.
    # The people of an account are its administrators' to manage, and nobody else's people.
    Role.ACCOUNT_ADMINISTRATOR: _CUSTOMER
    | _WRITES
    | {P.VIEW_USERS, P.MANAGE_USERS, P.VIEW_PRICES, P.VIEW_ACCESS_CODES, P.EXPORT_DATA},
    Role.CUSTOMER_USER: _CUSTOMER | _WRITES,
    Role.RESIDENTIAL_CUSTOMER: _CUSTOMER | _WRITES | {P.VIEW_PRICES, P.VIEW_ACCESS_CODES, P.EXPORT_DATA},
    Role.GUEST: _CUSTOMER,
    Role.PARTNER: frozenset(
        {
            P.VIEW_ORGANIZATION,
            P.VIEW_CUSTOMERS,
            P.VIEW_EQUIPMENT,
            P.VIEW_WORK_ORDERS,
            P.VIEW_TECHNICIANS,
            P.VIEW_SCHEDULE,
            P.VIEW_JOURNAL,
            P.REQUEST_WORK,
            P.ADD_NOTES,
            P.SHARE_VISITS,
            P.BOOK_VISITS,
            P.MANAGE_CUSTOMERS,
            P.MANAGE_EQUIPMENT,
            P.EXPORT_DATA,
        }
    ),
}

ROLES: Mapping[Role, frozenset[Permission]] = MappingProxyType(_ROLES)
REACHES: Mapping[Role, Reach] = MappingProxyType(
    {
        role: Reach.ACCOUNT
        if role in CUSTOMER_ROLES
        else Reach.OWN_WORK
        if role is Role.TECHNICIAN
        else Reach.ORGANIZATION
        for role in Role
    }
)
# What an organization's own role of a reach may allow at most. What lies beyond is about the whole organization: such a
# permission would open more rows than the reach promises.
GRANTABLE: Mapping[Reach, frozenset[Permission]] = MappingProxyType(
    {
        Reach.ORGANIZATION: frozenset(Permission) - {P.REPORT_OWN_STATUS},
        Reach.OWN_WORK: ROLES[Role.TECHNICIAN]
        | {P.VIEW_PRICES, P.SET_PRICES, P.MANAGE_WORK_ORDERS, P.MANAGE_EQUIPMENT, P.EXPORT_DATA},
        Reach.ACCOUNT: frozenset().union(*(ROLES[role] for role in CUSTOMER_ROLES)),
    }
)
# The name would be a way to change the table.
del _ROLES


@dataclass(frozen=True, slots=True)
class Grant:
    """What one of an organization's own roles gives to who holds it."""

    role_id: str
    reach: Reach
    permissions: frozenset[Permission]


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Everything that any of the roles allows."""
    return _permissions_of(frozenset(roles))


@cache
def _permissions_of(roles: frozenset[Role]) -> frozenset[Permission]:
    # Kept: thousands of people have the same few roles, and a set of permissions is large.
    return frozenset().union(*(ROLES[role] for role in roles))
