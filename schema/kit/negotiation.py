"""What a client would rather have: media types and encodings, by quality and then by the order in which it names them."""

from dataclasses import dataclass
from functools import lru_cache

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
EVENTS = "text/event-stream"
HTML = "text/html"

PARTS_MAX = 32
KEPT_MAX = 256
KEPT_LENGTH_MAX = 512


@dataclass(frozen=True, slots=True)
class Range:
    """One part of an Accept header."""

    name: str
    quality: float
    place: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """What to answer with: the best of the types that we have, or None; and whether events or a page would do as well."""

    media_type: str | None
    events: bool
    html: bool


def accepted(header: bytes) -> Accepted:
    """Judge an Accept header."""
    return _kept(header) if len(header) <= KEPT_LENGTH_MAX else _judged(header)


def _judged(header: bytes) -> Accepted:
    ranges = parts(header)
    if not ranges:
        return Accepted(JSON, events=False, html=False)
    # Events only for who names them: a client that takes anything does not expect an answer that never ends.
    named = {one.name: one for one in ranges if one.quality > 0}
    offers = [_matching(ranges, media_type) for media_type in (JSON, GRAPHQL)]
    candidates = [(one, media_type) for one, media_type in zip(offers, (JSON, GRAPHQL), strict=True) if one is not None]
    if EVENTS in named:
        candidates.append((named[EVENTS], EVENTS))
    best = max(candidates, key=lambda one: (one[0].quality, -one[0].place), default=None)
    return Accepted(best[1] if best else None, events=EVENTS in named, html=HTML in named)


_kept = lru_cache(KEPT_MAX)(_judged)


def _matching(ranges: list[Range], media_type: str) -> Range | None:
    """The most specific part that speaks of a media type, unless it refuses it."""
    for name in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        for one in ranges:
            if one.name == name:
                return one if one.quality > 0 else None
    return None


def parts(header: bytes) -> list[Range]:
    """The parts of a header such as Accept or Accept-Encoding, in their order; one that is refused has quality 0."""
    found = []
    for place, part in enumerate(header.decode("latin-1").split(",")[:PARTS_MAX]):
        name, *options = (piece.strip().lower() for piece in part.split(";"))
        if name:
            found.append(Range(name, _quality(options), place))
    return found


def _quality(options: list[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                return min(max(float(option[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
