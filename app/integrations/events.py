"""What happens to imports."""

from dataclasses import dataclass

from app.kernel.events import Fact


@dataclass(frozen=True, kw_only=True)
class ImportFinished(Fact):
    """A file was read to its end. What it changed is told by the customers' and work orders' own facts."""

    noun = "import"
    mapping: str
    file_name: str
    created: int
    updated: int
    unchanged: int
    failed: int
