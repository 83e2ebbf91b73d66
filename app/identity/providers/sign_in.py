"""The way from a page to an identity provider and back, up to the code that the page changes into a session."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import structlog

from app.identity import attempts, models, rules
from app.identity.providers import accounts, oidc
from app.identity.providers.oidc import ProviderRefused
from app.infrastructure import encryption, links, tokens
from app.infrastructure.command import idempotency_key
from app.infrastructure.conditions import column
from app.infrastructure.tables import add_row, find_rows
from app.kernel.actor import system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotAuthenticated, NotFound, Problem

STATE, BROWSER, CODE = "trs", "trb", "tro"
RETURN_LENGTH_MAX = 500
ENDED = "This sign-in took too long or was not begun here. Begin again."
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the cookie by which it is known when it comes back."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where the browser goes on to: the page, with a code behind its ``#``, or with what went wrong."""

    url: str


def callback_of(provider_id: str) -> str:
    """Where a provider sends people back to. Each has its own, so that none can answer for another."""
    return links.link(f"/auth/oidc/{provider_id}/callback")


async def depart(provider_id: str, page_challenge: str, return_to: str | None) -> Departure:
    """Begin a sign-in at a provider. ``page_challenge`` is the SHA-256, base64url, of a secret that the page keeps."""
    if not _CHALLENGE.fullmatch(page_challenge):
        raise InvalidInput("The challenge is the SHA-256 of the page's secret, base64url.", path=["challenge"])
    back = _require_ours(return_to or links.link("/"))
    provider = await _provider(provider_id)
    metadata = await oidc.metadata_of(provider.issuer)
    state, browser = tokens.new_token(STATE), tokens.new_token(BROWSER)

    async def note() -> None:
        await add_row(
            models.ProviderSignIn,
            organization_id=provider.organization_id,
            provider_id=provider.id,
            state_hash=tokens.hash_token(state),
            browser_hash=tokens.hash_token(browser),
            page_challenge=page_challenge,
            return_to=back,
            expires_at=utc_now() + rules.CHALLENGE_LASTS,
        )

    await attempts.saved(note)
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": callback_of(provider.id),
        "scope": "openid email profile",
        "state": state,
        "nonce": _derived(browser, "nonce"),
        "code_challenge": s256(_derived(browser, "verifier")),
        "code_challenge_method": "S256",
    }
    glue = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
    return Departure(metadata.authorization_endpoint + glue + urlencode(asked), browser)


async def arrive(provider_id: str, *, state: str, code: str | None, issuer: str | None, browser: str | None) -> Arrival:
    """Come back from a provider. Whoever did not begin here, in this browser, hears ``NotAuthenticated``."""
    if browser is None or not tokens.is_token(state, STATE) or not tokens.is_token(browser, BROWSER):
        raise NotAuthenticated(ENDED)
    provider = await _provider(provider_id)
    sign_in = await _returning(provider, state, browser)
    try:
        if code is None:
            raise ProviderRefused("The provider did not let you in.")
        if issuer is not None and issuer != provider.issuer:
            raise ProviderRefused("The answer is of another provider.")
        metadata = await oidc.metadata_of(provider.issuer)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback_of(provider.id),
            "code_verifier": _derived(browser, "verifier"),
        }
        secret = encryption.opened(provider, "client_secret")
        token = await oidc.exchange(metadata, provider.client_id, secret, form)
        claims = await oidc.claims_of(metadata, token, provider.client_id, _derived(browser, "nonce"))
        with idempotency_key(None):
            user_id = await accounts.know_again(system_actor(provider.organization_id), provider.id, claims)
    except Problem as refused:
        log.warning("sign-in by a provider refused", provider=provider.id, why=refused.message)
        return turned_back(sign_in.return_to, refused)
    ours = tokens.new_token(CODE)

    async def note() -> None:
        await models.ProviderSignIn.filter(id=sign_in.id).update(
            user_id=user_id, code_hash=tokens.hash_token(ours), code_expires_at=utc_now() + rules.PROVIDER_CODE_LASTS
        )

    await attempts.saved(note)
    return Arrival(_behind(sign_in.return_to, {"signInCode": ours}))


def turned_back(return_to: str | None, problem: Problem) -> Arrival:
    """Back to the page with a sentence that says what went wrong."""
    return Arrival(_behind(_require_ours(return_to or links.link("/")), {"signInProblem": problem.message}))


async def redeem(code: str, page_secret: str) -> tuple[models.User, models.IdentityProvider]:
    """Whom a code of ours is for, and who said so. It is good once, for a minute, for the page that began."""
    found = []
    if tokens.is_token(code, CODE):
        found = await find_rows(models.ProviderSignIn, column("code_hash") == tokens.hash_token(code))
    if not found:
        raise NotAuthenticated(ENDED)
    row = found[0]

    async def spend() -> int:
        return await models.ProviderSignIn.filter(id=row.id, spent_at=None).update(spent_at=utc_now())

    # Whoever shows a code without the page's secret has it from an address: it is spent all the same.
    spent = await attempts.saved(spend)
    fits = hmac.compare_digest(row.page_challenge, s256(page_secret))
    if spent != 1 or not fits or row.code_expires_at is None or row.code_expires_at <= utc_now():
        raise NotAuthenticated(ENDED)
    provider = await _provider(row.provider_id)
    users = await find_rows(models.User, column("id") == row.user_id)
    if not users or users[0].status != rules.UserStatus.ACTIVE:
        raise NotAuthenticated(ENDED)
    return users[0], provider


async def forget_old() -> int:
    """Delete the ways that are over; how many."""
    return await models.ProviderSignIn.filter(expires_at__lt=utc_now() - rules.UNCONFIRMED_KEPT).delete()


def s256(secret: str) -> str:
    """The hash of a secret as PKCE has it."""
    digest = hashlib.sha256(secret.encode("utf-8", "replace")).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


async def _provider(id: str) -> models.IdentityProvider:
    found = await find_rows(models.IdentityProvider, column("id") == id)
    if not found or not found[0].is_active:
        raise NotFound(models.IdentityProvider.noun, id[:60], path=["provider"])
    return found[0]


async def _returning(provider: models.IdentityProvider, state: str, browser: str) -> models.ProviderSignIn:
    """The sign-in of a state, once, and only in the browser in which it began."""
    same = (column("state_hash") == tokens.hash_token(state)) & (column("provider_id") == provider.id)
    found, now = await find_rows(models.ProviderSignIn, same), utc_now()
    if not found or found[0].expires_at <= now or found[0].browser_hash != tokens.hash_token(browser):
        raise NotAuthenticated(ENDED)

    async def note() -> int:
        return await models.ProviderSignIn.filter(id=found[0].id, returned_at=None).update(returned_at=now)

    if await attempts.saved(note) != 1:
        raise NotAuthenticated(ENDED)
    return found[0]


def _derived(browser: str, purpose: str) -> str:
    """What is said to the provider: made of the browser's cookie, so that it is kept nowhere."""
    digest = hmac.digest(browser.encode(), purpose.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _require_ours(address: str) -> str:
    """A page to come back to: ours, or one of those that may call us."""
    parts = urlsplit(address)
    if f"{parts.scheme}://{parts.netloc}" not in links.origins() or len(address) > RETURN_LENGTH_MAX or parts.fragment:
        raise InvalidInput("One comes back to a page of ours only.", path=["returnTo"])
    return address


def _behind(address: str, said: dict[str, str]) -> str:
    return f"{address}#{urlencode(said)}"
