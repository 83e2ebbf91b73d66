"""What journeys do again and again: a city file, technicians on duty, a plan, a visit worked to its end."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.servers import Api, until

CITY_COLUMNS = (
    "Unique Key", "Created Date", "Closed Date", "Agency", "Agency Name", "Complaint Type", "Descriptor", "Location Type",
    "Incident Zip", "Incident Address", "Street Name", "Cross Street 1", "Cross Street 2", "Intersection Street 1",
    "Intersection Street 2", "Address Type", "City", "Status", "Due Date", "Resolution Description", "Borough",
    "Latitude", "Longitude", "Location",
)  # fmt: skip
REAL_FILE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "nyc-311-requests-2016.csv"


def city_file(path: Path, rows: int, *, without_coordinates: int = 1) -> Path:
    """A file in the city's export format: so many located requests, then some that are not located."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, CITY_COLUMNS)
        writer.writeheader()
        for number in range(rows + without_coordinates):
            located = number < rows
            latitude, longitude = 40.68 + number % 11 * 0.004, -73.99 + number % 7 * 0.005
            writer.writerow(
                {
                    "Unique Key": str(33_000_000 + number),
                    "Created Date": f"06/{20 + number % 9}/2016 {1 + number % 11:02}:14:50 PM",
                    "Agency": "NYPD",
                    "Agency Name": "New York City Police Department",
                    "Complaint Type": ("Noise - Residential", "Blocked Driveway", "Street Condition")[number % 3],
                    "Descriptor": "Loud Music/Party",
                    "Location Type": "Residential Building/House",
                    "Incident Zip": "11231",
                    "Incident Address": f"{70 + number} BUSH STREET",
                    "Street Name": "BUSH STREET",
                    "Address Type": "ADDRESS",
                    "City": "BROOKLYN",
                    "Status": "Closed",
                    "Borough": "BROOKLYN",
                    "Latitude": f"{latitude:.12f}" if located else "",
                    "Longitude": f"{longitude:.12f}" if located else "",
                    "Location": f"({latitude}, {longitude})" if located else "",
                }
            )
    return path


def today_in_new_york() -> str:
    """The date that the company's calendar shows."""
    from zoneinfo import ZoneInfo

    return datetime.now(ZoneInfo("America/New_York")).date().isoformat()


async def open_account(api: Api) -> dict[str, str]:
    """A customer with a site; their ids as an input of createWorkOrder names them."""
    customer = (await api.do("createCustomer", "customer { id }", name="Acme", type="ENTERPRISE"))["customer"]
    site = await api.do(
        "createSite", "site { id }", customerId=customer["id"], name="HQ", latitude=40.7, longitude=-74.0
    )
    return {"customerId": customer["id"], "siteId": site["site"]["id"]}


async def hire(api: Api, count: int) -> list[str]:
    """Technicians in Brooklyn with a shift that has begun."""
    begins = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    ids = []
    for number in range(count):
        made = await api.do(
            "createTechnician",
            "technician { id }",
            name=f"Technician {number}",
            homeLatitude=40.68,
            homeLongitude=-73.98,
        )
        ids.append(made["technician"]["id"])
        await api.do(
            "createShift", "shift { id }", technicianId=ids[-1],
            shift={"startsAt": begins.isoformat(), "endsAt": (begins + timedelta(hours=10)).isoformat()},
        )  # fmt: skip
    return ids


async def plan_and_dispatch(api: Api, *, seconds: int = 2) -> dict[str, Any]:
    """Plan today, commit the whole plan and dispatch it; the plan run. A shift that began late lasts past midnight, and
    so may the work of today."""
    day = today_in_new_york()
    run = (await api.do("planDay", "planRun { id }", day=day, seconds=seconds))["planRun"]

    async def ready() -> Any:
        document = "query($id: ID!) { planRun(id: $id) { id status error summary { added moved kept unassigned } } }"
        found = (await api.ask(document, id=run["id"]))["planRun"]
        return found if found["status"] not in {"QUEUED", "RUNNING"} else None

    planned: dict[str, Any] = await until(ready, seconds=60, what="the plan")
    assert planned["status"] == "READY", planned
    planned["visits"] = sum(planned["summary"][part] for part in ("added", "moved", "kept"))
    await api.do("commitPlan", "planRun { status }", id=run["id"])
    await api.do("dispatchDay", day=day)
    await api.do("dispatchDay", day=(date.fromisoformat(day) + timedelta(days=1)).isoformat())
    return planned


async def work_to_the_end(api: Api, appointment_id: str, work_order_id: str) -> None:
    """What a technician does on a phone, from setting out to the end, which completes the work order."""
    await api.do("depart", id=appointment_id)
    await api.do("arrive", id=appointment_id)
    await api.do("startWork", id=appointment_id)
    await api.do("addNote", workOrderId=work_order_id, text="Done and tested.", visibility="CUSTOMER")
    await api.do(
        "addLineItem", workOrderId=work_order_id, kind="LABOR", description="One hour", quantity="1", unitPrice="95"
    )
    await api.do("completeAppointment", id=appointment_id, result="COMPLETED")
