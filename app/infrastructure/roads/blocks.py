"""Which rectangles of a table to ask for, so that what is missing comes with few and not too large requests."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Scattered gaps are asked for with what lies between them: more answers are cheaper than more requests.
RECTANGLES_MAX = 8


@dataclass(frozen=True, slots=True)
class Block:
    """Ways from each of some places to each of others, by their positions."""

    sources: tuple[int, ...]
    targets: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sources) * len(self.targets)

    @property
    def places(self) -> tuple[int, ...]:
        """All places, each once."""
        return tuple(dict.fromkeys((*self.sources, *self.targets)))

    def halves(self) -> "tuple[Block, Block]":
        """Two blocks, cut across the longer side."""
        if len(self.sources) >= len(self.targets):
            cut = len(self.sources) // 2
            return Block(self.sources[:cut], self.targets), Block(self.sources[cut:], self.targets)
        cut = len(self.targets) // 2
        return Block(self.sources, self.targets[:cut]), Block(self.sources, self.targets[cut:])

    def without(self, places: Sequence[int]) -> "Block":
        """The block without some places."""
        gone = frozenset(places)
        return Block(
            tuple(one for one in self.sources if one not in gone), tuple(one for one in self.targets if one not in gone)
        )


def blocks_of(missing: Mapping[int, Sequence[int]], places_max: int) -> list[Block]:
    """Blocks that cover what is missing, ``source: targets``, with at most so many places on each side."""
    same = Counter(tuple(targets) for targets in missing.values())
    rectangles: dict[tuple[int, ...], list[int]] = {}
    for source, targets in missing.items():
        if targets:
            # Nobody misses the way to themselves. Asked for along with the rest, it makes whole tables one rectangle.
            alike = tuple(targets) if same[tuple(targets)] > 1 else tuple(sorted({*targets, source}))
            rectangles.setdefault(alike, []).append(source)
    if len(rectangles) > RECTANGLES_MAX:
        union = tuple(sorted({target for targets in rectangles for target in targets}))
        rectangles = {union: [source for source, targets in missing.items() if targets]}
    return [
        Block(tuple(sources[row : row + places_max]), targets[column : column + places_max])
        for targets, sources in rectangles.items()
        for row in range(0, len(sources), places_max)
        for column in range(0, len(targets), places_max)
    ]
