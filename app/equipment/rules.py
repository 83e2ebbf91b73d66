"""What is true of equipment: the lifecycle of a device, its place in the tree of categories, its specifications."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from app.kernel.errors import InvalidInput
from app.kernel.lifecycle import Lifecycle

LIFESPAN_MONTHS_MAX = 1200
CATEGORY_DEPTH_MAX = 8
SPECIFICATIONS_MAX = 100
SPECIFICATION_NAME_LENGTH_MAX = 80
SPECIFICATION_TEXT_LENGTH_MAX = 1000
SPECIFICATION_NUMBER_MAX = 2**53  # what every JSON reader keeps exactly; infinities and NaN are beyond it
BATCH_SIZE_MAX = 200

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")

Specifications = dict[str, str | int | float | bool | None]


class EquipmentStatus(StrEnum):
    """Whether a device does its work."""

    OPERATIONAL = "OPERATIONAL"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    RETIRED = "RETIRED"


S = EquipmentStatus

# What needs help first.
BY_NEED = (S.DOWN, S.DEGRADED, S.OPERATIONAL, S.RETIRED)

# A retired device stays retired, with its history: one that is put to use again is registered again.
EQUIPMENT_LIFECYCLE: Lifecycle[EquipmentStatus] = Lifecycle(
    "piece of equipment",
    {
        S.OPERATIONAL: frozenset({S.DEGRADED, S.DOWN, S.RETIRED}),
        S.DEGRADED: frozenset({S.OPERATIONAL, S.DOWN, S.RETIRED}),
        S.DOWN: frozenset({S.OPERATIONAL, S.DEGRADED, S.RETIRED}),
        S.RETIRED: frozenset(),
    },
)


def require_lifespan(months: int | None) -> int | None:
    """How long things of a kind are expected to last, if anybody knows."""
    if months is not None and not 1 <= months <= LIFESPAN_MONTHS_MAX:
        raise InvalidInput(f"A lifespan is 1 to {LIFESPAN_MONTHS_MAX} months.", path=["lifespanMonths"])
    return months


def require_tree(id: str, parent_id: str | None, parents: Mapping[str, str | None]) -> None:
    """A category under this parent is neither its own ancestor nor too deep. ``parents``: id → parent of all others."""
    above, step = 1, parent_id
    while step is not None:
        if step == id:
            raise InvalidInput("A category cannot lie within itself.", path=["parentId"])
        above, step = above + 1, parents.get(step)
    if above + _height(id, parents) > CATEGORY_DEPTH_MAX:
        raise InvalidInput(f"Categories nest {CATEGORY_DEPTH_MAX} levels deep at most.", path=["parentId"])


def _height(id: str, parents: Mapping[str, str | None]) -> int:
    """How many levels lie below a category."""
    below = [child for child, parent in parents.items() if parent == id]
    return max((1 + _height(child, parents) for child in below), default=0)


def require_specifications(values: object) -> Specifications:
    """Named values such as ``{"refrigerant": "R-32", "capacity_kw": 3.5}``: flat, and of a sensible size."""
    if not isinstance(values, Mapping):
        raise InvalidInput("Specifications are an object of named values.", path=["specifications"])
    if len(values) > SPECIFICATIONS_MAX:
        raise InvalidInput(f"At most {SPECIFICATIONS_MAX} specifications.", path=["specifications"])
    checked: Specifications = {}
    for name, value in values.items():
        cleaned = str(name).strip()
        if not 1 <= len(cleaned) <= SPECIFICATION_NAME_LENGTH_MAX or _UNPRINTABLE.search(cleaned):
            raise InvalidInput(
                f"A specification's name has 1 to {SPECIFICATION_NAME_LENGTH_MAX} characters.",
                path=["specifications"],
            )
        checked[cleaned] = _checked_value(cleaned, value)
    return checked


def _checked_value(name: str, value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= SPECIFICATION_NUMBER_MAX:
        return value
    if isinstance(value, str) and len(value) <= SPECIFICATION_TEXT_LENGTH_MAX and not _UNPRINTABLE.search(value):
        return value
    raise InvalidInput(
        f"A specification is a number, true, false or a text of at most {SPECIFICATION_TEXT_LENGTH_MAX} characters.",
        path=["specifications", name],
    )
