"""The reference over HTTP, for those who may ask for the schema.

A browser sends no token with a page. Where the schema is for signed-in callers, an anonymous one gets a page without data
that signs in, as the board does, and then shows what the same address gives with the token. Style and script are for all.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from app.kernel.actor import Actor
from app.kernel.errors import NotAuthenticated
from schema.docs.markup import tag
from schema.docs.pages import TITLE
from schema.docs.site import Site
from schema.kit.service import AUTHENTICATED, EVERYBODY
from schema.kit.sessions import bearer_token, client_address

GATE_HEADERS = {"www-authenticate": "Bearer", "cache-control": "no-store"}
ActorOfToken = Callable[[str, str], Awaitable[Actor]]


class SchemaDoor:
    """Who may ask for the schema: everybody, those who are signed in, or nobody."""

    def __init__(self, introspection: str, actor_of_token: ActorOfToken, trusted_proxies: int = 0) -> None:
        self._introspection = introspection
        self._actor_of_token = actor_of_token
        self._trusted_proxies = trusted_proxies

    async def refusal(self, request: Request) -> Response | None:
        """The answer to who may not; None for who may."""
        if self._introspection == EVERYBODY:
            return None
        if self._introspection != AUTHENTICATED:
            return PlainTextResponse("Not found\n", 404)
        try:
            token = bearer_token(request.headers.get("authorization", "")) or ""
            await self._actor_of_token(token, client_address(request.scope, self._trusted_proxies))
        except NotAuthenticated as problem:
            return PlainTextResponse(problem.message + "\n", 401, {"www-authenticate": "Bearer"})
        return None


class Documentation:
    """The pages beneath /docs."""

    def __init__(self, site: Site, door: SchemaDoor) -> None:
        self._site = site
        self._door = door

    async def handle(self, request: Request) -> Response:
        """One page, style or script."""
        path = request.path_params["path"]
        if path == "":
            return RedirectResponse("/docs/", 308)
        path = path.removeprefix("/") or "index.html"
        if not path.startswith("assets/"):
            refused = await self._door.refusal(request)
            if refused is not None:
                wants_page = refused.status_code == 401 and "text/html" in request.headers.get("accept", "")
                return HTMLResponse(_gate(), 401, GATE_HEADERS) if wants_page else refused
        file = self._site.file(path)
        if file is None:
            return PlainTextResponse("Not found\n", 404)
        headers = {"etag": file.etag, "cache-control": "private, no-cache", "vary": "authorization"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.body, headers=headers, media_type=file.media_type)


def _gate() -> str:
    """A page without data: it signs in, or says how to."""
    form = tag(
        "form",
        tag("h1", "Sign in to read the API reference"),
        tag("p", "With the e-mail address and password of your account. Programs send their token or key in the header ",
            tag("code", "authorization"), "."),
        tag("label", "E-mail ", tag("input", name="email", type="email", autocomplete="username", required=True)),
        tag("label", "Password ", tag("input", name="password", type="password", autocomplete="current-password", required=True)),
        tag("output", role="alert"),
        tag("button", "Sign in"),
        id="sign-in", hidden=True,
    )  # fmt: skip
    without = tag("noscript", tag("p", "Signing in here needs JavaScript; reading does not, once you have the pages."))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"Sign in · {TITLE}"),
        tag("link", rel="icon", href="/assets/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="/docs/assets/docs.css"),
        tag("script", src="/docs/assets/gate.js", type="module"),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', form, without), lang='en')}\n"
