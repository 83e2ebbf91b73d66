"""The search over all kinds of things."""

from schema.kit import SIGNED_IN, found
from schema.search.types import KINDS, SearchPage


class Queries:
    """What clients may look for."""

    search: SearchPage = found(
        "Whatever has words that begin with each word of a text, of all kinds that you may see, the best answers first.",
        permission=SIGNED_IN,
        kinds=KINDS,
    )
