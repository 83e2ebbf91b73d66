"""Tables for the kit's own tests: crews with jobs with memos."""

from enum import StrEnum

from tortoise import fields

from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import OwnedTable
from app.kernel.actor import Actor
from app.kernel.permissions import Permission


class Mood(StrEnum):
    CALM = "CALM"
    BUSY = "BUSY"


class Crew(OwnedTable):
    prefix = "crew"
    noun = "crew"

    name = fields.CharField(max_length=80)
    boss: fields.ForeignKeyNullableRelation["Crew"] = fields.ForeignKeyField(
        "truckroll.Crew", related_name=False, null=True
    )
    rank = fields.IntField(null=True)
    rate = fields.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = fields.CharField(max_length=3, default="EUR")
    started_on = fields.DateField(null=True)
    is_active = fields.BooleanField(default=True)
    tags: fields.JSONField[list[str]] = fields.JSONField(default=list)
    mood = fields.CharField(max_length=32, default=Mood.CALM)
    latitude = fields.FloatField(null=True)
    longitude = fields.FloatField(null=True)

    class Meta:
        table = "scratch_crew"


class Job(OwnedTable):
    prefix = "job"
    noun = "job"

    crew: fields.ForeignKeyNullableRelation[Crew] = fields.ForeignKeyField(
        "truckroll.Crew", related_name=False, null=True
    )
    title = fields.CharField(max_length=200)
    priority = fields.CharField(max_length=16, default="NORMAL")
    due_at = fields.DatetimeField(null=True)
    price = fields.DecimalField(max_digits=18, decimal_places=4, null=True)
    weight = fields.IntField(null=True)
    is_secret = fields.BooleanField(default=False)

    class Meta:
        table = "scratch_job"

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        own = super().visible_to(actor)
        return own if actor.holds(Permission.VIEW_INTERNAL_NOTES) else own & (column("is_secret") == False)  # noqa: E712


class Memo(OwnedTable):
    prefix = "memo"
    noun = "memo"

    job: fields.ForeignKeyRelation[Job] = fields.ForeignKeyField("truckroll.Job", related_name=False)
    text = fields.CharField(max_length=500)
    at = fields.DatetimeField()
    number = fields.IntField(null=True)
    subject_id = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "scratch_memo"
