"""Somebody who uses the demo company's API as a board or a phone would."""

from collections.abc import Callable
from typing import Any

from app.demo.company import PASSWORD
from app.infrastructure.http_client import HttpClient, OutboundError
from app.kernel.addresses import Declared

Tell = Callable[[str], None]
# What goes wrong on the way to an answer, or in one; tried again later.
TROUBLE = (OutboundError, KeyError, ValueError)
UNAUTHORIZED = 401
ANSWER_BYTES_MAX = 8 * 1024 * 1024


class Refused(Exception):
    """The API answered with a problem."""


class Client:
    """Somebody signed in. Signs in again when the session has ended, and waits when the server is away."""

    def __init__(self, url: str, login: str) -> None:
        self._url = f"{url.rstrip('/')}/graphql"
        self._http = HttpClient(Declared.of(url), timeout_seconds=30, answer_bytes_max=ANSWER_BYTES_MAX)
        self._login = login
        self._token: str | None = None

    async def close(self) -> None:
        """Hang up."""
        await self._http.close()

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer."""
        for _ in range(2):
            if self._token is None:
                await self._sign_in()
            response = await self._http.post(
                self._url,
                json={"query": document, "variables": variables},
                headers={"authorization": f"Bearer {self._token}"},
            )
            if response.status == UNAUTHORIZED:
                self._token = None
                continue
            answer = response.json()
            if answer.get("errors"):
                raise Refused(answer["errors"][0]["message"])
            data: dict[str, Any] = answer["data"]
            return data
        raise Refused("not signed in")

    async def do(self, mutation: str, selection: str = "", **input: Any) -> dict[str, Any]:
        """A mutation's payload."""
        name = mutation[0].upper() + mutation[1:]
        document = f"mutation($input: {name}Input!) {{ {mutation}(input: $input) {{ {selection} cursor errors {{ message }} }} }}"
        payload: dict[str, Any] = (await self.ask(document, input=input))[mutation]
        if payload["errors"]:
            raise Refused(f"{mutation}: {payload['errors'][0]['message']}")
        return payload

    async def _sign_in(self) -> None:
        document = (
            "mutation($input: LogInInput!) { logIn(input: $input) { signedIn { accessToken } errors { message } } }"
        )
        body = {"query": document, "variables": {"input": {"email": self._login, "password": PASSWORD}}}
        answer = (await self._http.post(self._url, json=body)).json()
        payload = answer["data"]["logIn"]
        if payload["errors"]:
            raise Refused(payload["errors"][0]["message"])
        self._token = payload["signedIn"]["accessToken"]
