"""Python values as the client asked for them: functions made once for a type and a selection, called for each value."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLList, GraphQLNonNull, is_leaf_type

from schema.kit.reading.selection import Pick, Selection, python_name

Show = Callable[[Any], Any]
_AS_THEY_ARE = {"String": str, "ID": str, "Boolean": bool}
INT_MAX = 2**31 - 1


def shower(pick: Pick) -> Show:
    """What makes of a computed field's value what its type shows, and of an object only what is asked."""
    if pick.show is None:
        assert pick.field is not None
        pick.show = shower_of(pick.field.type, pick.selection)
    return pick.show


def shower_of(type: Any, selection: Selection | None) -> Show:
    """As ``shower``, for a type and what is asked of its objects."""
    if isinstance(type, GraphQLNonNull):
        return _there(shower_of(type.of_type, selection), type)
    if isinstance(type, GraphQLList):
        each = shower_of(type.of_type, selection)
        return lambda values: None if values is None else [each(value) for value in values]
    if is_leaf_type(type):
        return _leaf(type)
    assert selection is not None
    return _object(selection)


def _there(show: Show, type: Any) -> Show:
    def shown(value: Any) -> Any:
        found = show(value)
        if found is None:
            raise TypeError(f"a value of the type {type} must not be missing")
        return found

    return shown


def _leaf(type: Any) -> Show:
    plain, coerce = _AS_THEY_ARE.get(type.name), type.coerce_output_value
    if type.name == "Int":
        return lambda value: (
            value if value is None or (value.__class__ is int and -INT_MAX <= value <= INT_MAX) else coerce(value)
        )

    def shown(value: Any) -> Any:
        return value if value is None or value.__class__ is plain else coerce(value)

    return shown


def _object(selection: Selection) -> Show:
    literals = {pick.key: pick.literal for pick in selection.picks if pick.field is None}
    parts = [
        (pick.key, python_name(pick.field), pick.name, shower_of(pick.field.type, pick.selection))
        for pick in selection.picks
        if pick.field is not None
    ]
    order = [pick.key for pick in selection.picks]

    def shown(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, dict):
            made = {key: show(value.get(name, value.get(shown_name))) for key, name, shown_name, show in parts}
        else:
            made = {key: show(getattr(value, name)) for key, name, _, show in parts}
        if not literals:
            return made
        made |= literals
        return {key: made[key] for key in order}

    return shown
