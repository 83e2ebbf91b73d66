"""The API of customers, technicians and equipment, asked without HTTP."""

from typing import Any

import schema.customers.operations
import schema.equipment.operations
import schema.technicians.operations
from app.kernel.actor import Actor
from schema.kit import Context, build_schema, execute, plain_data

API = build_schema([schema.customers.operations, schema.technicians.operations, schema.equipment.operations])


async def asked(actor: Actor | None, document: str, **variables: Any) -> dict[str, Any]:
    """The whole answer, errors included."""
    return plain_data(await execute(API, document, variables, None, Context(actor)))


async def data(actor: Actor, document: str, **variables: Any) -> Any:
    """The data of an answer without errors."""
    answer = await asked(actor, document, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


async def done(actor: Actor, name: str, input: dict[str, Any], fields: str, noun: str) -> Any:
    """What a mutation made, when nothing kept it from it."""
    payload = await sent(actor, name, input, f"{noun} {{ {fields} }}")
    assert payload["errors"] == []
    assert payload["cursor"] is not None
    return payload[noun]


async def sent(actor: Actor, name: str, input: dict[str, Any], fields: str) -> Any:
    """A mutation's payload."""
    type_name = name[0].upper() + name[1:] + "Input"
    document = f"mutation($input: {type_name}!) {{ {name}(input: $input) {{ {fields} cursor errors {{ code message path }} }} }}"
    return (await data(actor, document, input=input))[name]


def codes(answer: dict[str, Any]) -> list[str]:
    """The codes of an answer's errors."""
    return [error["extensions"]["code"] for error in answer.get("errors", [])]
