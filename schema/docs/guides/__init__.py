"""The guides: Markdown beside this file, in the order of their numbers, with the code's figures put in."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.kernel import pages
from schema import stability
from schema.docs.examples import sample
from schema.docs.markup import colored
from schema.kit import limits, measuring, sockets, weighing

FOLDER = Path(__file__).parent
FIGURES = {one.__name__.rpartition(".")[2]: one for one in (limits, measuring, pages, sockets, stability, weighing)}
CODE = frozenset({"graphql", "json"})
_FIGURE = re.compile(r"\{\{(\w+)\.(\w+)\}\}")
_PLACE = re.compile(r'"<([a-z]+(?: [^>"]*)?)>"')


@dataclass(frozen=True, slots=True)
class Guide:
    """A text for partners. Its first line is its title, its first paragraph says what it is about."""

    name: str
    text: str

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"guide/{self.name}.html"

    @property
    def title(self) -> str:
        """Its first line."""
        return self.text.partition("\n")[0].removeprefix("# ").strip()

    @property
    def summary(self) -> str:
        """Its first paragraph, in one line."""
        return " ".join(self.text.split("\n\n")[1].split()).replace("`", "").replace("**", "")

    @property
    def shown(self) -> str:
        """As readers see it: with made-up values where tests put real ones."""
        return _PLACE.sub(lambda found: json.dumps(sample(found[1])), self.text)

    def html(self) -> str:
        """As HTML; HTML in the text is shown, not used."""
        return markdown(self.shown)


@cache
def guides() -> tuple[Guide, ...]:
    """All guides, and the changelog where it is at hand."""
    found = [
        Guide(path.stem.partition("-")[2], figured(path.read_text(encoding="utf-8")))
        for path in sorted(FOLDER.glob("*.md"))
    ]
    changelog = FOLDER.parents[2] / "CHANGELOG.md"
    if changelog.exists():
        found.append(Guide("changelog", changelog.read_text(encoding="utf-8")))
    return tuple(found)


def figured(text: str) -> str:
    """The text with the code's own figures: ``{{limits.COST_MAX}}`` is what the limit is."""
    return _FIGURE.sub(lambda found: f"{getattr(FIGURES[found[1]], found[2]):,}", text)


def markdown(text: str) -> str:
    """Markdown as HTML, with raw HTML escaped and tables that scroll on small screens."""
    from markdown_it import MarkdownIt  # only for the few pages that are read as texts

    options = {"html": False, "highlight": lambda code, language, _: colored(code) if language in CODE else ""}
    made: str = MarkdownIt("commonmark", options).enable("table").render(text)
    return made.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
