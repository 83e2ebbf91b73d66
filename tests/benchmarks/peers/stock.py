"""The peer: Strawberry and Tortoise as their documentation shows, over the same tables, without any authorization.

Parsing and validation are cached, the objects are joined in one query: a stock server at its best.
Usage: python stock.py DATABASE_URL PORT
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

from app.work_orders import models


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


@strawberry.type
class Query:
    @strawberry.field
    async def work_orders(self, first: int) -> list[WorkOrder]:
        rows = models.WorkOrder.all().order_by("-created_at", "-id").limit(first)
        return await rows.select_related("customer", "site", "equipment")

    @strawberry.field
    async def work_order(self, id: strawberry.ID) -> WorkOrder | None:
        return await models.WorkOrder.get_or_none(id=id).select_related("customer", "site", "equipment")


def main():
    url, port = sys.argv[1], int(sys.argv[2])
    schema = strawberry.Schema(Query, extensions=[ParserCache(maxsize=100), ValidationCache(maxsize=100)])
    view = GraphQL(schema, graphql_ide=None)

    @asynccontextmanager
    async def lifespan(app):
        from app import database

        modules = {"truckroll": database.MODEL_MODULES}
        await Tortoise.init(db_url=url, modules=modules, use_tz=True, timezone="UTC", _enable_global_fallback=True)
        yield
        await Tortoise.close_connections()

    app = Starlette(routes=[Route("/graphql", view, methods=["POST"])], lifespan=lifespan)
    uvicorn.run(app, port=port, access_log=False, log_level="warning", loop="uvloop", http="httptools")


if __name__ == "__main__":
    main()
