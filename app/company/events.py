"""What happens to a company's own settings."""

from dataclasses import dataclass

from app.kernel.events import Fact


class OrganizationCreated(Fact):
    """A service company came to be."""

    noun = "organization"


class OrganizationUpdated(Fact):
    """A company's profile or settings changed."""

    noun = "organization"


class NumberSeriesUpdated(Fact):
    """The look of a kind of numbers changed, or a series jumped forward."""

    noun = "number series"


class BusinessCalendarCreated(Fact):
    """A calendar of opening hours was added."""

    noun = "business calendar"


class BusinessCalendarUpdated(Fact):
    """Opening hours, zone or default of a calendar changed."""

    noun = "business calendar"


@dataclass(frozen=True, kw_only=True)
class HolidayAdded(Fact):
    """A calendar is closed on one more day."""

    noun = "business calendar"
    day: str
    name: str


@dataclass(frozen=True, kw_only=True)
class HolidayRemoved(Fact):
    """A calendar is open again on a day."""

    noun = "business calendar"
    day: str
    name: str


class ServiceTypeCreated(Fact):
    """A kind of service is offered."""

    noun = "service type"


class ServiceTypeUpdated(Fact):
    """What work of a kind begins with has changed."""

    noun = "service type"


class ServiceTypeDeactivated(Fact):
    """A kind of service is no longer offered; past work keeps it."""

    noun = "service type"


class TerritoryCreated(Fact):
    """A territory was added."""

    noun = "territory"


class TerritoryUpdated(Fact):
    """A territory was renamed."""

    noun = "territory"
