"""Names for signing in: made by the organization's convention, one person's in the organization. Pure.

A name alone does not say which organization it is of, and two may have the same. So one signs in with ``name@domain``, where
the domain is what the organization chose (``login_domain``, one organization's in the installation, and never with a dot, so
that it cannot be taken for an e-mail address). The e-mail address always works as well.
"""

import re
import unicodedata

from app.kernel.errors import InvalidInput

NAME_LENGTH_MAX = 40
KEPT = 34  # letters of a long name that stay whatever number follows
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])")
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i"})


def require_username(name: str, path: str = "username") -> str:
    """A name that can be typed anywhere, in small letters."""
    cleaned = name.strip().lower()
    if not _NAME.fullmatch(cleaned):
        raise InvalidInput(
            f"A user name has 1 to {NAME_LENGTH_MAX} letters a to z, digits, dots, hyphens and underscores, and begins and "
            "ends with a letter or digit.",
            path=[path],
        )
    return cleaned


def require_login_domain(domain: str) -> str:
    """What stands behind the @ of a user name. It has no dot: with one it could be somebody's mail domain."""
    cleaned = domain.strip().lower()
    if not _DOMAIN.fullmatch(cleaned):
        raise InvalidInput("A login domain has 2 to 40 letters a to z, digits and hyphens.", path=["loginDomain"])
    return cleaned


def proposed_name(email: str, legal_name: str, employee_number: str | None = None) -> str:
    """What somebody is called for signing in, before it is known whether it is taken: by the employee number where that is
    asked for, else by initial and surname."""
    if number := _plain(employee_number or ""):
        return number
    words = [word for word in (_plain(one) for one in legal_name.split()) if word]
    if not words:
        return _plain(email.partition("@")[0]) or "user"
    return (words[0][0] + words[-1] if len(words) > 1 else words[0])[:NAME_LENGTH_MAX]


def first_free(name: str, taken: frozenset[str]) -> str:
    """The name, or with the first number from 2 on that nobody of those has."""
    if name not in taken:
        return name
    number = 2
    while (numbered := f"{name[: NAME_LENGTH_MAX - len(str(number))]}{number}") in taken:
        number += 1
    return numbered


def split_login(login: str) -> tuple[str, str]:
    """A login as user name and domain; both are empty when it is none of that kind."""
    name, _, domain = login.rpartition("@")
    return (name, domain) if name and domain and "." not in domain else ("", "")


def as_login(username: str | None, login_domain: str | None) -> str | None:
    """What one signs in with by a user name, if one can."""
    return f"{username}@{login_domain}" if username and login_domain else None


def _plain(word: str) -> str:
    """A word in the letters that a user name may have."""
    bare = unicodedata.normalize("NFKD", word.lower().translate(_LETTERS))
    return re.sub(r"[^a-z0-9]", "", bare)[:NAME_LENGTH_MAX]
