"""How texts are compared by people: without regard to case, and by their words.

SQLite calls these functions from its statements; PostgreSQL has the same in ``upper`` and in functions of its own.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_LATIN_WITH_MARKS = re.compile(r"([a-zA-Z\u00c0-\u024f])[\u0300-\u036f]+")
_WORD = re.compile(r"[^\W_]+")
_RANKS = (16, 8, 4, 2)


def folded(text: str) -> str:
    """The form in which texts that differ by case only are the same: École and ÉCOLE, straße and STRASSE."""
    return text.upper()


def words_of(text: str) -> list[str]:
    """The words of a text as a search sees them: letters and digits, in lower case, Latin ones without accents."""
    return _WORD.findall(_bare(text))


def place_of(text: str, beginnings: Sequence[str]) -> int | None:
    """Which part of a text, split at its spaces, has the first word that begins as one of some words; None if there is none."""
    bare = _bare(text)
    wanted = tuple(beginnings)
    starts = (found.start() for found in _WORD.finditer(bare) if found[0].startswith(wanted))
    start = next(starts, None)
    return None if start is None else len(bare[: start + 1].split()) - 1


def search_rank(query: str, *columns: str) -> int:
    """How well a text is answered by columns, the weightiest first: each word counts where it stands best.

    A whole word counts twice as much as a beginning, and each column half as much as the one before it.
    """
    best = dict.fromkeys(_words_once(query), 0)
    for weight, column in zip(_RANKS, columns, strict=False):
        bare, words = _bare(column), None
        for word, rank in best.items():
            # Most columns do not have the word, and the others are looked at closely.
            if rank < weight and word in bare:
                words = _WORD.findall(bare) if words is None else words
                if word in words:
                    best[word] = weight
                elif any(one.startswith(word) for one in words):
                    best[word] = max(rank, weight // 2)
    return sum(best[word] for word in _words_once(query))


@lru_cache(maxsize=64)
def _words_once(query: str) -> tuple[str, ...]:
    return tuple(words_of(query))


def _bare(text: str) -> str:
    if text.isascii():
        return text.lower()
    stripped = _LATIN_WITH_MARKS.sub(r"\1", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", stripped).lower()
