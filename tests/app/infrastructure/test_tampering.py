"""Of a thousand facts each is altered, taken out, doubled, moved and cut off: all of it is found, and named exactly."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.infrastructure import chain
from app.infrastructure.audit import Head
from app.infrastructure.chain import BrokenChain, Chain
from app.infrastructure.journal import Entry, Origin, Record
from app.kernel.ids import new_id

FACTS = 1000
NINE = datetime(2031, 3, 3, 9, tzinfo=UTC)
Records = list[Record]
Damage = Callable[[Records, int, random.Random], tuple[Records, int]]


@pytest.fixture(autouse=True)
def keyed() -> Iterator[None]:
    chain.configure(["a key that is known to few people only"])
    yield
    chain.configure([])


def fact(seq: int) -> Record:
    entry = Entry(
        id=new_id("fact"), organization_id="org_1", seq=seq, at=NINE + timedelta(seconds=seq), actor_kind="USER",
        actor_id="usr_1", command="ring_bell", type="BellRung", noun="bell", subject_id=f"b{seq}", customer_id="cus_1",
        technician_ids=("tech_1",), payload={"changes": {"times": [seq - 1, seq]}},
    )  # fmt: skip
    return Record(
        entry, f"req_{seq}", None, None, Origin("203.0.113.7", "Firefox/140", "ses_1", "ringBell"), f"salt:{seq}"
    )


def sealed(records: Records, previous: str = "") -> Records:
    made = []
    for record in records:
        hash = chain.seal_of(record, previous)
        made.append(replace(record, previous_hash=previous, hash=hash))
        previous = hash
    return made


def first_wrong(before: Record | None, rest: Records, head: Head) -> int | None:
    """The first wrong fact of a journal whose beginning, up to a fact, was walked along already."""
    seq, hash = (before.entry.seq, before.hash or "") if before is not None else (0, "")
    walk = Chain(seq, hash, sealed_seq=seq)
    try:
        for record in rest:
            walk.follow(record)
            if record.entry.seq == head.seq and record.hash != head.hash:
                return head.seq
        walk.require_end(head.seq, head.seq)
        walk.require_proofs()
    except BrokenChain as broken:
        return broken.seq
    return None


def alter(records: Records, index: int, chance: random.Random) -> tuple[Records, int]:
    record, lie = records[index], chance.choice(ALTERATIONS)
    return [*records[:index], lie(record), *records[index + 1 :]], index + 1


def erased(record: Record) -> Record:
    """As an erasure would leave it, only that there was none."""
    left = replace(record, entry=replace(record.entry, payload={}), origin=Origin())
    return replace(left, salt=chain.salt_after_erasure(record))


ALTERATIONS: list[Callable[[Record], Record]] = [
    *(
        lambda one, name=name: replace(one, entry=replace(one.entry, **{name: "another"}))  # type: ignore[misc]
        for name in ("id", "actor_kind", "actor_id", "command", "type", "noun", "subject_id", "customer_id")
    ),
    *(
        lambda one, name=name: replace(one, origin=replace(one.origin, **{name: None}))  # type: ignore[misc]
        for name in ("address", "user_agent", "session_id", "operation")
    ),
    lambda one: replace(one, entry=replace(one.entry, technician_ids=())),
    lambda one: replace(one, entry=replace(one.entry, payload={"changes": {}})),
    lambda one: replace(one, entry=replace(one.entry, at=one.entry.at + timedelta(microseconds=1))),
    lambda one: replace(one, entry=replace(one.entry, organization_id="org_2")),
    lambda one: replace(one, origin=Origin()),
    lambda one: replace(one, request_id=None),
    lambda one: replace(one, salt="salt:another"),
    lambda one: replace(one, salt=None),
    lambda one: replace(erased(one), salt=chain.UNSALTED),
    lambda one: erased(one),
    lambda one: replace(one, hash="hmac-sha256-" + "A" * 43),
    lambda one: replace(one, previous_hash="hmac-sha256-" + "B" * 43),
]


def delete(records: Records, index: int, chance: random.Random) -> tuple[Records, int]:
    return [*records[:index], *records[index + 1 :]], index + 1


def insert(records: Records, index: int, chance: random.Random) -> tuple[Records, int]:
    """One more, and those behind it move up."""
    more = [replace(one, entry=replace(one.entry, seq=one.entry.seq + 1)) for one in records[index : index + 3]]
    return [*records[: index + 1], *more, *records[index + 4 :]], index + 2


def reorder(records: Records, index: int, chance: random.Random) -> tuple[Records, int]:
    first, second = sorted((index, chance.choice([one for one in range(FACTS) if one != index])))
    moved = list(records)
    moved[first] = replace(records[second], entry=replace(records[second].entry, seq=first + 1))
    moved[second] = replace(records[first], entry=replace(records[first].entry, seq=second + 1))
    return moved, first + 1


def truncate(records: Records, index: int, chance: random.Random) -> tuple[Records, int]:
    """With all marks of the end: only the head that was kept elsewhere tells."""
    return records[:index], index + 1


@pytest.mark.parametrize("damage", [alter, delete, insert, reorder, truncate], ids=lambda one: one.__name__)
def test_a_thousand_of_a_thousand_tamperings_are_found_and_named(damage: Damage) -> None:
    records = sealed([fact(seq) for seq in range(1, FACTS + 1)])
    head = Head("org_1", FACTS, records[-1].hash or "")
    assert first_wrong(None, records, head) is None
    chance, found = random.Random(damage.__name__), 0
    for index in range(FACTS):
        tampered, wrong = damage(records, index, chance)
        start = wrong - 1  # what lies before it is untouched, and was walked along above
        assert tampered[:start] == records[:start]
        found += first_wrong(tampered[start - 1] if start else None, tampered[start:], head) == wrong
    assert found == FACTS


def test_control_a_chain_without_a_key_is_made_anew_and_only_a_kept_head_tells() -> None:
    chain.configure([])
    records = sealed([fact(seq) for seq in range(1, FACTS + 1)])
    head, found = Head("org_1", FACTS, records[-1].hash or ""), 0
    for index in range(0, FACTS, 100):
        lie = replace(records[index], entry=replace(records[index].entry, actor_id="usr_nobody"))
        before = records[index - 1] if index else None
        anew = sealed([lie, *records[index + 1 :]], (before.hash or "") if before else "")
        found += first_wrong(before, anew, Head("org_1", FACTS, anew[-1].hash or "")) is not None
        assert first_wrong(before, anew, head) == FACTS
    assert found == 0


def test_control_without_seals_no_alteration_is_found() -> None:
    records = [fact(seq) for seq in range(1, 101)]
    records[41] = replace(records[41], entry=replace(records[41].entry, actor_id="usr_nobody"))
    assert first_wrong(None, records, Head("org_1", 0, "")) is None
