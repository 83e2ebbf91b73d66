"""The tables of the schedule and of plans, and the rule in the database that nobody is in two places."""

from datetime import date, datetime
from typing import Any

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint

from app.database import RunDialectSQL
from app.infrastructure.conditions import Condition, column, exists, nothing
from app.infrastructure.personal_data import CUSTOMER, TECHNICIAN, of, personal
from app.infrastructure.tables import OwnedTable, listed, register
from app.kernel.actor import Actor
from app.kernel.ids import ID_LENGTH_MAX
from app.scheduling.rules import AppointmentStatus, AssignmentStatus, PlanKind, PlanRunStatus, SlotHoldStatus

# A technician sees what was given to them, also when it is done; not what was taken away or turned down.
HELD = (AssignmentStatus.PROPOSED.value, AssignmentStatus.ACCEPTED.value)


def _in_scope(actor: Actor) -> Condition:
    scope = column("organization_id") == actor.organization_id
    return scope & (column("customer_id") == actor.customer_id) if actor.is_customer else scope


def _staff_only(actor: Actor) -> Condition:
    if actor.is_customer or actor.is_technician_only:
        return nothing()
    return column("organization_id") == actor.organization_id


@register
class Appointment(OwnedTable):
    """One visit to a site. ``starts_at`` and ``ends_at`` are planned; what really happened stands in the stamps.

    ``technician_ids`` repeats the active assignments, the lead first, so that a change of the crew changes the version.
    """

    prefix = "apt"
    noun = "appointment"

    work_order: fields.ForeignKeyRelation[Any] = fields.ForeignKeyField(
        "truckroll.WorkOrder", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    work_order_id: str
    site: fields.ForeignKeyRelation[Any] = fields.ForeignKeyField(
        "truckroll.Site", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    site_id: str
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX)
    number = fields.IntField()
    status = fields.CharField(max_length=32, default=AppointmentStatus.UNSCHEDULED.value)
    window_start: datetime | None = fields.DatetimeField(null=True)
    window_end: datetime | None = fields.DatetimeField(null=True)
    starts_at: datetime | None = fields.DatetimeField(null=True)
    ends_at: datetime | None = fields.DatetimeField(null=True)
    duration_minutes = fields.IntField()
    technician_ids: fields.JSONField[list[str]] = fields.JSONField(default=list)
    is_pinned_who = fields.BooleanField(default=False)
    is_pinned_when = fields.BooleanField(default=False)
    dispatched_at: datetime | None = fields.DatetimeField(null=True)
    en_route_at: datetime | None = fields.DatetimeField(null=True)
    arrived_at: datetime | None = fields.DatetimeField(null=True)
    arrived_latitude: float | None = fields.FloatField(null=True)
    arrived_longitude: float | None = fields.FloatField(null=True)
    arrived_distance_metres: int | None = fields.IntField(null=True)
    arrived_near_site = fields.BooleanField(null=True)
    arrival_suggested_at: datetime | None = fields.DatetimeField(null=True)
    started_at: datetime | None = fields.DatetimeField(null=True)
    paused_at: datetime | None = fields.DatetimeField(null=True)
    completed_at: datetime | None = fields.DatetimeField(null=True)
    canceled_at: datetime | None = fields.DatetimeField(null=True)
    reason_code = fields.CharField(max_length=64, null=True)
    travel_minutes: int | None = fields.IntField(null=True)
    eta_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "appointment"
        unique_together = (("organization_id", "work_order", "number"),)
        indexes = [
            listed("starts_at"),
            # A calendar asks for what is not over yet: most visits are, and this finds the rest.
            listed("ends_at"),
            listed("window_end"),
            listed("created_at"),
            listed("updated_at"),
            listed("status", "starts_at"),
            listed("customer_id", "starts_at"),
            listed("site", "starts_at"),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        scope = _in_scope(actor)
        if not actor.is_technician_only:
            return scope
        own = (column("technician_id") == actor.technician_id) & column("status").one_of(HELD)
        return scope & exists("assignment", "appointment_id", scope & own)


@register
class VisitShare(OwnedTable):
    """A link that shows one visit to whoever has it. Only a hash of its secret is kept."""

    prefix = "vsh"
    noun = "visit share"

    appointment: fields.ForeignKeyRelation[Any] = fields.ForeignKeyField(
        "truckroll.Appointment", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    appointment_id: str
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX)
    secret_hash = fields.CharField(max_length=64, unique=True)
    created_by = fields.CharField(max_length=ID_LENGTH_MAX)
    revoked_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "visit_share"
        indexes = [Index(fields=("appointment", "created_at"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing() if actor.is_technician_only else _in_scope(actor)


@register
class Assignment(OwnedTable):
    """An appointment given to a technician. While ``is_active`` its time is taken, and no other may overlap with it."""

    prefix = "asg"
    noun = "assignment"

    appointment: fields.ForeignKeyRelation[Any] = fields.ForeignKeyField(
        "truckroll.Appointment", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    appointment_id: str
    technician: fields.ForeignKeyRelation[Any] = fields.ForeignKeyField(
        "truckroll.Technician", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    technician_id: str
    work_order_id = fields.CharField(max_length=ID_LENGTH_MAX)
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX)
    status = fields.CharField(max_length=32, default=AssignmentStatus.PROPOSED.value)
    is_active = fields.BooleanField(default=True)
    is_lead = fields.BooleanField(default=True)
    starts_at = fields.DatetimeField()
    ends_at = fields.DatetimeField()
    travel_minutes: int | None = fields.IntField(null=True)
    decided_at: datetime | None = fields.DatetimeField(null=True)
    reason = fields.CharField(max_length=500, null=True)

    class Meta:
        table = "assignment"
        constraints = [CheckConstraint(check='"ends_at" > "starts_at"', name="assignment_takes_time")]
        indexes = [
            listed("starts_at"),
            listed("created_at"),
            listed("technician", "starts_at"),
            # From a visit or a work order to whoever has it.
            Index(fields=("appointment", "technician")),
            Index(fields=("work_order_id", "technician")),
            # What a technician may see: from the technician to the visits and the work, or whether one of them is theirs.
            Index(fields=("organization_id", "technician", "appointment")),
            Index(fields=("organization_id", "technician", "work_order_id")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        scope = _in_scope(actor)
        if not (actor.is_customer or actor.is_technician_only):
            return scope
        # Who would come, and when, is the office's to know until it is confirmed: it may come to nothing.
        told = scope & (column("status") != AssignmentStatus.RESERVED.value)
        return told if actor.is_customer else told & (column("technician_id") == actor.technician_id)


@register
class PlanRun(OwnedTable):
    """One question to the planner and where its answer stands. It is about ``days`` days from ``day`` on.

    ``question`` holds what else was asked: the policy, and of a change whose it is and when. ``base`` holds the version of every appointment the plan was made from; when one moved on, the plan is outdated.
    """

    prefix = "run"
    noun = "plan run"

    kind = fields.CharField(max_length=32, default=PlanKind.SCHEDULE.value, db_default=PlanKind.SCHEDULE.value)
    day: date = fields.DateField()
    days = fields.IntField(default=1, db_default=1)
    time_zone = fields.CharField(max_length=64)
    status = fields.CharField(max_length=32, default=PlanRunStatus.QUEUED.value)
    requested_by = fields.CharField(max_length=ID_LENGTH_MAX)
    seconds = fields.IntField()
    seed = fields.IntField(default=0)
    technician_ids: fields.JSONField[list[str] | None] = fields.JSONField(null=True)
    work_order_ids: fields.JSONField[list[str] | None] = fields.JSONField(null=True)
    territory_ids: fields.JSONField[list[str] | None] = fields.JSONField(null=True)
    question: fields.JSONField[dict[str, Any] | None] = fields.JSONField(null=True)
    progress: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    score: fields.JSONField[dict[str, Any]] = fields.JSONField(default=dict)
    base: fields.JSONField[dict[str, int]] = fields.JSONField(default=dict)
    started_at: datetime | None = fields.DatetimeField(null=True)
    finished_at: datetime | None = fields.DatetimeField(null=True)
    committed_at: datetime | None = fields.DatetimeField(null=True)
    error = fields.CharField(max_length=500, null=True)

    class Meta:
        table = "plan_run"
        indexes = [
            Index(fields=("organization_id", "day", "created_at")),
            Index(fields=("organization_id", "status")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_only(actor)


@register
class PlannedVisit(OwnedTable):
    """What a plan says about one appointment: a row for each of its technicians, or one without and why."""

    prefix = "pv"
    noun = "planned visit"

    run: fields.ForeignKeyRelation[Any] = fields.ForeignKeyField(
        "truckroll.PlanRun", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    run_id: str
    appointment_id = fields.CharField(max_length=ID_LENGTH_MAX)
    work_order_id = fields.CharField(max_length=ID_LENGTH_MAX)
    technician_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    sequence = fields.IntField(default=0)
    starts_at: datetime | None = fields.DatetimeField(null=True)
    ends_at: datetime | None = fields.DatetimeField(null=True)
    travel_minutes = fields.IntField(default=0)
    travel_metres = fields.IntField(default=0)
    change = fields.CharField(max_length=32)
    before: fields.JSONField[dict[str, Any] | None] = fields.JSONField(null=True)
    reasons: fields.JSONField[list[dict[str, Any]]] = fields.JSONField(default=list)
    is_accepted = fields.BooleanField(default=False)

    class Meta:
        table = "planned_visit"
        indexes = [
            Index(fields=("organization_id", "run", "technician_id", "sequence")),
            Index(fields=("run", "appointment_id")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_only(actor)


@register
class SlotHold(OwnedTable):
    """A time that is kept free for a customer who is choosing.

    Its reserved assignments take the technicians' time, so that neither another hold nor a booking can have it.
    """

    prefix = "hold"
    noun = "slot hold"

    work_order: fields.ForeignKeyRelation[Any] = fields.ForeignKeyField(
        "truckroll.WorkOrder", related_name=False, on_delete=fields.OnDelete.RESTRICT
    )
    work_order_id: str
    appointment: fields.ForeignKeyRelation[Any] = fields.ForeignKeyField(
        "truckroll.Appointment", related_name=False, on_delete=fields.OnDelete.CASCADE
    )
    appointment_id: str
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX)
    status = fields.CharField(max_length=32, default=SlotHoldStatus.HELD.value)
    window_start = fields.DatetimeField()
    window_end = fields.DatetimeField()
    starts_at = fields.DatetimeField()
    ends_at = fields.DatetimeField()
    technician_ids: fields.JSONField[list[str]] = fields.JSONField(default=list)
    held_by = fields.CharField(max_length=ID_LENGTH_MAX)
    expires_at = fields.DatetimeField()

    class Meta:
        table = "slot_hold"
        indexes = [
            listed("expires_at"),
            listed("created_at"),
            Index(fields=("organization_id", "status", "expires_at")),
            Index(fields=("organization_id", "customer_id", "status")),
            Index(fields=("appointment", "status")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing() if actor.is_technician_only else _in_scope(actor)


# Locks and checks prevent double booking first; this holds whatever writes to the table.
_TAKEN = (
    "SELECT RAISE(ABORT, 'overlap: assignment_no_overlap') WHERE EXISTS (SELECT 1 FROM \"assignment\" t "
    'WHERE t."organization_id" = NEW."organization_id" AND t."technician_id" = NEW."technician_id" '
    'AND t."is_active" AND t."id" <> NEW."id" AND t."starts_at" < NEW."ends_at" AND NEW."starts_at" < t."ends_at");'
)
EXTRAS = [
    RunDialectSQL(
        {
            "sqlite": [
                'CREATE TRIGGER "assignment_no_overlap_insert" BEFORE INSERT ON "assignment" '
                f'WHEN NEW."is_active" BEGIN {_TAKEN} END;',
                'CREATE TRIGGER "assignment_no_overlap_update" '
                'BEFORE UPDATE OF "technician_id", "is_active", "starts_at", "ends_at" ON "assignment" '
                f'WHEN NEW."is_active" BEGIN {_TAKEN} END;',
            ],
            "postgres": [
                "CREATE EXTENSION IF NOT EXISTS btree_gist;",
                'ALTER TABLE "assignment" ADD CONSTRAINT "assignment_no_overlap" EXCLUDE USING gist '
                '("technician_id" WITH =, tstzrange("starts_at", "ends_at") WITH &&) WHERE ("is_active");',
            ],
        },
        {
            "sqlite": [
                'DROP TRIGGER "assignment_no_overlap_insert";',
                'DROP TRIGGER "assignment_no_overlap_update";',
            ],
            "postgres": ['ALTER TABLE "assignment" DROP CONSTRAINT "assignment_no_overlap";'],
        },
        name="assignment_no_overlap",
    )
]

VISITS = "which account was visited, by whom and when, is the company's record of its work"

personal(
    Appointment,
    of(CUSTOMER, "customer_id", erase={"arrived_latitude": None, "arrived_longitude": None}),
    keeps={"technician_ids": VISITS, "reason_code": VISITS},
)
personal(Assignment, of(TECHNICIAN, "technician_id", erase={"reason": None}), keeps={"customer_id": VISITS})
personal(
    PlanRun,
    keeps={
        "requested_by": VISITS,
        "technician_ids": VISITS,
        "work_order_ids": VISITS,
        "territory_ids": VISITS,
        "score": "figures",
        "progress": "figures",
        "base": "versions",
    },
    mentions=("question", "error"),
)
personal(PlannedVisit, of(TECHNICIAN, "technician_id"), keeps={"before": "ids and times"}, mentions=("reasons",))
personal(SlotHold, of(CUSTOMER, "customer_id"), keeps={"technician_ids": VISITS, "held_by": VISITS})
personal(VisitShare, of(CUSTOMER, "customer_id", drop=True), hidden=("secret_hash",))
