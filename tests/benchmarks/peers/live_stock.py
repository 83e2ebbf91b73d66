"""The peer: Strawberry and broadcaster as their documentations show, on Starlette and uvicorn, without any authorization.

What is posted to /publish is published, each event for itself. Usage: python live_stock.py PORT
"""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import strawberry
import uvicorn
from broadcaster import Broadcast
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL

broadcast = Broadcast("memory://")


@strawberry.type
class WorkOrder:
    number: str
    summary: str
    priority: str


@strawberry.type
class Site:
    name: str
    city: str


@strawberry.type
class Appointment:
    status: str
    status_label: str
    starts_at: str
    ends_at: str
    duration_minutes: int
    work_order: WorkOrder
    site: Site


@strawberry.type
class AppointmentEvent:
    cursor: str
    at: str
    fact: str
    appointment_id: strawberry.ID
    appointment: Appointment


def event_of(message):
    event = json.loads(message)
    row = event["appointment"]
    return AppointmentEvent(
        cursor=event["cursor"],
        at=event["at"],
        fact=event["fact"],
        appointment_id=event["appointmentId"],
        appointment=Appointment(
            status=row["status"],
            status_label=row["statusLabel"],
            starts_at=row["startsAt"],
            ends_at=row["endsAt"],
            duration_minutes=row["durationMinutes"],
            work_order=WorkOrder(**row["workOrder"]),
            site=Site(**row["site"]),
        ),
    )


@strawberry.type
class Query:
    ok: bool = True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def appointment_changed(self) -> AsyncGenerator[AppointmentEvent, None]:
        async with broadcast.subscribe(channel="appointments") as subscriber:
            async for event in subscriber:
                yield event_of(event.message)


async def publish(request):
    for event in await request.json():
        await broadcast.publish(channel="appointments", message=json.dumps(event))
    return Response(status_code=204)


@asynccontextmanager
async def lifespan(app):
    async with broadcast:
        yield


if __name__ == "__main__":
    view = GraphQL(strawberry.Schema(Query, subscription=Subscription))
    routes = [Route("/publish", publish, methods=["POST"]), WebSocketRoute("/graphql", view)]
    app = Starlette(routes=routes, lifespan=lifespan)
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
