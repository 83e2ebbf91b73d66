"""Tables of the company's own settings."""

from tortoise import fields
from tortoise.fields import OnDelete
from tortoise.indexes import Index

from app.company.rules import ARRIVAL_RADIUS_METRES_DEFAULT, POSITION_HISTORY_DAYS_DEFAULT
from app.infrastructure.conditions import Condition, column
from app.infrastructure.personal_data import impersonal
from app.infrastructure.tables import OwnedTable, Table, register
from app.kernel.actor import Actor
from app.kernel.work import Priority


@register
class Organization(Table):
    """A service company: it owns everything else, and sees nothing of another."""

    prefix = "org"
    noun = "organization"

    name = fields.CharField(max_length=200)
    time_zone = fields.CharField(max_length=64)
    currency = fields.CharField(max_length=3)
    locale = fields.CharField(max_length=16, default="en-US")
    country = fields.CharField(max_length=2)
    settings: fields.JSONField[dict[str, object]] = fields.JSONField(default=dict)
    position_history_days = fields.IntField(
        default=POSITION_HISTORY_DAYS_DEFAULT, db_default=POSITION_HISTORY_DAYS_DEFAULT
    )
    arrival_radius_metres = fields.IntField(
        default=ARRIVAL_RADIUS_METRES_DEFAULT, db_default=ARRIVAL_RADIUS_METRES_DEFAULT
    )

    class Meta:
        table = "organization"

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return column("id") == actor.organization_id


@register
class BusinessCalendar(OwnedTable):
    """Opening hours of a week in a zone. One of an organization's calendars is the default."""

    prefix = "cal"
    noun = "business calendar"

    name = fields.CharField(max_length=120)
    time_zone = fields.CharField(max_length=64)
    week: fields.JSONField[dict[str, list[list[str]]]] = fields.JSONField(default=dict)
    is_default = fields.BooleanField(default=False)

    class Meta:
        table = "business_calendar"
        unique_together = (("organization_id", "name"),)


@register
class Holiday(OwnedTable):
    """A day on which a calendar is closed."""

    prefix = "hol"
    noun = "holiday"

    calendar: fields.ForeignKeyRelation[BusinessCalendar] = fields.ForeignKeyField(
        "truckroll.BusinessCalendar", related_name=False, on_delete=OnDelete.CASCADE
    )
    calendar_id: str
    day = fields.DateField()
    name = fields.CharField(max_length=120)

    class Meta:
        table = "holiday"
        unique_together = (("organization_id", "calendar", "day"),)


@register
class NumberSeries(OwnedTable):
    """Where the numbers of a kind stand. Its row stays locked until the command that took a number commits."""

    prefix = "num"
    noun = "number series"

    kind = fields.CharField(max_length=32)
    # ``prefix`` is the ids' own on every table, so the column has a longer name.
    number_prefix = fields.CharField(max_length=12, default="")
    next_number = fields.BigIntField(default=1)
    digits = fields.IntField(default=6)

    class Meta:
        table = "number_series"
        unique_together = (("organization_id", "kind"),)


@register
class ServiceType(OwnedTable):
    """A kind of work the company offers, and what work of that kind begins with."""

    prefix = "svc"
    noun = "service type"

    code = fields.CharField(max_length=32)
    name = fields.CharField(max_length=120)
    description = fields.TextField(default="")
    duration_minutes = fields.IntField(default=60)
    required_skills: fields.JSONField[dict[str, int]] = fields.JSONField(default=dict)
    default_priority = fields.CharField(max_length=32, default=Priority.NORMAL.value)
    required_evidence: fields.JSONField[list[str]] = fields.JSONField(default=list)
    is_active = fields.BooleanField(default=True)

    class Meta:
        table = "service_type"
        unique_together = (("organization_id", "code"),)
        indexes = [Index(fields=("organization_id", "is_active", "name"))]


@register
class Territory(OwnedTable):
    """A part of the area served."""

    prefix = "ter"
    noun = "territory"

    code = fields.CharField(max_length=32)
    name = fields.CharField(max_length=120)

    class Meta:
        table = "territory"
        unique_together = (("organization_id", "code"),)


impersonal(
    "a company, its places, its calendar and what it offers", Organization, BusinessCalendar, Holiday, NumberSeries
)
impersonal("a company, its places, its calendar and what it offers", ServiceType, Territory)
