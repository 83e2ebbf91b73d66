"""What happens to technicians. Each names the technician it is about, who hears of it too."""

from dataclasses import dataclass
from typing import ClassVar

from app.kernel.events import Fact


@dataclass(frozen=True, kw_only=True)
class SkillCreated(Fact):
    """A skill can be held and asked for."""

    noun: ClassVar[str] = "skill"


@dataclass(frozen=True, kw_only=True)
class SkillUpdated(Fact):
    """A skill was renamed."""

    noun: ClassVar[str] = "skill"


@dataclass(frozen=True, kw_only=True)
class TechnicianCreated(Fact):
    """Somebody became a technician."""

    noun: ClassVar[str] = "technician"
    number: str


@dataclass(frozen=True, kw_only=True)
class TechnicianUpdated(Fact):
    """A technician's details changed."""

    noun: ClassVar[str] = "technician"


@dataclass(frozen=True, kw_only=True)
class TechnicianCostsUpdated(Fact):
    """What a technician costs changed: for the office, so it is not scoped to the technician."""

    noun: ClassVar[str] = "technician"


@dataclass(frozen=True, kw_only=True)
class TechnicianDeactivated(Fact):
    """A technician left and gets no more work."""

    noun: ClassVar[str] = "technician"


@dataclass(frozen=True, kw_only=True)
class TechnicianReactivated(Fact):
    """A technician is back."""

    noun: ClassVar[str] = "technician"


@dataclass(frozen=True, kw_only=True)
class TechnicianSkillsChanged(Fact):
    """What a technician can do changed."""

    noun: ClassVar[str] = "technician"


@dataclass(frozen=True, kw_only=True)
class TechnicianStatusChanged(Fact):
    """A technician went on or off duty, set out, began, paused or finished."""

    noun: ClassVar[str] = "technician"


@dataclass(frozen=True, kw_only=True)
class ShiftCreated(Fact):
    """A technician is to work at a time."""

    noun: ClassVar[str] = "shift"
    technician_id: str


@dataclass(frozen=True, kw_only=True)
class ShiftUpdated(Fact):
    """A shift's times changed."""

    noun: ClassVar[str] = "shift"
    technician_id: str


@dataclass(frozen=True, kw_only=True)
class ShiftDeleted(Fact):
    """A shift is no more."""

    noun: ClassVar[str] = "shift"
    technician_id: str


@dataclass(frozen=True, kw_only=True)
class AbsenceCreated(Fact):
    """A technician will be away."""

    noun: ClassVar[str] = "absence"
    technician_id: str


@dataclass(frozen=True, kw_only=True)
class AbsenceUpdated(Fact):
    """An absence changed."""

    noun: ClassVar[str] = "absence"
    technician_id: str


@dataclass(frozen=True, kw_only=True)
class AbsenceDeleted(Fact):
    """A technician will not be away after all."""

    noun: ClassVar[str] = "absence"
    technician_id: str
