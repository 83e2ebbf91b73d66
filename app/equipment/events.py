"""What happens to equipment. ``changes`` holds every audited field before and after."""

from dataclasses import dataclass
from typing import ClassVar

from app.kernel.events import Fact


@dataclass(frozen=True, kw_only=True)
class CategoryCreated(Fact):
    """A kind of equipment was added."""

    noun: ClassVar[str] = "equipment category"


@dataclass(frozen=True, kw_only=True)
class CategoryUpdated(Fact):
    """A kind of equipment was renamed, moved in the tree or given another lifespan."""

    noun: ClassVar[str] = "equipment category"


@dataclass(frozen=True, kw_only=True)
class EquipmentModelCreated(Fact):
    """A product was added."""

    noun: ClassVar[str] = "equipment model"


@dataclass(frozen=True, kw_only=True)
class EquipmentModelUpdated(Fact):
    """A product's details changed."""

    noun: ClassVar[str] = "equipment model"


@dataclass(frozen=True, kw_only=True)
class EquipmentRegistered(Fact):
    """A device was added to what we look after."""

    noun: ClassVar[str] = "equipment"


@dataclass(frozen=True, kw_only=True)
class EquipmentUpdated(Fact):
    """A device's details changed, or it was moved."""

    noun: ClassVar[str] = "equipment"


@dataclass(frozen=True, kw_only=True)
class EquipmentStatusChanged(Fact):
    """A device failed, recovered or got worse."""

    noun: ClassVar[str] = "equipment"
    reason: str


@dataclass(frozen=True, kw_only=True)
class EquipmentRetired(Fact):
    """A device is out of use for good; its history stays."""

    noun: ClassVar[str] = "equipment"
    reason: str
