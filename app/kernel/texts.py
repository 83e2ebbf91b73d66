"""How texts are compared by people: without regard to case, and by their words.

SQLite calls these functions from its statements; PostgreSQL has the same in ``upper`` and in functions of its own.
"""

import re
import unicodedata

_LATIN_WITH_MARKS = re.compile(r"([a-zA-Z\u00c0-\u024f])[\u0300-\u036f]+")
_WORD = re.compile(r"[^\W_]+")
_RANKS = (16, 8, 4, 2)


def folded(text: str) -> str:
    """The form in which texts that differ by case only are the same: École and ÉCOLE, straße and STRASSE."""
    return text.upper()


def words_of(text: str) -> list[str]:
    """The words of a text as a search sees them: letters and digits, in lower case, Latin ones without accents."""
    bare = _LATIN_WITH_MARKS.sub(r"\1", unicodedata.normalize("NFD", text))
    return _WORD.findall(unicodedata.normalize("NFC", bare).lower())


def search_rank(query: str, *columns: str) -> int:
    """How well a text is answered by columns, the weightiest first: each word counts where it stands best.

    A whole word counts twice as much as a beginning, and each column half as much as the one before it.
    """
    found = [words_of(column) for column in columns]
    return sum(_rank_of(word, found) for word in words_of(query))


def _rank_of(word: str, columns: list[list[str]]) -> int:
    best = 0
    for weight, words in zip(_RANKS, columns, strict=False):
        if word in words:
            return max(best, weight)
        if best < weight // 2 and any(one.startswith(word) for one in words):
            best = weight // 2
    return best
