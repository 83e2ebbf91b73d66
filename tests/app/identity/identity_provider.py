"""An identity provider on loopback that speaks OpenID Connect: discovery, keys, and a door where codes become tokens."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.identity.providers.sign_in import s256

CLIENT, SECRET = "truckroll", "between us"
KEY = RSAKey.generate_key(2048, {"kid": "one"}, private=True)


@dataclass
class Provider:
    """What it says; ``token`` of a test makes it say something else."""

    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: KEY)
    person: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    forge: Any = None
    says: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def visit(self, address: str) -> dict[str, str]:
        """What a browser brings back from the provider's page: the query of the callback."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code" and query["client_id"] == CLIENT, query
        assert query["code_challenge_method"] == "S256", query
        code = f"code {len(self.codes)}"
        self.codes[code] = query
        return {"state": query["state"], "code": code, "iss": self.issuer}

    def claims(self, asked: dict[str, str]) -> dict[str, Any]:
        """What it says of the person."""
        now = int(time.time())
        who = {"sub": "ada", "email": "ada@lamp.example", "email_verified": True, "name": "Ada Lovelace"}
        return {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **who,
            **self.person,
        }

    def token(self, asked: dict[str, str]) -> str:
        """The token for a code."""
        if self.forge is not None:
            made: str = self.forge(self, self.claims(asked))
            return made
        return jwt.encode({"alg": "RS256", "kid": "one"}, self.claims(asked), self.key)

    async def discovery(self, request: Request) -> Response:
        """Where its doors are."""
        self.asked.append("discovery")
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.says,
            }
        )

    async def keys(self, request: Request) -> Response:
        """Its public keys."""
        self.asked.append("keys")
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def exchange(self, request: Request) -> Response:
        """A token for a code: once, for the client that has the secrets."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        is_client = request.headers.get("authorization", "").startswith("Basic ")
        if asked is None or not is_client or s256(form["code_verifier"]) != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"id_token": self.token(asked), "access_token": "x", "token_type": "Bearer"})


@asynccontextmanager
async def serving() -> AsyncIterator[Provider]:
    """A provider that listens on loopback while the block lasts."""
    provider = Provider()
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", provider.discovery),
            Route("/keys", provider.keys),
            Route("/token", provider.exchange, methods=["POST"]),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    provider.issuer = f"http://127.0.0.1:{port}"
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
