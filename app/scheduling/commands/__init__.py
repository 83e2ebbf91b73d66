"""Everything people do with visits and plans: the office schedules, technicians carry out, plans propose."""

from app.scheduling.commands.alerts import tell_of_decline, tell_of_failed_plan, tell_of_failure, watch_visit
from app.scheduling.commands.crew import accept_assignment, decline_assignment, release_assignment
from app.scheduling.commands.field import (
    arrive,
    cancel_appointment,
    complete_appointment,
    depart,
    pause_work,
    resume_work,
    start_work,
    turn_back,
)
from app.scheduling.commands.office import (
    create_appointment,
    dispatch_appointment,
    dispatch_appointments,
    dispatch_day,
    pin_appointment,
    reschedule_appointment,
    schedule_appointment,
    unschedule_appointment,
)
from app.scheduling.commands.plans import commit_plan, undo_plan
from app.scheduling.commands.positions import report_positions
from app.scheduling.commands.runs import (
    begin_plan_run,
    cancel_plan_run,
    discard_plan,
    fail_plan_run,
    note_plan_progress,
    plan_day,
    store_plan,
)
from app.scheduling.commands.sharing import forget_old_shares, revoke_visit_share, share_visit

__all__ = [
    "accept_assignment",
    "arrive",
    "begin_plan_run",
    "cancel_appointment",
    "cancel_plan_run",
    "commit_plan",
    "complete_appointment",
    "create_appointment",
    "decline_assignment",
    "depart",
    "discard_plan",
    "dispatch_appointment",
    "dispatch_appointments",
    "dispatch_day",
    "fail_plan_run",
    "forget_old_shares",
    "note_plan_progress",
    "pause_work",
    "pin_appointment",
    "plan_day",
    "release_assignment",
    "report_positions",
    "reschedule_appointment",
    "resume_work",
    "revoke_visit_share",
    "schedule_appointment",
    "share_visit",
    "start_work",
    "store_plan",
    "tell_of_decline",
    "tell_of_failed_plan",
    "tell_of_failure",
    "turn_back",
    "undo_plan",
    "unschedule_appointment",
    "watch_visit",
]
