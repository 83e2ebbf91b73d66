"""What happens to customers, contacts and sites."""

from dataclasses import dataclass
from typing import ClassVar

from app.kernel.events import Fact


@dataclass(frozen=True, kw_only=True)
class CustomerCreated(Fact):
    """An account was opened."""

    noun: ClassVar[str] = "customer"
    account_number: str


@dataclass(frozen=True, kw_only=True)
class CustomerUpdated(Fact):
    """Details that the customer may know about changed."""

    noun: ClassVar[str] = "customer"


@dataclass(frozen=True, kw_only=True)
class CustomerTermsUpdated(Fact):
    """Tier, credit, account manager or our notes changed: for ourselves, so it is not scoped to the customer."""

    noun: ClassVar[str] = "customer"


@dataclass(frozen=True, kw_only=True)
class CustomerStatusChanged(Fact):
    """The account was put on hold, archived or taken up again. The reason is for ourselves."""

    noun: ClassVar[str] = "customer"
    reason: str


@dataclass(frozen=True, kw_only=True)
class ContactCreated(Fact):
    """Somebody became a contact."""

    noun: ClassVar[str] = "contact"


@dataclass(frozen=True, kw_only=True)
class ContactUpdated(Fact):
    """A contact's details changed."""

    noun: ClassVar[str] = "contact"


@dataclass(frozen=True, kw_only=True)
class ContactRemoved(Fact):
    """Somebody is a contact no more."""

    noun: ClassVar[str] = "contact"


@dataclass(frozen=True, kw_only=True)
class SiteCreated(Fact):
    """A place of work was added."""

    noun: ClassVar[str] = "site"


@dataclass(frozen=True, kw_only=True)
class SiteUpdated(Fact):
    """A site's details changed."""

    noun: ClassVar[str] = "site"


@dataclass(frozen=True, kw_only=True)
class SiteArchived(Fact):
    """A site takes no new work; its history stays."""

    noun: ClassVar[str] = "site"


@dataclass(frozen=True, kw_only=True)
class SiteRestored(Fact):
    """An archived site takes work again."""

    noun: ClassVar[str] = "site"
