"""What clients see of the scratch tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Union

import strawberry

from app.infrastructure import journal
from app.infrastructure.command import command
from app.infrastructure.conditions import Condition, column
from app.infrastructure.journal import Entry
from app.infrastructure.tables import change_row, find_rows, lock_one
from app.kernel.actor import Actor
from app.kernel.errors import IllegalTransition, InvalidInput, NotFound, PlanOutdated, Problem
from app.kernel.events import Fact
from app.kernel.permissions import Permission
from schema.kit import (
    ANYONE,
    ID,
    JSON,
    SIGNED_IN,
    BooleanFilter,
    Connection,
    Context,
    DateFilter,
    DateTimeFilter,
    DecimalFilter,
    EnumFilter,
    FloatFilter,
    IdFilter,
    IntFilter,
    Maybe,
    Node,
    Private,
    StringFilter,
    about,
    arg,
    build_schema,
    by,
    by_children,
    by_parent,
    changed,
    children,
    col,
    computed,
    contains,
    count_of,
    describe_enum,
    either,
    exists_in,
    extends,
    extends_filter,
    filterable,
    from_parent,
    given,
    group,
    heard,
    inputs,
    link,
    many,
    mutation,
    one,
    orderable,
    parent,
    plain,
    query,
    ranked,
    readable,
    single,
    sql_value,
    sum_of,
    watched,
)
from tests.schema.kit import scratch_models as models

describe_enum(models.Mood, "How a crew feels.", {models.Mood.CALM: "All is well.", models.Mood.BUSY: "Not now."})


@plain
class Place:
    """Where something is."""

    latitude: float = about("Degrees north.")
    longitude: float = about("Degrees east.")


@plain
class Verdict:
    """What a rule thinks of a job."""

    word: str = about("In a word.")
    reasons: list[str] = about("Why.")
    due_at: datetime | None = about("By when.")


@filterable(models.Memo)
class MemoFilter:
    """Which memos."""

    text: StringFilter | None = by("What it says.")
    number: IntFilter | None = by("Its number.")
    at: DateTimeFilter | None = by("When.")


MemoOrder = orderable(
    "MemoOrder", models.Memo, default=("-at",), at="When.", number="By number.", text="By text.",
    job_due_at=from_parent("By its job's due time.", models.Job, "due_at", via="job_id"),
)  # fmt: skip


JobOrCrew = Annotated[Union["Job", "Crew"], strawberry.union("JobOrCrew", description="Work, or who does it.")]


@readable(models.Memo, permission=Permission.VIEW_JOURNAL)
class Memo(Node):
    """Something written down."""

    text: str = col("What it says.")
    at: datetime = col("When.", facet=True, totals=True)
    number: int | None = col("Its number.", totals=True)
    job: "Job" = parent("What it is about.", facet="title")
    subject: Node = either("What it is about besides.")
    work: JobOrCrew = either("What it is about besides, if that is work or who does it.", via="subject_id")


@filterable(models.Job)
class JobFilter:
    """Which jobs."""

    title: StringFilter | None = by("Its title.")
    crew_id: IdFilter | None = by("Whose.")
    weight: IntFilter | None = by("How heavy.")
    price: DecimalFilter | None = by("What it costs.")
    due_at: DateTimeFilter | None = by("By when.")
    is_secret: BooleanFilter | None = by("Whether it is secret.")
    memos: MemoFilter | None = by_children("What was said.", via="job_id")
    search: str | None = by("Text in the title.", where=lambda actor, text: contains("title", text))


JobOrder = orderable(
    "JobOrder",
    models.Job,
    default=("-created_at",),
    created_at="When it was made.",
    title="By title.",
    weight="By weight.",
    due_at="By due time.",
    price="By price.",
    priority=ranked("By urgency.", "priority", ["LOW", "NORMAL", "HIGH"]),
    crew_name=from_parent("By its crew's name.", models.Crew, "name", via="crew_id"),
    crew_rank=from_parent("By its crew's rank.", models.Crew, "rank", via="crew_id"),
)


def verdict_on(title: str, due_at: datetime | None, memos: int) -> dict[str, object]:
    return {"word": title.upper(), "reasons": [f"{memos} memos"], "due_at": due_at}


def for_whom(actor: Actor, price: Decimal | None, has_memos: bool) -> str:
    return f"{actor.id} {price if price is None else format(price.normalize(), 'f')} {has_memos}"


@readable(models.Job, permission=Permission.VIEW_WORK_ORDERS)
class Job(Node):
    """Something to be done."""

    title: str = col("What.", facet=True)
    priority: str = col("How urgent.", facet=True)
    due_at: datetime | None = col("By when.", facet=True, totals=True)
    price: Decimal | None = col("What it costs.", permission=Permission.VIEW_PRICES, totals=True)
    weight: int | None = col("How heavy.", totals=True)
    is_secret: bool = col("Whether only some may see it.", facet=True)
    crew: "Crew" = parent("Who does it.", facet="name")
    memos: Connection[Memo] = children("What was said.", via="job_id", filter=MemoFilter, order=MemoOrder)
    memo_count: int = sql_value("How many memos.", count_of("scratch_memo", "job_id"))
    has_memos: bool = sql_value("Whether there are memos.", exists_in("scratch_memo", "job_id"))
    number_sum: int = sql_value("The sum of numbers.", sum_of("scratch_memo", "job_id", "number", column("number") > 1))
    verdict: Verdict = computed("What a rule thinks.", verdict_on, needs=("title", "due_at", "memo_count"))
    for_whom: str = computed("Who asks.", for_whom, needs=("price", "has_memos"), actor=True)
    last_memo: Memo | None = single("The newest memo.", via="job_id")


@filterable(models.Crew)
class CrewFilter:
    """Which crews."""

    name: StringFilter | None = by("The name.")
    mood: EnumFilter[models.Mood] | None = by("How it feels.")
    started_on: DateFilter | None = by("Since when.")
    rank: IntFilter | None = by("Its rank.")
    rate: DecimalFilter | None = by("What an hour costs.")
    latitude: FloatFilter | None = by("How far north.")
    is_active: BooleanFilter | None = by("Whether it works.")
    jobs: JobFilter | None = by_children("What it does.", via="crew_id")


@extends_filter(CrewFilter)
class CrewUnder:
    boss: CrewFilter | None = by_parent("The crew above.")


@extends_filter(JobFilter)
class JobOfCrew:
    crew: CrewFilter | None = by_parent("Who does it.")


@extends_filter(MemoFilter)
class MemoOfJob:
    job: JobFilter | None = by_parent("What it is about.")


CrewOrder = orderable(
    "CrewOrder",
    models.Crew,
    default=("name",),
    name="By name.",
    rank="By rank.",
    started_on="By age.",
    latitude="By place.",
)


@readable(models.Crew, permission=None)
class Crew(Node):
    """People who work together."""

    name: str = col("What it is called.")
    boss: "Crew" = parent("The crew above.")
    rank: int | None = col("How high.")
    rate: Decimal | None = col("What an hour costs.", permission=Permission.VIEW_TECHNICIAN_COSTS, totals=True)
    started_on: str | None = col("Since when.")
    is_active: bool = col("Whether it works.")
    tags: JSON = col("Words.")
    words: list[str] = col("Words again.", column="tags")
    mood: models.Mood = col("How it feels.", facet=True)
    place: Place | None = group("Where it is.", latitude="latitude", longitude="longitude", null_without="latitude")


@extends(Crew)
class CrewJobs:
    jobs: Connection[Job] = children("What it does.", via="crew_id", filter=JobFilter, order=JobOrder)
    heavy_jobs: Connection[Job] = children("What is heavy.", via="crew_id", where=lambda actor: column("weight") > 5)


@plain
class Viewer:
    """Who asks."""

    name: str = about("The actor's id.")
    crew_id: Private[str | None] = None
    crew: Crew | None = link("The first crew.", "crew_id")


def by_title(actor: Actor, title: Annotated[str, arg("The title.")]) -> Condition:
    if not title:
        raise InvalidInput("A title is not empty.", path=["title"])
    return column("title") == title


async def since(actor: Actor, due_after: Annotated[datetime | None, arg("Due after this.")] = None) -> Condition:
    return column("due_at") > due_after if due_after else column("id") != ""


@plain
class MoodSwing:
    """A mood, and what it came from."""

    word: models.Mood = about("In a word.")
    level: int = about("How strong.")
    more: "MoodSwing | None" = about("What it came from.")
    list: "list[MoodSwing]" = about("All that it came from.")


class Queries:
    scratch_job: Job | None = one("One job.", permission=Permission.VIEW_WORK_ORDERS)
    scratch_job_by_title: Job | None = one("One job.", permission=Permission.VIEW_WORK_ORDERS, where=by_title)
    scratch_jobs: Connection[Job] = many(
        "Jobs.", permission=Permission.VIEW_WORK_ORDERS, filter=JobFilter, order=JobOrder, where=since
    )
    scratch_crew: Crew | None = one("One crew.", permission=SIGNED_IN)
    scratch_crews: Connection[Crew] = many("Crews.", permission=SIGNED_IN, filter=CrewFilter, order=CrewOrder)
    scratch_memos: Connection[Memo] = many("Memos.", permission=SIGNED_IN, filter=MemoFilter, order=MemoOrder)

    @query("Who asks.", permission=SIGNED_IN)
    async def scratch_viewer(actor: Actor, crew: Annotated[ID | None, arg("A crew.")] = None) -> Viewer:
        return Viewer(name=actor.id, crew_id=crew)

    @query("Says hello to all.", permission=ANYONE)
    async def scratch_hello(context: Context, name: Annotated[str, arg("To whom.")]) -> str:
        return f"Hello {name} at {context.address}"

    @query("Moods, as plain objects.", permission=SIGNED_IN)
    async def scratch_moods() -> list[MoodSwing]:
        calm = MoodSwing(word=models.Mood.CALM, level=1, more=None, list=[])
        return [calm, MoodSwing(word=models.Mood.BUSY, level=2, more=calm, list=[calm, calm])]

    @query("Fails.", permission=ANYONE)
    async def scratch_bug() -> str:
        raise RuntimeError("db password is hunter2")


@inputs
class JobInput:
    """What to do with a job."""

    id: ID = about("Which.")
    fail: str | None = about("How to fail.", default=None)
    title: Maybe[str] = about("Its title.")
    due_at: Maybe[datetime | None] = about("By when.")


GIVEN: list[dict[str, object]] = []
FAILURES: dict[str, Problem] = {
    "illegal": IllegalTransition("job", "OPEN", "CLOSED", ["BUSY"]),
    "missing": NotFound("job", "job_1", path=["id"]),
    "undeclared": PlanOutdated(["apt_1"]),
}


@dataclass(frozen=True, kw_only=True)
class ScratchJobRenamed(Fact):
    noun = "job"


@command(Permission.MANAGE_WORK_ORDERS)
async def rename_job(actor: Actor, id: str, title: str) -> str:
    """Give a job another title."""
    job = await lock_one(models.Job, actor, id)
    await change_row(job, title=title)
    journal.record(ScratchJobRenamed(subject_id=id))
    return id


class Mutations:
    @mutation(Job, "Renames a job.", permission=Permission.MANAGE_WORK_ORDERS)
    async def rename_scratch_job(
        actor: Actor, id: Annotated[ID, arg("Which.")], title: Annotated[str, arg("Its new title.")]
    ) -> str:
        return await rename_job(actor, str(id), title)

    @mutation(Job, "Touches a job.", permission=Permission.MANAGE_WORK_ORDERS, problems=(IllegalTransition,))
    async def touch_job(actor: Actor, input: JobInput) -> str:
        GIVEN.append(given(input))
        if input.fail == "bug":
            raise RuntimeError("secret")
        if input.fail:
            raise FAILURES[input.fail]
        return str(input.id)

    @mutation(list[Job], "Touches jobs.", noun="jobs", permission=SIGNED_IN)
    async def touch_jobs(ids: Annotated[list[ID], arg("Which.")]) -> Sequence[str]:
        return ids

    @mutation(Viewer, "Greets.", permission=ANYONE)
    async def greet(actor: Actor | None, name: Annotated[str, arg("Whom.")]) -> Viewer:
        return Viewer(name=f"{name} {actor.id if actor else 'nobody'}")


@plain
class Renamed:
    """A job has another title."""

    cursor: str = about("Where you stand.")
    at: datetime = about("When.")
    job_id: ID = about("Which.")
    job: Job | None = link("As it is now.", "job_id")


@plain
class Title:
    """A title there is."""

    cursor: str = about("Where you stand.", default="")
    job_id: ID = about("Whose.")
    title: str = about("It.")
    removed: bool = about("Whether it is there no more.", default=False)
    job: Job | None = link("The job.", "job_id")


@plain
class Count:
    """A number of jobs."""

    cursor: str = about("Where you stand.", default="")
    jobs: int = about("So many.")


CALLS: list[tuple[str, list[str]]] = []
"""For whom and for what ``scratchRenamed`` was asked."""


async def organization_of(word: str) -> str:
    """Whose the word is."""
    if word != "please":
        raise NotFound("word", word, path=["word"])
    return "org_01jd0000000000000000000000"


class Subscriptions:
    scratch_job_changed = changed(Job, "What happens to jobs.", permission=Permission.VIEW_WORK_ORDERS)

    @heard(
        "The jobs that are renamed to something that begins so.",
        permission=Permission.VIEW_WORK_ORDERS,
        facts=(ScratchJobRenamed,),
        conflate_by="job_id",
    )
    async def scratch_renamed(
        actor: Actor, entries: Sequence[Entry], begins: Annotated[str, arg("With what.")] = ""
    ) -> list[Renamed]:
        """One statement for all of them."""
        if len(begins) > 20:
            raise InvalidInput("Too long.", path=["begins"])
        CALLS.append((type(actor).__name__, [entry.subject_id for entry in entries]))
        jobs = {job.id: job.title for job in await find_rows(models.Job, models.Job.visible_to(actor))}
        return [
            Renamed(cursor=one.cursor, at=one.at, job_id=ID(one.subject_id))
            for one in entries
            if jobs.get(one.subject_id, "").startswith(begins)
        ]

    @heard("The own renamings.", permission=Permission.VIEW_WORK_ORDERS, facts=(ScratchJobRenamed,), personal=True)
    async def scratch_renamed_by_me(actor: Actor, entries: Sequence[Entry]) -> list[Renamed]:
        """What the very user did."""
        return [
            Renamed(cursor=one.cursor, at=one.at, job_id=ID(one.subject_id))
            for one in entries
            if one.actor_id == actor.id
        ]

    @heard(
        "What was renamed, noted for whoever hears it.",
        permission=Permission.VIEW_WORK_ORDERS,
        facts=(ScratchJobRenamed,),
    )
    async def scratch_careless(actor: Actor, entries: Sequence[Entry]) -> list[Renamed]:
        """It forgets to say that it is personal."""
        return [
            Renamed(cursor=one.cursor, at=one.at, job_id=ID(one.subject_id))
            for one in entries
            if one.actor_id == actor.id
        ]

    @watched(
        "The titles there are.",
        permission=Permission.VIEW_WORK_ORDERS,
        facts=(ScratchJobRenamed,),
        topics=("titles",),
        seconds=30,
        pause=0.01,
    )
    async def scratch_titles(actor: Actor, begins: Annotated[str, arg("With what.")] = "") -> dict[str, Title]:
        """By job."""
        jobs = await find_rows(models.Job, models.Job.visible_to(actor), order=["id"])
        return {job.id: Title(job_id=ID(job.id), title=job.title) for job in jobs if job.title.startswith(begins)}

    @watched(
        "How many jobs whoever knows the word may know of.",
        permission=ANYONE,
        facts=(ScratchJobRenamed,),
        pause=0.01,
        organization_of=organization_of,
    )
    async def scratch_count(actor: Actor, word: Annotated[str, arg("The word.")]) -> dict[str, Count]:
        """One number."""
        everybody = await find_rows(models.Job, column("organization_id") == actor.organization_id)
        return {"": Count(jobs=len(everybody))}


class Room:
    Queries = Queries
    Mutations = Mutations
    Subscriptions = Subscriptions


def make_schema() -> object:
    return build_schema([Room])
