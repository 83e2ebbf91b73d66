"""Facts: what happened, in the past tense. A room's ``events.py`` declares its own; the journal keeps them."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

FACTS: dict[str, type["Fact"]] = {}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that happened to one subject. Fields are plain JSON values; ``audience`` fields scope who hears it.

    ``changes`` maps a column's name to [before, after] for the columns that are audited: those of the subject's row, or of
    the row whose id is in the field that ``changes_of`` names. A ``confidential`` fact is for auditors alone: no feed, no
    subscription and no device is told of it.
    """

    noun: ClassVar[str] = ""
    changes_of: ClassVar[str | None] = None
    confidential: ClassVar[bool] = False

    subject_id: str
    customer_id: str | None = None
    technician_ids: tuple[str, ...] = ()
    changes: dict[str, list[Any]] = field(default_factory=dict)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__name__ in FACTS and FACTS[cls.__name__].__module__ != cls.__module__:
            raise TypeError(f"two facts are called {cls.__name__}")
        FACTS[cls.__name__] = cls

    @property
    def type(self) -> str:
        """The fact's name, as followers and subscribers know it."""
        return type(self).__name__

    def payload(self) -> dict[str, Any]:
        """The fields a subclass adds, and the changes: plain JSON."""
        scoping = {"subject_id", "customer_id", "technician_ids"}
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in scoping}
