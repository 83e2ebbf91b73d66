"""A hundred plain objects that are already there, for the work that no database answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

BEGAN = datetime(2026, 11, 1, 8, tzinfo=UTC)


def plain_work_orders(work_order: Any, customer: Any, site: Any, equipment: Any, moment: Any) -> list[Any]:
    """A hundred objects of the given classes: twelve fields and three nested objects each. ``moment`` makes their times."""
    return [
        work_order(
            id=f"wo_{index:026}",
            number=f"WO-{index:08}",
            status="SUBMITTED",
            priority="NORMAL",
            channel="PORTAL",
            category="Printer",
            summary=f"Number {index} does not work",
            description="It says nothing and prints nothing. " * 5,
            submitted_at=moment(BEGAN + timedelta(minutes=index)),
            due_at=moment(BEGAN + timedelta(days=1, minutes=index)),
            duration_minutes=60,
            version=1,
            customer=customer(id=f"cus_{index:026}", name="Big Customer", account_number=f"C-{index:06}"),
            site=site(id=f"site_{index:026}", name="Head office", city="Springfield"),
            equipment=equipment(id=f"eq_{index:026}", name="Printer", serial_number=f"SN-{index:08}"),
        )
        for index in range(100)
    ]
