"""HTML by construction: whatever is not ``Markup`` already is escaped on its way in."""

import re
from collections.abc import Iterable
from html import escape
from typing import TypeAlias

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_CODE = re.compile(r"`([^`\n]+)`")
_TOKEN = re.compile(
    r'(?P<comment>#.*)|(?P<string>"(?:\\.|[^"\\])*")|(?P<variable>\$\w+)|(?P<directive>@\w+)'
    r"|(?P<keyword>\b(?:query|mutation|subscription|fragment|on|true|false|null)\b)|(?P<number>-?\b\d[\d.]*\b)"
    r"|(?P<label>\b\w+(?=\s*:))|(?P<word>\b[A-Z]\w*)"
)


class Markup(str):
    """HTML that is safe to write as it is."""

    __slots__ = ()


Content: TypeAlias = str | Iterable["Content"] | None


def html(content: Content) -> Markup:
    """Content as HTML: texts escaped, markup as it is, nothing for None."""
    if content is None:
        return Markup()
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(escape(content))
    return Markup("".join(html(one) for one in content))


def tag(name: str, /, *content: Content, **attributes: str | bool | None) -> Markup:
    """An element. ``class_`` is the attribute class, ``_`` is ``-``; an attribute that is None or False is left out."""
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{html(content)}</{name}>")


def prose(text: str | None) -> Markup:
    """A description: paragraphs, with words between backticks as code."""
    paragraphs = (one for one in (text or "").split("\n\n") if one.strip())
    return html([tag("p", words(one)) for one in paragraphs])


def words(text: str) -> Markup:
    """One run of text, with words between backticks as code."""
    return html([tag("code", part) if number % 2 else part for number, part in enumerate(_CODE.split(text))])


def colored(text: str) -> Markup:
    """GraphQL or JSON with its words marked for the style sheet."""
    parts: list[Content] = []
    end = 0
    for found in _TOKEN.finditer(text):
        parts.append(text[end : found.start()])
        parts.append(tag("span", found[0], class_=f"t-{found.lastgroup}"))
        end = found.end()
    return html([*parts, text[end:]])
