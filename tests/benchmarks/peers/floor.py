"""The floor: nothing but uvicorn, the driver and orjson, with SQL written by hand for each work. It knows no GraphQL.

Usage: python floor.py DATABASE_URL PORT ORGANIZATION rows|json. With ``json``, PostgreSQL or SQLite makes the JSON.
"""

import sys

import aiosqlite
import asyncpg
import orjson
import uvicorn

COLUMNS = (
    "w.id, w.number, w.status, w.priority, w.channel, w.category, w.summary, w.description, w.submitted_at, w.due_at, "
    "w.duration_minutes, w.version, c.id, c.name, c.account_number, s.id, s.name, s.city, e.id, e.name, e.serial_number"
)
JOIN = (
    " FROM {page} w JOIN customer c ON c.id = w.customer_id JOIN site s ON s.id = w.site_id "
    "LEFT JOIN equipment e ON e.id = w.equipment_id"
)
PAGES = {
    "list": ("TRUE", "ORDER BY w.submitted_at DESC, w.id DESC LIMIT 100"),
    "due": ("w.status = 'TRIAGED'", "ORDER BY w.due_at NULLS LAST, w.id LIMIT 100"),
    "one": ("w.id = $2", ""),
}
NAMES = (
    "id", "number", "status", "priority", "channel", "category", "summary", "description", "submittedAt", "dueAt",
    "durationMinutes", "version",
)  # fmt: skip


def object_sql(make):
    """JSON of a row of the join, made by the database."""
    cells = [one.strip() for one in COLUMNS.split(",")]
    own = ", ".join(f"'{name}', {cell}" for name, cell in zip(NAMES, cells, strict=False))
    customer, site, machine = (
        f"{make}('id', {cells[at]}, 'name', {cells[at + 1]}, '{last}', {cells[at + 2]})"
        for at, last in ((12, "accountNumber"), (15, "city"), (18, "serialNumber"))
    )
    machine = f"CASE WHEN e.id IS NOT NULL THEN {machine} END"
    return f"{make}({own}, 'customer', {customer}, 'site', {site}, 'equipment', {machine})"


def rows_sql(name):
    """Plain rows, joined."""
    condition, order = PAGES[name]
    return f"SELECT {COLUMNS}{JOIN.format(page='work_order')} WHERE w.organization_id = $1 AND {condition} {order}"


def json_sql(name, sqlite):
    """A JSON text for each row; the page first, then what hangs on it."""
    condition, order = PAGES[name]
    page = f"(SELECT * FROM work_order w WHERE w.organization_id = $1 AND {condition} {order})"
    made = object_sql("json_object") if sqlite else f"CAST({object_sql('json_build_object')} AS text)"
    return f"SELECT {made}{JOIN.format(page=page)} {order.rpartition(' LIMIT')[0]}"


def work_order(row):
    """A row as the answer shows it."""
    return {
        "id": row[0], "number": row[1], "status": row[2], "priority": row[3], "channel": row[4], "category": row[5],
        "summary": row[6], "description": row[7], "submittedAt": row[8], "dueAt": row[9], "durationMinutes": row[10],
        "version": row[11],
        "customer": {"id": row[12], "name": row[13], "accountNumber": row[14]},
        "site": {"id": row[15], "name": row[16], "city": row[17]},
        "equipment": {"id": row[18], "name": row[19], "serialNumber": row[20]} if row[18] else None,
    }  # fmt: skip


async def keep_session(connection):
    """Nothing is ever set on a connection, so nothing needs to be reset."""


class Floor:
    """An ASGI application. A request names its work in ``operationName``."""

    def __init__(self, url, organization, as_json):
        self.url, self.organization, self.as_json = url, organization, as_json
        self.sqlite = url.startswith("sqlite")
        self.statements = {name: json_sql(name, self.sqlite) if as_json else rows_sql(name) for name in PAGES}

    async def start(self):
        """Open the database."""
        if self.sqlite:
            self.connection = await aiosqlite.connect(self.url.removeprefix("sqlite:///"))
        else:
            self.pool = await asyncpg.create_pool(self.url, min_size=10, max_size=10, reset=keep_session)

    async def rows(self, name, values):
        """The rows of a work."""
        if self.sqlite:
            # SQLite numbers its parameters with ?1 what PostgreSQL calls $1.
            return await self.connection.execute_fetchall(self.statements[name].replace("$", "?"), values)
        async with self.pool.acquire() as connection:
            return await connection.fetch(self.statements[name], *values)

    async def body(self, asked):
        """The answer to a request."""
        name = asked["operationName"]
        values = [self.organization, asked["variables"]["id"]] if name == "one" else [self.organization]
        rows = await self.rows(name, values)
        if self.as_json:
            found = "[" + ",".join([row[0] for row in rows]) + "]" if name != "one" else rows[0][0]
            return b'{"data":{"workOrders":' + found.encode() + b"}}"
        return orjson.dumps({"data": {"workOrders": [work_order(row) for row in rows]}})

    async def __call__(self, scope, receive, send):
        """Serve."""
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        sent = b""
        more = True
        while more:
            message = await receive()
            sent += message.get("body", b"")
            more = message.get("more_body", False)
        body = await self.body(orjson.loads(sent))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    url, port, organization, form = sys.argv[1:]
    app = Floor(url, organization, form == "json")
    uvicorn.run(app, port=int(port), access_log=False, log_level="warning", loop="uvloop", http="httptools")
