"""What clients may hear: facts of the journal (``changed``, ``heard``) and the state of things (``watched``)."""

from schema.kit.live.audience import hears, start_of
from schema.kit.live.declaring import SUBSCRIPTIONS, Facts, Live, Pages, State, changed, heard, paged, watched

__all__ = [
    "SUBSCRIPTIONS",
    "Facts",
    "Live",
    "Pages",
    "State",
    "changed",
    "heard",
    "hears",
    "paged",
    "start_of",
    "watched",
]
