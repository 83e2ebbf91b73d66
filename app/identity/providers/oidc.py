"""OpenID Connect as a provider speaks it: where its doors are, what its keys are, and whether a token of its is one."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.infrastructure import http_client
from app.infrastructure.http_client import Answer, OutboundError
from app.kernel.errors import Problem

METADATA_PATH = "/.well-known/openid-configuration"
KEPT_SECONDS = 600.0
KEPT_MAX = 1000
LEEWAY_SECONDS = 60
SUBJECT_LENGTH_MAX = 255
# Signed with a key that only the provider has: never "none", and never a key that we have as well.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderRefused(Problem):
    """The provider did not say who somebody is, or not so that we believe it."""

    code = "PROVIDER_REFUSED"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where a provider's doors are."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    posts_secret: bool
    """Whether the client's secret goes into the form, instead of a header."""


@dataclass(slots=True)
class _Kept:
    value: Any
    until: float


_kept: dict[str, _Kept] = {}


def forget() -> None:
    """Ask every provider anew the next time."""
    _kept.clear()


async def metadata_of(issuer: str) -> Metadata:
    """What a provider says of itself. It must be the issuer that it was asked as, to the letter."""
    found = await _document(issuer.rstrip("/") + METADATA_PATH)
    if found.get("issuer") != issuer:
        raise ProviderRefused("The provider says that it is another one: its issuer differs.")
    doors = {name: found.get(name) for name in ENDPOINTS}
    if not all(isinstance(door, str) and door for door in doors.values()):
        raise ProviderRefused("The provider does not say where to sign in.")
    methods = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    posts = isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
    return Metadata(issuer=issuer, posts_secret=posts, **{name: str(door) for name, door in doors.items()})


async def exchange(metadata: Metadata, client_id: str, secret: str | None, form: Mapping[str, str]) -> str:
    """The token that says who somebody is, for the provider's code."""
    fields, headers = {**form, "client_id": client_id}, {"accept": "application/json"}
    if secret is not None and metadata.posts_secret:
        fields["client_secret"] = secret
    elif secret is not None:
        both = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
        headers["authorization"] = "Basic " + base64.b64encode(both.encode()).decode()
    answer = await _asked("POST", metadata.token_endpoint, headers=headers, form=fields)
    said = _read(answer)
    token = said.get("id_token")
    if answer.status != 200 or not isinstance(token, str):
        raise ProviderRefused("The provider did not accept its own code.")
    return token


async def claims_of(metadata: Metadata, token: str, client_id: str, nonce: str) -> Mapping[str, Any]:
    """What a token says, when it is the provider's, for us, for this sign-in, and of now; else ``ProviderRefused``."""
    from joserfc import jwt  # it takes a fifth of a second to load, and most processes never need it
    from joserfc.errors import JoseError

    try:
        claims = await _signed_claims(metadata, token)
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(time.time()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": metadata.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        registry.validate(dict(claims))
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as wrong:
        raise ProviderRefused("The provider's answer cannot be believed.") from wrong
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != client_id:
        raise ProviderRefused("The provider's answer is for somebody else.")
    if claims.get("azp") not in (None, client_id):
        raise ProviderRefused("The provider's answer is for somebody else.")
    if not 1 <= len(claims["sub"]) <= SUBJECT_LENGTH_MAX or not claims["sub"].isprintable():
        raise ProviderRefused("The provider does not say who it is.")
    return claims


async def _signed_claims(metadata: Metadata, token: str) -> Mapping[str, Any]:
    """The claims of a token that one of the provider's keys signed. Keys that are not known are asked for once more."""
    from joserfc import jwt
    from joserfc.errors import JoseError

    try:
        return jwt.decode(token, _key_set(await _document(metadata.jwks_uri)), algorithms=ALGORITHMS).claims
    except (JoseError, ValueError) as unknown:
        kept = _kept.get(metadata.jwks_uri)
        if kept is None or kept.until - KEPT_SECONDS > time.monotonic() - 10:
            raise unknown
        del _kept[metadata.jwks_uri]
    return jwt.decode(token, _key_set(await _document(metadata.jwks_uri)), algorithms=ALGORITHMS).claims


def _key_set(document: Mapping[str, Any]) -> Any:
    """The provider's public keys. A shared secret is none, and neither is one for another use."""
    from joserfc.jwk import KeySet

    keys = document.get("keys")
    usable = [one for one in keys if _is_public(one)] if isinstance(keys, list) else []
    if not usable:
        raise ValueError("no keys")
    return KeySet.import_key_set({"keys": usable})


def _is_public(key: object) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC") and key.get("use") in (None, "sig")


async def _document(url: str) -> dict[str, Any]:
    """A document of a provider, kept for ten minutes."""
    kept = _kept.get(url)
    if kept is None or kept.until < time.monotonic():
        answer = await _asked("GET", url, headers={"accept": "application/json"})
        if answer.status != 200:
            raise ProviderRefused("The provider does not say where to sign in.")
        if len(_kept) >= KEPT_MAX:
            _kept.clear()
        kept = _kept[url] = _Kept(_read(answer), time.monotonic() + KEPT_SECONDS)
    found: dict[str, Any] = kept.value
    return found


async def _asked(method: str, url: str, **more: Any) -> Answer:
    try:
        return await http_client.outside().send(method, url, **more)
    except OutboundError as wrong:
        raise ProviderRefused("The provider cannot be reached.") from wrong


def _read(answer: Answer) -> dict[str, Any]:
    try:
        said = answer.json()
    except OutboundError as wrong:
        raise ProviderRefused("The provider's answer cannot be read.") from wrong
    if not isinstance(said, dict):
        raise ProviderRefused("The provider's answer cannot be read.")
    return said
