"""How long a visit takes, learned from visits that are over.

A visit's kind is a path of keys, from coarse to fine: service type, model of the device, technician. The model is
a tree of log-normal times. What a node's own visits say is drawn towards its parent, the more so the fewer they are
and the less its siblings differ (empirical Bayes, the variances by the method of moments):

    mean(node) = w · own mean + (1 - w) · mean(parent),   w = n / (n + within² / between²)

Visits that took absurdly long or short are pulled in to three robust deviations before. The expected minutes are the
mean and not the median of what may happen; P80 is what four of five visits keep within.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp, log, sqrt
from statistics import fmean, median

OBSERVATIONS_MIN = 10
CLIPPED_DEVIATIONS = 3.0
PRIOR_VISITS = 4  # how many visits the parent counts for while the variances are not known yet
FOLDS = 5
PERCENTILE = 0.8
MAD_TO_DEVIATION = 1.4826
# Two visits of a kind that took the same minutes do not prove that all will.
WITHIN_MIN = 0.05


@dataclass(frozen=True, slots=True)
class Observation:
    """A visit that is over: when (any number that grows with time), its kind from coarse to fine, how long it took,
    and how long it was planned to take. A key that is not known is None, and so are all finer ones."""

    at: float
    kind: tuple[str | None, ...]
    minutes: float
    planned_minutes: float | None = None


@dataclass(frozen=True, slots=True)
class DurationForecast:
    """Minutes of work to expect. `level` is how many keys of the kind the forecast rests on (0: all visits), the
    finest on which its own `observations` count for half or more."""

    expected_minutes: float
    p80_minutes: float
    level: int
    observations: int


@dataclass(frozen=True, slots=True)
class DurationError:
    """How wrong forecasts were for visits that came after what they were made from, beside what was planned for
    the same visits. Bias is forecast minus fact: positive where visits took less."""

    visits: int
    mean_absolute_minutes: float
    bias_minutes: float
    planned_mean_absolute_minutes: float | None
    planned_bias_minutes: float | None
    p80_coverage: float

    @property
    def beats_plan(self) -> bool:
        """Whether the forecast was closer than what was planned."""
        planned = self.planned_mean_absolute_minutes
        return planned is not None and self.mean_absolute_minutes < planned


@dataclass(slots=True)
class _Node:
    """A kind of visits: what its own say, and what is believed in the end."""

    depth: int
    logs: list[float] = field(default_factory=list)
    mean: float = 0.0
    weight: float = 1.0
    doubt: float = 0.0  # the variance of the belief


@dataclass(frozen=True, slots=True)
class Durations:
    """The fitted model."""

    nodes: dict[tuple[str, ...], _Node]
    between: tuple[float, ...]
    within: float
    residuals: tuple[float, ...]
    longest_minutes: float

    def forecast(self, kind: Sequence[str | None] = ()) -> DurationForecast:
        """What to expect of a kind; what is not known about it counts as it did among all visits."""
        keys = _known(kind)
        path = [self.nodes[keys[:depth]] for depth in range(len(keys) + 1) if keys[:depth] in self.nodes]
        finest = path[-1]
        # Where siblings below differ, not knowing which one it is makes the time less certain.
        doubt = finest.doubt + sum(self.between[finest.depth :])
        spread = sqrt((self.within + doubt) / self.within)
        residuals = [each * spread for each in self.residuals]
        own = next(node for node in reversed(path) if node.weight >= 0.5 or node.depth == 0)
        # What has never taken so long is not said to.
        return DurationForecast(
            expected_minutes=min(exp(finest.mean) * fmean(map(exp, residuals)), self.longest_minutes),
            p80_minutes=min(exp(finest.mean + _quantile(residuals, PERCENTILE)), self.longest_minutes),
            level=own.depth,
            observations=len(own.logs),
        )


def durations(history: Iterable[Observation]) -> Durations | None:
    """The model of some visits; None when there are fewer than `OBSERVATIONS_MIN`, which say nothing."""
    visits = [one for one in history if one.minutes > 0]
    if len(visits) < OBSERVATIONS_MIN:
        return None
    leaves = [(_known(one.kind), log(one.minutes)) for one in visits]
    leaves = _pulled_in(_tree(leaves), leaves)
    nodes = _tree(leaves)
    within = max(_within(leaves), WITHIN_MIN**2)
    between = tuple(
        _between(nodes, depth, within) for depth in range(1, 1 + max(node.depth for node in nodes.values()))
    )
    _believe(nodes, between, within)
    residuals = sorted(value - nodes[keys].mean for keys, value in leaves)
    # Means lie nearer to the visits they were made of than to others.
    flattering = sqrt(within / (fmean(each * each for each in residuals) or within))
    residuals = [each * max(1.0, flattering) for each in residuals]
    # Half a percent more or less does not show, and a forecast goes through all of them.
    step = max(1, len(residuals) // 200)
    return Durations(
        nodes, between, within, tuple(residuals[step // 2 :: step]), exp(max(value for _, value in leaves))
    )


def duration_error(history: Iterable[Observation], *, folds: int = FOLDS) -> DurationError | None:
    """The error by rolling origin: the later half of the history in some parts, each forecast from all before it.
    None when there is too little history to try."""
    visits = sorted((one for one in history if one.minutes > 0), key=lambda one: one.at)
    half = len(visits) // 2
    if half < OBSERVATIONS_MIN:
        return None
    tested: list[tuple[Observation, DurationForecast]] = []
    cuts = [half + (len(visits) - half) * fold // folds for fold in range(folds + 1)]
    for begin, end in pairwise(cuts):
        model = durations(visits[:begin])
        assert model is not None
        known: dict[tuple[str, ...], DurationForecast] = {}
        for one in visits[begin:end]:
            keys = _known(one.kind)
            if keys not in known:
                known[keys] = model.forecast(keys)
            tested.append((one, known[keys]))
    errors = [forecast.expected_minutes - one.minutes for one, forecast in tested]
    planned = [one.planned_minutes - one.minutes for one, _ in tested if one.planned_minutes is not None]
    return DurationError(
        visits=len(tested),
        mean_absolute_minutes=fmean(map(abs, errors)),
        bias_minutes=fmean(errors),
        # Compared only where every visit had a plan: else it would be about other visits.
        planned_mean_absolute_minutes=fmean(map(abs, planned)) if len(planned) == len(tested) else None,
        planned_bias_minutes=fmean(planned) if len(planned) == len(tested) else None,
        p80_coverage=fmean(one.minutes <= forecast.p80_minutes for one, forecast in tested),
    )


def _known(kind: Sequence[str | None]) -> tuple[str, ...]:
    keys: list[str] = []
    for key in kind:
        if key is None:
            break
        keys.append(key)
    return tuple(keys)


def _tree(visits: Sequence[tuple[tuple[str, ...], float]]) -> dict[tuple[str, ...], _Node]:
    nodes: dict[tuple[str, ...], _Node] = {}
    for keys, value in visits:
        for depth in range(len(keys) + 1):
            nodes.setdefault(keys[:depth], _Node(depth)).logs.append(value)
    return dict(sorted(nodes.items(), key=lambda item: (item[1].depth, item[0])))


def _pulled_in(
    nodes: dict[tuple[str, ...], _Node], visits: Sequence[tuple[tuple[str, ...], float]]
) -> list[tuple[tuple[str, ...], float]]:
    """The visits with what is absurd pulled in, judged by medians that are drawn to their parents'."""
    middle: dict[tuple[str, ...], float] = {}
    for keys, node in nodes.items():
        own, count = median(node.logs), len(node.logs)
        parent = middle[keys[:-1]] if keys else own
        middle[keys] = (count * own + PRIOR_VISITS * parent) / (count + PRIOR_VISITS)
    spread = MAD_TO_DEVIATION * median(abs(value - middle[keys]) for keys, value in visits)
    most = CLIPPED_DEVIATIONS * max(spread, WITHIN_MIN)
    return [(keys, middle[keys] + max(-most, min(most, value - middle[keys]))) for keys, value in visits]


