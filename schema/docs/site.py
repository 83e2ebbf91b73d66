"""The whole site by address: pages are drawn when they are first asked for, and kept."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path

from graphql import GraphQLSchema

from schema.docs import pages
from schema.docs.catalogue import Catalogue, OperationEntry, TypeEntry
from schema.docs.guides import guides
from schema.docs.pages import Reference

ASSETS = Path(__file__).with_name("assets")
SAID_LENGTH = 120
MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class File:
    """Something to send, with its kind and a tag that changes with it."""

    body: bytes
    media_type: str
    etag: str


class Site:
    """The reference of one schema. Making it costs nothing; the first page costs some milliseconds."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        # Only of addresses that there are: clients make up others without end.
        self._drawn = cache(self._draw)

    @cached_property
    def paths(self) -> dict[str, Callable[[], str]]:
        """Every address, and what writes what is there."""
        reference = self._reference
        found: dict[str, Callable[[], str]] = {
            "index.html": lambda: pages.index_page(reference),
            pages.RULES_PATH: lambda: pages.rules_of_who_may_do_what(reference),
            "search.json": lambda: search_index(reference),
            "llms.txt": lambda: plain_text(reference),
            **{f"assets/{one.name}": _reading(one) for one in ASSETS.iterdir()},
        }
        for guide in reference.guides:
            found[guide.path] = lambda guide=guide: pages.guide_page(reference, guide)  # type: ignore[misc]  # bound now
        for room in reference.catalogue.rooms:
            found[pages.room_path(room)] = lambda room=room: pages.room_page(reference, room)  # type: ignore[misc]  # too
        for entry in reference.catalogue.entries:
            found[entry.path] = lambda entry=entry: _page_of(reference, entry)  # type: ignore[misc]  # too
        return found

    @cached_property
    def _reference(self) -> Reference:
        return Reference.of(Catalogue(self._schema), guides())

    def file(self, path: str) -> File | None:
        """What is at an address, or None."""
        return self._drawn(path) if path in self.paths else None

    def _draw(self, path: str) -> File:
        body = self.paths[path]().encode()
        return File(body, MEDIA_TYPES[path.rpartition(".")[2]], f'"{blake2b(body, digest_size=12).hexdigest()}"')

    def write(self, folder: Path) -> int:
        """Write every file into a folder; how many."""
        for path in self.paths:
            file = self.file(path)
            assert file is not None
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.body)
        return len(self.paths)


def _reading(path: Path) -> Callable[[], str]:
    return lambda: path.read_text(encoding="utf-8")


def _page_of(reference: Reference, entry: object) -> str:
    if isinstance(entry, OperationEntry):
        return pages.operation_page(reference, entry)
    assert isinstance(entry, TypeEntry)
    return pages.type_page(reference, entry)


def search_index(reference: Reference) -> str:
    """What the search looks through: name, kind, address, first sentence; then the fields of types and inputs."""
    rows: list[list[str]] = [[one.title, "guide", one.path, one.summary] for one in reference.guides]
    rows.extend([one.name, one.kind, one.path, one.summary[:SAID_LENGTH]] for one in reference.catalogue.entries)
    for entry in reference.catalogue.types.values():
        if entry.part in ("", "filter"):
            members = getattr(entry.type, "fields", None) or getattr(entry.type, "values", {})
            rows.extend([f"{entry.name}.{name}", "field" if hasattr(entry.type, "fields") else "value",
                         f"{entry.path}#{name}", ""] for name in members)  # fmt: skip
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def plain_text(reference: Reference) -> str:
    """The reference as plain text, for programs that read: guides whole, operations with their first sentence."""
    return "\n".join(_plain_lines(reference)) + "\n"


def _plain_lines(reference: Reference) -> Iterator[str]:
    yield f"# {pages.TITLE}\n"
    yield "> One GraphQL endpoint, /graphql. The schema is at /schema.graphql.\n"
    for guide in reference.guides:
        yield guide.shown.strip() + "\n"
    for room, title in reference.catalogue.rooms.items():
        yield f"# {title}\n"
        for entry in reference.catalogue.entries:
            if entry.room == room and isinstance(entry, OperationEntry):
                yield f"- {entry.kind} {entry.name} ({entry.access if isinstance(entry.access, str) else entry.access.value}): {entry.summary}"
        yield ""
