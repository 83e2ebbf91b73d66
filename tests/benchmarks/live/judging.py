"""Whether everybody heard everything once and in order, and how long it took."""

from collections.abc import Iterable, Mapping, Sequence
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


def judge(heard: Heard, expected: Mapping[int, Sequence[int]], moments: Sequence[Mapping[int, float]]) -> Verdict:
    """Hold what was heard against what each subscriber must hear.

    ``moments`` are, for each subscriber, when each event happened.
    """
    wrong = [f"{count} × {what}" for what, count in heard.wrong.items()]
    order: dict[int, list[int]] = {number: [] for number in expected}
    for number, which in zip(heard.who, heard.which, strict=True):
        order[number].append(which)
    for number, numbers in expected.items():
        if (got := order[number]) != list(numbers):
            wrong.append(f"subscriber {number}: {difference(got, numbers)}")
    seconds = (
        when - moments[number][which]
        for number, which, when in zip(heard.who, heard.which, heard.when, strict=True)
        if which in moments[number]
    )
    return Verdict(wrong, sorted(seconds))


def difference(got: Sequence[int], expected: Iterable[int]) -> str:
    """In words, how what was heard differs from what had to be."""
    wanted = list(expected)
    missing, extra = set(wanted) - set(got), set(got) - set(wanted)
    repeated = len(got) - len(set(got))
    if missing or extra or repeated:
        return f"{len(missing)} missing, {len(extra)} not for it, {repeated} repeated, of {len(wanted)}"
    return "not in order"