def _within(visits: Sequence[tuple[tuple[str, ...], float]]) -> float:
    """The variance among visits of one kind, pooled over kinds."""
    kinds: dict[tuple[str, ...], list[float]] = {}
    for keys, value in visits:
        kinds.setdefault(keys, []).append(value)
    freedom = len(visits) - len(kinds)
    if not freedom:
        mean = fmean(value for _, value in visits)
        return fmean((value - mean) ** 2 for _, value in visits)
    means = {keys: fmean(values) for keys, values in kinds.items()}
    return sum((value - means[keys]) ** 2 for keys, value in visits) / freedom


def _between(nodes: dict[tuple[str, ...], _Node], depth: int, within: float) -> float:
    """The variance among the children of one parent at a depth: what their means differ by more than by chance."""
    families: dict[tuple[str, ...], list[_Node]] = {}
    for keys, node in nodes.items():
        if node.depth == depth:
            families.setdefault(keys[:-1], []).append(node)
    squares = freedom = size = 0.0
    for children in families.values():
        counts = [len(child.logs) for child in children]
        total = sum(counts)
        means = [fmean(child.logs) for child in children]
        middle = sum(count * mean for count, mean in zip(counts, means, strict=True)) / total
        squares += sum(count * (mean - middle) ** 2 for count, mean in zip(counts, means, strict=True))
        freedom += len(children) - 1
        size += total - sum(count * count for count in counts) / total
    return max(0.0, (squares - freedom * within) / size) if size > 0 else 0.0


def _believe(nodes: dict[tuple[str, ...], _Node], between: Sequence[float], within: float) -> None:
    for keys, node in nodes.items():
        own, count = fmean(node.logs), len(node.logs)
        if not keys:
            node.mean, node.doubt = own, within / count
            continue
        parent, variance = nodes[keys[:-1]], between[node.depth - 1]
        node.weight = count * variance / (count * variance + within)
        node.mean = node.weight * own + (1 - node.weight) * parent.mean
        node.doubt = (1 - node.weight) * variance + (1 - node.weight) ** 2 * parent.doubt


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share lies, between neighbours by their distance."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
