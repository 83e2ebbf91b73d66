"""Lists as Relay's connections have them, and the interface of everything that has an id.

Objects of these classes are never made: the reader answers with the JSON that the database built.
"""

from typing import Generic, TypeVar

import strawberry

T = TypeVar("T")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """The four questions of a pager."""

    has_next_page: bool = strawberry.field(description="Whether rows follow. Exact when paging forward.")
    has_previous_page: bool = strawberry.field(description="Whether rows come before. Exact when paging backward.")
    start_cursor: str | None = strawberry.field(description="The first row's cursor; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The last row's cursor; null on an empty page.")


@strawberry.type(description="A row and its place in the list.")
class Edge(Generic[T]):
    """A row with its cursor."""

    cursor: str = strawberry.field(description="An opaque place; give it to after or before.")
    node: T = strawberry.field(description="The row.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page of rows that the actor may see."""

    nodes: list[T] = strawberry.field(description="The rows.")
    edges: list[Edge[T]] = strawberry.field(description="The rows with their cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands.")
    total_count: int = strawberry.field(
        description="How many rows the whole list has, of those you may see. Counted only when asked for."
    )
