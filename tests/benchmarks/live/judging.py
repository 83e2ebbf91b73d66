"""Whether everybody heard everything once and in order, and how long it took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.live.crowd import Heard


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with what a crowd heard: nothing, if its figures are to count; and how long each event took."""

    wrong: list[str]
    seconds: list[float] = field(repr=False)

    def percentile(self, percent: float) -> float:
        """So many percent of all deliveries took at most so many milliseconds."""
        if not self.seconds:
            return float("nan")
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * percent / 100))] * 1000


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a subscriber must hear: these events, in this order. With ``rows``, which say what each event is about, only
    the last event about each row must come, and any of the earlier ones may be left out."""

    numbers: Sequence[int]
    rows: Mapping[int, str] | None = None

    def objection(self, got: Sequence[int]) -> str | None:
        """What is wrong with what came; None when it is right."""
        if self.rows is None:
            return None if got == self.numbers else difference(got, self.numbers)
        last = {self.rows[number]: number for number in self.numbers}
        there = set(got)
        needed = [number for number in self.numbers if number in there or last[self.rows[number]] == number]
        return None if got == needed else difference(got, needed)


def judge(heard: Heard, expected: Sequence[Expectation], moments: Sequence[Mapping[int, float]]) -> Verdict:
    """Hold what was heard against what each subscriber must hear.

    ``moments`` are, for each subscriber, when each event happened.
    """
    wrong = [f"{count} × {what}" for what, count in heard.wrong.items()]
    order: list[list[int]] = [[] for _ in expected]
    for number, which in zip(heard.who, heard.which, strict=True):
        order[number].append(which)
    for number, (one, got) in enumerate(zip(expected, order, strict=True)):
        if objection := one.objection(got):
            wrong.append(f"subscriber {number}: {objection}")
    seconds = (
        when - moments[number][which]
        for number, which, when in zip(heard.who, heard.which, heard.when, strict=True)
        if which in moments[number]
    )
    return Verdict(wrong, sorted(seconds))


def difference(got: Sequence[int], wanted: Sequence[int]) -> str:
    """In words, how what was heard differs from what had to be."""
    missing, extra = set(wanted) - set(got), set(got) - set(wanted)
    repeated = len(got) - len(set(got))
    if missing or extra or repeated:
        return f"{len(missing)} missing, {len(extra)} not for it, {repeated} repeated, of {len(wanted)}"
    return "not in order"
