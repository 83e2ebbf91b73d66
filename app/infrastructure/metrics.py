"""Counts and times for Prometheus, in a registry of our own. Labels have few values: never an id, never a client's text."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
JOB_BUCKETS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)

_registry = CollectorRegistry()
_requests = Histogram(
    "truckroll_request_seconds", "GraphQL requests over HTTP", ["outcome"], buckets=REQUEST_BUCKETS, registry=_registry
)
_commands = Counter("truckroll_commands", "Commands by name and outcome", ["command", "outcome"], registry=_registry)
_facts = Counter("truckroll_facts", "Facts written to the journal", registry=_registry)
_lag = Gauge("truckroll_follower_lag_facts", "Facts a follower has yet to look at", ["follower"], registry=_registry)
_lag_seconds = Gauge(
    "truckroll_follower_lag_seconds",
    "Age of the oldest fact a follower has yet to look at; 0 when there is none",
    ["follower"],
    registry=_registry,
)
_set_aside = Gauge(
    "truckroll_facts_set_aside", "Parked facts that were not replayed yet", ["follower"], registry=_registry
)
_kept = Gauge(
    "truckroll_journal_facts", "Facts of all journals, in the table and in the archive", ["place"], registry=_registry
)
_unsealed = Gauge("truckroll_journal_unsealed_facts", "Facts that have no seal yet", registry=_registry)
_unsealed_seconds = Gauge(
    "truckroll_journal_unsealed_seconds",
    "Age of the oldest fact without a seal; 0 when there is none",
    registry=_registry,
)
_parked = Counter("truckroll_facts_parked", "Facts set aside after the last try", ["follower"], registry=_registry)
_jobs = Histogram(
    "truckroll_job_seconds", "Jobs by kind and outcome", ["kind", "outcome"], buckets=JOB_BUCKETS, registry=_registry
)
_sockets = Gauge("truckroll_sockets_open", "Open WebSockets of this process", registry=_registry)
_streams = Gauge("truckroll_streams_open", "Open event streams of this process", registry=_registry)
_subscriptions = Gauge("truckroll_subscriptions_open", "Subscriptions that this process serves", registry=_registry)
_groups = Gauge(
    "truckroll_live_groups", "Groups of subscriptions that hear the same, made once for all", registry=_registry
)
_made = Counter("truckroll_live_events_made", "Events read and encoded, each for a whole group", registry=_registry)
_deliveries = Counter("truckroll_live_deliveries", "Events sent to subscribers", registry=_registry)
_conflated = Counter(
    "truckroll_live_conflated", "Waiting events that a newer one about the same thing replaced", registry=_registry
)
_closed_slow = Counter(
    "truckroll_live_closed_slow", "Connections closed because their client did not read", registry=_registry
)
_road_requests = Counter(
    "truckroll_road_requests",
    "Requests to the road server by outcome, tries counted once",
    ["outcome"],
    registry=_registry,
)
_road_ways = Counter(
    "truckroll_road_ways",
    "Ways between two places by where they are from: kept, server, or estimate where there is no answer",
    ["source"],
    registry=_registry,
)
# Looked up once: a label costs more than the observation.
_answered, _refused = (_requests.labels(outcome) for outcome in ("answered", "refused"))


def observe_request(answered: bool, seconds: float) -> None:
    """One GraphQL request over HTTP: whether it was answered with data, and how long it took."""
    (_answered if answered else _refused).observe(seconds)


def count_command(name: str, outcome: str) -> None:
    """One command; the outcome is ``DONE`` or the code of its problem."""
    _commands.labels(name, outcome).inc()


def count_facts(number: int) -> None:
    """Facts that were committed."""
    _facts.inc(number)


def follower_lag(follower: str, facts: int, seconds: float | None = None) -> None:
    """How many facts a follower of this process has yet to look at, and how old the oldest is, if that was asked."""
    _lag.labels(follower).set(facts)
    if seconds is not None:
        _lag_seconds.labels(follower).set(seconds)


def facts_set_aside(follower: str, number: int) -> None:
    """How many facts wait to be replayed."""
    _set_aside.labels(follower).set(number)


def facts_kept(in_table: int, in_archive: int) -> None:
    """Where the facts of all journals are."""
    _kept.labels("table").set(in_table)
    _kept.labels("archive").set(in_archive)


def sealing_lag(facts: int, seconds: float) -> None:
    """How many facts have no seal yet, and how old the oldest of them is."""
    _unsealed.set(facts)
    _unsealed_seconds.set(seconds)


def count_parked(follower: str) -> None:
    """A fact that was set aside."""
    _parked.labels(follower).inc()


def observe_job(kind: str, outcome: str, seconds: float) -> None:
    """One try of a job."""
    _jobs.labels(kind, outcome).observe(seconds)


def sockets_open(number: int) -> None:
    """How many WebSockets are open."""
    _sockets.set(number)


def streams_open(number: int) -> None:
    """How many event streams are open."""
    _streams.set(number)


def hub_size(size: Callable[[], tuple[int, int]]) -> None:
    """What says how many groups there are, and how many subscriptions are in them."""
    _groups.set_function(lambda: size()[0])
    _subscriptions.set_function(lambda: size()[1])


def count_made(events: int) -> None:
    """Events that were made for a group."""
    _made.inc(events)


def count_deliveries(number: int) -> None:
    """Events that were sent."""
    _deliveries.inc(number)


def count_conflated() -> None:
    """An event that a newer one replaced."""
    _conflated.inc()


def count_closed_slow() -> None:
    """A connection that was closed because its client did not read."""
    _closed_slow.inc()


def count_road_request(outcome: str) -> None:
    """One request to the road server: answered, refused or failed."""
    _road_requests.labels(outcome).inc()


def count_road_ways(source: str, number: int) -> None:
    """Ways that were kept already, that the server told, or that are estimated because it did not."""
    if number:
        _road_ways.labels(source).inc(number)


def render() -> bytes:
    """Everything, in Prometheus' text format."""
    return generate_latest(_registry)
