"""The tables of technicians, their skills, shifts and absences, of when they were on duty, and of where they were then."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from app.infrastructure.conditions import Condition, column, exists, nothing
from app.infrastructure.personal_data import ERASED, TECHNICIAN, USER, are_people, impersonal, of, personal, same_person
from app.infrastructure.search import searched
from app.infrastructure.tables import OwnedTable, listed, register
from app.kernel.actor import Actor
from app.kernel.permissions import Permission
from app.technicians.rules import TechnicianStatus

# Work that was offered or taken; a customer does not learn who declined or was taken off again.
VISIBLE_ASSIGNMENTS = ("PROPOSED", "ACCEPTED")


@register
class Skill(OwnedTable):
    """Something a technician can be good at, or certified for."""

    prefix = "skill"
    noun = "skill"

    code = fields.CharField(max_length=32)
    name = fields.CharField(max_length=120)

    class Meta:
        table = "skill"
        unique_together = (("organization_id", "code"),)
        indexes = [Index(fields=("organization_id", "name"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing() if actor.is_customer else super().visible_to(actor)


@register
class Technician(OwnedTable):
    """Somebody who goes out to work."""

    prefix = "tech"
    noun = "technician"

    user: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=fields.OnDelete.RESTRICT, null=True
    )
    user_id: str | None
    number = fields.CharField(max_length=40)
    name = fields.CharField(max_length=200)
    phone = fields.CharField(max_length=20, null=True)
    email = fields.CharField(max_length=254, null=True)
    status = fields.CharField(max_length=32, default=TechnicianStatus.OFF, db_default=TechnicianStatus.OFF.value)
    is_active = fields.BooleanField(default=True, db_default=True)
    home_latitude = fields.FloatField(null=True)
    home_longitude = fields.FloatField(null=True)
    time_zone = fields.CharField(max_length=64)
    territory: fields.ForeignKeyNullableRelation[Model] = fields.ForeignKeyField(
        "truckroll.Territory", related_name=False, on_delete=fields.OnDelete.RESTRICT, null=True
    )
    territory_id: str | None
    cost_per_hour = fields.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = fields.CharField(max_length=3)
    speed_factor = fields.FloatField(default=1.0, db_default=1.0)
    color = fields.CharField(max_length=7, null=True)

    class Meta:
        table = "technician"
        unique_together = (("organization_id", "number"), ("organization_id", "user_id"))
        indexes = [
            Index(fields=("organization_id", "is_active", "name")),
            Index(fields=("organization_id", "status", "name")),
            Index(fields=("organization_id", "territory_id", "name")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        own = super().visible_to(actor)
        if not actor.is_customer:
            return own
        theirs = (
            (column("organization_id") == actor.organization_id)
            & (column("customer_id") == actor.customer_id)
            & column("status").one_of(VISIBLE_ASSIGNMENTS)
        )
        return own & exists("assignment", "technician_id", theirs)


@register
class TechnicianSkill(OwnedTable):
    """A skill that a technician holds. The expiry date is the last day on which it counts."""

    prefix = "tsk"
    noun = "technician skill"

    technician: fields.ForeignKeyRelation[Technician] = fields.ForeignKeyField(
        "truckroll.Technician", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    technician_id: str
    skill: fields.ForeignKeyRelation[Skill] = fields.ForeignKeyField(
        "truckroll.Skill", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    skill_id: str
    level = fields.IntField()
    expires_on = fields.DateField(null=True)

    class Meta:
        table = "technician_skill"
        unique_together = (("organization_id", "technician_id", "skill_id"),)
        indexes = [
            Index(fields=("organization_id", "skill_id", "level")),
            Index(fields=("organization_id", "expires_on")),
        ]
        constraints = [CheckConstraint(check="level BETWEEN 1 AND 5", name="technician_skill_level")]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing() if actor.is_customer else super().visible_to(actor)


@register
class Shift(OwnedTable):
    """When a technician works. Those of one technician do not overlap."""

    prefix = "shift"
    noun = "shift"

    technician: fields.ForeignKeyRelation[Technician] = fields.ForeignKeyField(
        "truckroll.Technician", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    technician_id: str
    starts_at = fields.DatetimeField()
    ends_at = fields.DatetimeField()
    break_minutes = fields.IntField(default=0, db_default=0)
    break_earliest_at = fields.DatetimeField(null=True)
    break_latest_at = fields.DatetimeField(null=True)
    overtime_minutes_max = fields.IntField(default=0, db_default=0)

    class Meta:
        table = "shift"
        indexes = [
            listed("starts_at"),
            listed("technician_id", "starts_at"),
            # Those that touch a stretch of time: most are over by then, which the end tells first.
            listed("ends_at"),
        ]
        constraints = [CheckConstraint(check="ends_at > starts_at", name="shift_ends_after_it_begins")]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _own_or_staff(actor)


@register
class Absence(OwnedTable):
    """When a technician is away."""

    prefix = "abs"
    noun = "absence"

    technician: fields.ForeignKeyRelation[Technician] = fields.ForeignKeyField(
        "truckroll.Technician", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    technician_id: str
    starts_at = fields.DatetimeField()
    ends_at = fields.DatetimeField()
    kind = fields.CharField(max_length=32)
    reason = fields.CharField(max_length=500, default="")

    class Meta:
        table = "absence"
        indexes = [
            listed("starts_at"),
            listed("technician_id", "starts_at"),
            # Those that touch a stretch of time: most are over by then, which the end tells first.
            listed("ends_at"),
        ]
        constraints = [CheckConstraint(check="ends_at > starts_at", name="absence_ends_after_it_begins")]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _own_or_staff(actor)


@register
class Position(OwnedTable):
    """Where a technician on duty was last; and since when they have stayed near a place, which says that they stopped."""

    prefix = "pos"
    noun = "position"

    technician: fields.ForeignKeyRelation[Technician] = fields.ForeignKeyField(
        "truckroll.Technician", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    technician_id: str
    latitude = fields.FloatField()
    longitude = fields.FloatField()
    accuracy_metres = fields.FloatField(null=True)
    heading = fields.FloatField(null=True)
    speed_metres_per_second = fields.FloatField(null=True)
    at = fields.DatetimeField()
    still_latitude = fields.FloatField()
    still_longitude = fields.FloatField()
    still_since = fields.DatetimeField()

    class Meta:
        table = "position"
        unique_together = (("organization_id", "technician_id"),)
        indexes = [Index(fields=("organization_id", "latitude", "longitude"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _own_or_with_permission(actor)


@register
class PositionSample(OwnedTable):
    """Where a technician on duty was at a moment: one of few, kept for as many days as the organization says."""

    prefix = "psm"
    noun = "position sample"

    technician: fields.ForeignKeyRelation[Technician] = fields.ForeignKeyField(
        "truckroll.Technician", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    technician_id: str
    latitude = fields.FloatField()
    longitude = fields.FloatField()
    accuracy_metres = fields.FloatField(null=True)
    heading = fields.FloatField(null=True)
    speed_metres_per_second = fields.FloatField(null=True)
    at = fields.DatetimeField()

    class Meta:
        table = "position_sample"
        # Those whose time is over are found by the clock.
        indexes = [listed("technician_id", "at"), Index(fields=("organization_id", "at"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _own_or_with_permission(actor)


@register
class Duty(OwnedTable):
    """A time on duty, which lasts while it has no end: where somebody was at another time concerns nobody. It is kept for
    as long as positions may come late."""

    prefix = "duty"
    noun = "time on duty"

    technician: fields.ForeignKeyRelation[Technician] = fields.ForeignKeyField(
        "truckroll.Technician", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    technician_id: str
    starts_at = fields.DatetimeField()
    ends_at = fields.DatetimeField(null=True)

    class Meta:
        table = "duty"
        indexes = [Index(fields=("organization_id", "technician_id", "starts_at"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _own_or_staff(actor)


def _own_or_with_permission(actor: Actor) -> Condition:
    """The technician's own, or all of the organization's for those who may see where people are."""
    if actor.is_technician_only or actor.holds(Permission.VIEW_POSITIONS):
        return _own_or_staff(actor)
    return nothing()


def whose_hours_are_seen(actor: Actor) -> Condition:
    """The technicians whose shifts and absences the actor may see; of others, none that is seen does not mean none."""
    return _own_or_staff(actor, "id") if actor.holds(Permission.VIEW_TECHNICIANS) else nothing()


def _own_or_staff(actor: Actor, technician: str = "technician_id") -> Condition:
    """The technician's own, or all of the organization's for those who are neither technicians only nor customers."""
    if actor.is_customer:
        return nothing()
    own = column("organization_id") == actor.organization_id
    return own & (column(technician) == actor.technician_id) if actor.is_technician_only else own


# Not by phone number and e-mail address, which customers may not read.
EXTRAS = [searched(Technician, a=("number",), b=("name",), numbers=("number",))]

HOURS = "working hours are pay, and part of what work cost"

are_people(Technician, not_yet=lambda row: "Deactivate the technician first." if row.is_active else None)
same_person(Technician, "user_id", USER)
personal(
    Technician,
    of(
        TECHNICIAN,
        "id",
        erase={"name": ERASED, "phone": None, "email": None, "home_latitude": None, "home_longitude": None},
    ),
    keeps={"user_id": "the same person's account, which is erased with them"},
)
personal(Absence, of(TECHNICIAN, "technician_id", drop=True))
personal(Position, of(TECHNICIAN, "technician_id", drop=True))
personal(PositionSample, of(TECHNICIAN, "technician_id", drop=True))
personal(TechnicianSkill, of(TECHNICIAN, "technician_id", drop=True))
personal(Shift, of(TECHNICIAN, "technician_id"), keeps={"technician_id": HOURS})
personal(Duty, of(TECHNICIAN, "technician_id"), keeps={"technician_id": HOURS})
impersonal("what can be learned", Skill)
