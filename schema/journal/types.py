"""A fact as clients see it, and a page of facts."""

from datetime import datetime

from app.infrastructure.journal import Entry
from app.kernel.actor import ActorKind
from schema.kit import ID, Node, Private, about, describe_enum, differences, link, plain
from schema.kit.previous import PREVIOUS, FieldChange

describe_enum(
    ActorKind,
    "What stands behind a change.",
    {
        ActorKind.USER: "A signed-in person.",
        ActorKind.API_KEY: "A partner's API key.",
        ActorKind.SYSTEM: "The system itself: timers, jobs, followers, the command line.",
    },
)


@plain
class Change:
    """One fact: something that happened to one thing."""

    cursor: str = about("Where you stand after this fact; resume with it.")
    id: ID = about("The fact's own id, the same whenever it is read.")
    at: datetime = about("When it happened.")
    fact: str = about("What happened, such as WorkOrderCompleted.")
    noun: str = about("What kind of thing it happened to, such as work order.")
    subject_id: ID = about("To which.")
    subject: Node | None = link(
        "That as it is now, with all changes since; null when you may not see it (any more), or when it is gone.",
        "subject_id",
    )
    actor_kind: ActorKind = about("What stands behind it.")
    actor_id: str = about("Who: the id of a user or key, or system.")
    changes: list[FieldChange] = differences(PREVIOUS, "entry")
    entry: Private[Entry]


@plain
class Changes:
    """A page of facts, oldest first."""

    nodes: list[Change] = about("The facts that you may hear.")
    cursor: str = about("Where to go on, also when no fact on this page was for you.")
    has_more: bool = about("Whether there is more right now.")
