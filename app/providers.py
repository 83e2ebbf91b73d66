"""Signing in by identity providers over HTTP: where a page sends the browser, and where the provider sends it back to."""

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from app.identity.providers import sign_in
from app.identity.providers.oidc import ProviderRefused
from app.infrastructure import limits, links
from app.kernel.addresses import network_of
from app.kernel.errors import InvalidInput, NotAuthenticated, NotFound, Problem, RateLimited, Unavailable
from schema.kit.sessions import client_address

COOKIE = "truckroll_provider"
COOKIE_PATH = "/auth/oidc"
COOKIE_SECONDS = 600
STARTS_MAX = 30
STARTS_SECONDS = 60.0
HEADERS = {"cache-control": "no-store"}
STATUS: dict[type[Problem], int] = {
    InvalidInput: 400,
    NotAuthenticated: 400,
    NotFound: 404,
    RateLimited: 429,
    Unavailable: 503,
}

log = structlog.get_logger(__name__)


def routes(trusted_proxies: int) -> list[Route]:
    """``/auth/oidc/<provider>/start`` and ``/callback``."""

    async def start(request: Request) -> Response:
        """Send the browser to the provider."""
        query, id = request.query_params, request.path_params["provider"]
        network = network_of(client_address(request.scope, trusted_proxies))
        try:
            await limits.hit(f"providers {network}", STARTS_MAX, STARTS_SECONDS)
            departure = await sign_in.depart(_clean(id), query.get("challenge", ""), query.get("return_to"))
        except ProviderRefused as refused:
            return RedirectResponse(sign_in.turned_back(query.get("return_to"), refused).url, 303, HEADERS)
        except Problem as problem:
            return _refused(problem)
        answer = RedirectResponse(departure.url, 303, HEADERS)
        is_secure = links.link("").startswith("https:")
        # Not by other sites' forms, but when the provider's page leads back here.
        answer.set_cookie(
            COOKIE, departure.cookie, max_age=COOKIE_SECONDS, path=COOKIE_PATH, secure=is_secure, httponly=True,
            samesite="lax",
        )  # fmt: skip
        return answer

    return [
        Route("/auth/oidc/{provider}/start", start, methods=["GET"]),
        Route("/auth/oidc/{provider}/callback", come_back, methods=["GET"]),
    ]


async def come_back(request: Request) -> Response:
    """Send the browser on to the page, with a code for it."""
    query = request.query_params
    try:
        arrival = await sign_in.arrive(
            _clean(request.path_params["provider"]),
            state=query.get("state", ""),
            code=query.get("code"),
            issuer=query.get("iss"),
            browser=request.cookies.get(COOKIE),
        )
    except Problem as problem:
        return _refused(problem)
    answer = RedirectResponse(arrival.url, 303, HEADERS)
    answer.delete_cookie(COOKIE, path=COOKIE_PATH)
    return answer


def _clean(id: str) -> str:
    if "\x00" in id or len(id) > 60:
        raise NotFound("identity provider", "of that id", path=["provider"])
    return id


def _refused(problem: Problem) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(problem, kind)), 400)
    return PlainTextResponse(problem.message, status, HEADERS)
