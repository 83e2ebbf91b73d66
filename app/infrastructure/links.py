"""Where people reach us from outside: the start of every link that is sent, and the name that browsers bind security keys to.

It comes from the settings, never from a request: whoever sends a request chooses its ``Host``.
"""

from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit

_address = "http://127.0.0.1:8000"
_origins: tuple[str, ...] = ()


def configure(address: str, other_origins: Iterable[str] = ()) -> None:
    """Begin links with this address from now on; pages of the other origins may use security keys, too."""
    global _address, _origins
    _address, _origins = address.rstrip("/"), tuple(other_origins)


def link(path: str, fragment: dict[str, str] | None = None) -> str:
    """A link to a page of ours. What the fragment says, such as a secret, stays in the browser and out of every log."""
    return f"{_address}{path}" + (f"#{urlencode(fragment)}" if fragment else "")


def host() -> str:
    """The name under which we are reached."""
    return urlsplit(_address).hostname or ""


def origins() -> list[str]:
    """The origins of all pages that are ours or may call us."""
    parts = urlsplit(_address)
    return [f"{parts.scheme}://{parts.netloc}", *_origins]
