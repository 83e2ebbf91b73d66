"""The peer: Strawberry and Tortoise as their documentation shows, over the same tables, without any authorization.

Parsing and validation are cached, the objects are joined in one query: a stock server at its best.
Usage: python stock.py DATABASE_URL PORT ORGANIZATION
"""

import sys
from contextlib import asynccontextmanager

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from tortoise import Tortoise

from app import database
from app.work_orders import models
from tests.benchmarks.reading.plain_objects import plain_work_orders


@strawberry.type
class Customer:
    id: str
    name: str
    account_number: str


@strawberry.type
class Site:
    id: str
    name: str
    city: str | None


@strawberry.type
class Equipment:
    id: str
    name: str
    serial_number: str | None


@strawberry.type
class WorkOrder:
    id: str
    number: str
    status: str
    priority: str
    channel: str
    category: str | None
    summary: str
    description: str
    submitted_at: str
    due_at: str | None
    duration_minutes: int
    version: int
    customer: Customer
    site: Site
    equipment: Equipment | None


PLAIN = plain_work_orders(WorkOrder, Customer, Site, Equipment, str)


def own():
    return models.WorkOrder.filter(organization_id=sys.argv[3]).select_related("customer", "site", "equipment")


@strawberry.type
class Query:
    @strawberry.field
    async def work_orders(self, first: int) -> list[WorkOrder]:
        return await own().order_by("-submitted_at", "-id").limit(first)

    @strawberry.field
    async def due_work_orders(self, first: int, status: str) -> list[WorkOrder]:
        # SQLite would put those without a due date first, where everybody else has them last.
        return await own().filter(status=status, due_at__isnull=False).order_by("due_at", "id").limit(first)

    @strawberry.field
    async def work_order(self, id: strawberry.ID) -> WorkOrder | None:
        return await own().get_or_none(id=id)

    @strawberry.field
    async def plain_work_orders(self) -> list[WorkOrder]:
        return PLAIN


def main():
    url, port = sys.argv[1], int(sys.argv[2])
    schema = strawberry.Schema(Query, extensions=[ParserCache(maxsize=100), ValidationCache(maxsize=100)])
    view = GraphQL(schema, graphql_ide=None)

    @asynccontextmanager
    async def lifespan(app):
        modules = {"truckroll": database.MODEL_MODULES}
        sized = url if url.startswith("sqlite") else f"{url}&minsize=10&maxsize=10"
        await Tortoise.init(
            db_url=sized.replace("postgresql://", "asyncpg://"),
            modules=modules,
            use_tz=True,
            timezone="UTC",
            _enable_global_fallback=True,
        )
        yield
        await Tortoise.close_connections()

    app = Starlette(routes=[Route("/graphql", view, methods=["POST"])], lifespan=lifespan)
    uvicorn.run(app, port=port, access_log=False, log_level="warning", loop="uvloop", http="httptools")


if __name__ == "__main__":
    main()
