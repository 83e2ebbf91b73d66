"""Everything people do with work orders: ask for work, move it through its life, write, price and clock it."""

from app.work_orders.commands.line_items import add_line_item, remove_line_item, update_line_item
from app.work_orders.commands.notes import add_note
from app.work_orders.commands.promises import watch_work_order
from app.work_orders.commands.requests import WorkOrderChanges, create_work_order, update_work_order
from app.work_orders.commands.steps import (
    approve_work_order,
    approve_work_orders,
    cancel_work_order,
    close_work_order,
    close_work_orders,
    complete_work_order,
    decline_work_order,
    follow_all_appointments,
    follow_appointments,
    hold_work_order,
    mark_cannot_complete,
    resume_work_order,
    start_work_order,
    triage_work_order,
    triage_work_orders,
)
from app.work_orders.commands.times import add_time_entry, start_timer, stop_timer

__all__ = [
    "WorkOrderChanges",
    "add_line_item",
    "add_note",
    "add_time_entry",
    "approve_work_order",
    "approve_work_orders",
    "cancel_work_order",
    "close_work_order",
    "close_work_orders",
    "complete_work_order",
    "create_work_order",
    "decline_work_order",
    "follow_all_appointments",
    "follow_appointments",
    "hold_work_order",
    "mark_cannot_complete",
    "remove_line_item",
    "resume_work_order",
    "start_timer",
    "start_work_order",
    "stop_timer",
    "triage_work_order",
    "triage_work_orders",
    "update_line_item",
    "update_work_order",
    "watch_work_order",
]
