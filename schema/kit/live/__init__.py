"""What clients may hear: facts of the journal (``changed``, ``heard``) and the state of things (``watched``)."""

from schema.kit.live.audience import hears, start_of
from schema.kit.live.declaring import SUBSCRIPTIONS, Facts, Live, State, changed, heard, watched

__all__ = ["SUBSCRIPTIONS", "Facts", "Live", "State", "changed", "heard", "hears", "start_of", "watched"]
