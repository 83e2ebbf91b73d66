"""Each try to prove who one is: noted before it is judged, and slowed down when many before it failed."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from app import database
from app.identity import models, queries, rules
from app.infrastructure import encryption, tokens
from app.infrastructure.tables import add_row
from app.kernel.addresses import network_of
from app.kernel.calendar import utc_now
from app.kernel.errors import RateLimited, Unavailable

T = TypeVar("T")
LOGIN_LENGTH_MAX = 254
NOBODYS = "nobody:"
USER_AGENT_LENGTH_MAX = 300
ADDRESS_LENGTH_MAX = 64


async def note_attempt(login: str, user: models.User | None, address: str, user_agent: str) -> models.LoginAttempt:
    """Note that somebody tries to prove who they are, before it is known how it goes."""
    network, kept = network_of(address)[:ADDRESS_LENGTH_MAX], kept_login(login, user)

    async def note() -> models.LoginAttempt:
        return await add_row(
            models.LoginAttempt,
            organization_id=user.organization_id if user else None,
            user_id=user.id if user else None,
            login=kept,
            address=address[:ADDRESS_LENGTH_MAX],
            network=network,
            user_agent=user_agent[:USER_AGENT_LENGTH_MAX],
            at=utc_now(),
            outcome=rules.LoginOutcome.STARTED.value,
        )

    return await saved(note)


def kept_login(login: str, user: models.User | None) -> str:
    """A login as attempts keep it. One that nobody has may be a password in the wrong field, so only a mark of it is kept."""
    marked = NOBODYS + encryption.mark("login", login)
    return login if user is not None else marked


async def begin_attempt(login: str, user: models.User | None, address: str, user_agent: str) -> models.LoginAttempt:
    """Note the attempt before it is known how it goes, and only then look at the earlier ones: so however many come at
    once, each sees those that were noted before it, and no more get through than one after the other would."""
    attempt, network = await note_attempt(login, user, address, user_agent), network_of(address)[:ADDRESS_LENGTH_MAX]
    login = attempt.login
    wait = rules.seconds_to_wait(await queries.earlier_tries(login, network, attempt.id, user), attempt.at)
    if not wait and await queries.is_flooding(login, user, network):
        wait = rules.FIRST_DELAY_SECONDS
    if not wait:
        guesses = await queries.recent_guesses(login, user, attempt.id)
        may_wait = len(guesses) >= rules.STRANGERS_GUESSES_MAX
        is_known = may_wait and await queries.is_known_network(login, user, network)
        wait = rules.seconds_until_fewer_guesses(guesses, attempt.at, is_known=is_known)
    if wait:
        await end_attempt(attempt, rules.LoginOutcome.SLOWED_DOWN)
        raise RateLimited(wait)
    return attempt


async def end_attempt(attempt: models.LoginAttempt, outcome: rules.LoginOutcome) -> None:
    """Note how an attempt went."""

    async def note() -> None:
        await models.LoginAttempt.filter(id=attempt.id).update(outcome=outcome.value)

    await saved(note)


async def fits_password(user: models.User | None, password: str) -> bool:
    """Whether the password fits. For nobody, and for a user without a password, a made-up hash is verified as long."""
    text = rules.normal_password(password[: 4 * rules.PASSWORD_LENGTH_MAX])
    return await tokens.verify_password(user.password_hash if user else None, text)


def printable(text: str) -> str:
    """What a request says of itself, as a database and a log can keep it."""
    return "".join(sign for sign in text if sign.isprintable())


async def saved(work: Callable[[], Awaitable[T]]) -> T:
    """What a transaction of its own gives; ``Unavailable`` when the database cannot do it at the moment."""
    try:
        return await database.unit_of_work(work)
    except database.RetryableError as busy:
        raise Unavailable() from busy
