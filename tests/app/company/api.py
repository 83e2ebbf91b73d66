"""The API of company, identity and integrations, asked without HTTP."""

from typing import Any

import schema.company.operations
import schema.identity.factors
import schema.identity.operations
import schema.identity.providers
import schema.integrations.operations
from app.kernel.actor import Actor
from schema.kit import Context, build_schema, execute, plain_data

ROOMS = [
    schema.company.operations,
    schema.identity.operations,
    schema.identity.factors,
    schema.identity.providers,
    schema.integrations.operations,
]
API = build_schema(ROOMS)
ADDRESS = "203.0.113.7"


async def asked(actor: Actor | None, document: str, **variables: Any) -> dict[str, Any]:
    """The whole answer, errors included."""
    context = Context(actor, address=ADDRESS, user_agent="pytest")
    return plain_data(await execute(API, document, variables, None, context))


async def data(actor: Actor | None, document: str, **variables: Any) -> Any:
    """The data of an answer without errors."""
    answer = await asked(actor, document, **variables)
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


async def sent(actor: Actor | None, name: str, input: dict[str, Any], fields: str = "") -> Any:
    """A mutation's payload."""
    type_name = name[0].upper() + name[1:] + "Input"
    document = (
        f"mutation($input: {type_name}!) {{ {name}(input: $input) "
        f"{{ {fields} cursor errors {{ __typename code message path }} }} }}"
    )
    return (await data(actor, document, input=input))[name]


async def refused(actor: Actor | None, name: str, input: dict[str, Any]) -> str:
    """The code of the one problem that kept a mutation from doing anything."""
    payload = await sent(actor, name, input)
    assert payload["cursor"] is None
    [problem] = payload["errors"]
    return problem["code"]
