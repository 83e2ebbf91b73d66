"""Roles that fit together, passwords worth having, how guessing slows down, and how long a session lasts. Pure."""

import ipaddress
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from app.identity.common_passwords import COMMON_WORDS, RUNS, common_passwords
from app.kernel.actor import Actor, ActorKind
from app.kernel.budgets import SMALLEST
from app.kernel.contact_details import email_address
from app.kernel.errors import Conflict, InvalidInput, NotPermitted
from app.kernel.lifecycle import Lifecycle
from app.kernel.permissions import GRANTABLE, REACHES, Grant, Permission, Reach, Role, permissions_of

# The kinds of tokens, which they begin with.
ACCESS_TOKEN = "tra"
REFRESH_TOKEN = "trr"
API_KEY = "trk"
INVITATION_TOKEN = "tri"
RESET_TOKEN = "trp"
CHALLENGE = "trc"

PASSWORD_LENGTH_MIN = 12
PASSWORD_LENGTH_MAX = 128
DISTINCT_CHARACTERS_MIN = 5
WEAK_SHARE_OF_RUNS = 0.6
SECRET_PART_MIN = 8  # characters left once the e-mail address or the name is taken out

ACCESS_LASTS = timedelta(minutes=30)
REFRESH_GRACE = timedelta(seconds=10)
SESSIONS_PER_USER_MAX = 50
CUSTOM_ROLES_MAX = 200
CUSTOM_ROLES_PER_USER_MAX = 20

CHALLENGE_LASTS = timedelta(minutes=10)
CHALLENGE_TRIES_MAX = 5
CODE_DIGITS = 6
CODE_RESENT_AFTER = timedelta(seconds=30)
CODES_PER_CHALLENGE_MAX = 3
CODES_PER_HOUR_MAX = 10
METHODS_PER_USER_MAX = 10
WRONG_CODES_MAX = 50
WRONG_CODES_WINDOW = timedelta(hours=24)
TOTP_STEP_SECONDS = 30
TOTP_STEPS_ASIDE = 1  # clocks of phones are a little off
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10
PROVIDER_CODE_LASTS = timedelta(minutes=1)
UNCONFIRMED_KEPT = timedelta(days=1)

FREE_TRIES = 5
FIRST_DELAY_SECONDS = 10
DELAY_SECONDS_MAX = 900
TRIES_REMEMBERED = timedelta(hours=24)
# At one person's password, whatever the networks. Strangers come to their end earlier, so that some are left for the owner.
GUESSES_WINDOW = timedelta(hours=1)
GUESSES_MAX = 20
STRANGERS_GUESSES_MAX = 12
NETWORK_FAILURES_MAX = 100
NETWORK_WINDOW = timedelta(minutes=10)
KNOWN_NETWORK_LASTS = timedelta(days=30)
ATTEMPTS_KEPT = timedelta(days=90)
SESSIONS_KEPT = timedelta(days=30)

USED_PASSWORDS_KEPT = 24

ACCESS_REQUESTS_PENDING_MAX = 200
FAILURES_WORTH_TELLING = FREE_TRIES

RESET_LASTS = timedelta(minutes=30)
RESETS_OPEN_MAX = 3
RESETS_KEPT = timedelta(days=1)

INVITATION_LASTS = timedelta(days=7)
INVITATIONS_OPEN_MAX = 500
INVITATIONS_OPEN_OF_AN_ACCOUNT_MAX = 50
APPROVAL_LIMIT_MAX = Decimal(1_000_000_000_000)
INVITATION_MAILS_MAX = 10
INVITATION_MAILS_APART = timedelta(minutes=1)

KEY_LASTS_MAX = timedelta(days=730)
KEY_ENDS_SOON = timedelta(days=14)
KEYS_TOLD_AT_ONCE = 100
KEY_NETWORKS_MAX = 50
KEY_REQUESTS_PER_MINUTE_MAX = 100_000
KEY_POINTS_MAX = 1_000_000
KEY_POINTS_PER_SECOND_MAX = 100_000
OVERLAP_MINUTES_MAX = 7 * 24 * 60

WRONG_LOGIN = "The login or the password is wrong."


class UserStatus(StrEnum):
    """Whether a person may sign in."""

    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    DEACTIVATED = "DEACTIVATED"


class AccessRequestStatus(StrEnum):
    """What became of a request for access."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    DECLINED = "DECLINED"


class SignInOddity(StrEnum):
    """Why a sign-in is worth a word to its owner."""

    NEW_NETWORK = "NEW_NETWORK"
    NEW_DEVICE = "NEW_DEVICE"
    AFTER_FAILURES = "AFTER_FAILURES"


USER_LIFECYCLE: Lifecycle[UserStatus] = Lifecycle(
    "user",
    {
        UserStatus.INVITED: frozenset({UserStatus.ACTIVE, UserStatus.DEACTIVATED}),
        UserStatus.ACTIVE: frozenset({UserStatus.DEACTIVATED}),
        UserStatus.DEACTIVATED: frozenset({UserStatus.ACTIVE}),
    },
)


class LoginOutcome(StrEnum):
    """How an attempt to sign in went. One that never ended counts as failed; CONFIRMED is one who was signed in already."""

    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    CONFIRMED = "CONFIRMED"
    CHALLENGED = "CHALLENGED"
    WRONG_PASSWORD = "WRONG_PASSWORD"
    WRONG_FACTOR = "WRONG_FACTOR"
    UNKNOWN_LOGIN = "UNKNOWN_LOGIN"
    DEACTIVATED = "DEACTIVATED"
    PASSWORD_EXPIRED = "PASSWORD_EXPIRED"
    SLOWED_DOWN = "SLOWED_DOWN"


FAILED = (
    LoginOutcome.STARTED,
    LoginOutcome.WRONG_PASSWORD,
    LoginOutcome.WRONG_FACTOR,
    LoginOutcome.UNKNOWN_LOGIN,
    LoginOutcome.DEACTIVATED,
)


class RevocationReason(StrEnum):
    """Why a session ended before its time."""

    LOGGED_OUT = "LOGGED_OUT"
    REVOKED = "REVOKED"
    TOKEN_REUSED = "TOKEN_REUSED"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"
    USER_DEACTIVATED = "USER_DEACTIVATED"
    TOO_MANY_SESSIONS = "TOO_MANY_SESSIONS"
    FACTORS_RESET = "FACTORS_RESET"


class Purpose(StrEnum):
    """What somebody is asked for a second factor for."""

    LOG_IN = "LOG_IN"
    PROVIDER_LOG_IN = "PROVIDER_LOG_IN"
    CONFIRM = "CONFIRM"
    ENROLL = "ENROLL"


def require_login(login: str, path: str = "email") -> str:
    """A login name: an e-mail address in small letters, so that equal ones are equal."""
    return email_address(login, path).lower()


def require_roles(
    roles: Iterable[str], *, customer_id: str | None, technician_id: str | None, grants: Collection[Grant] = ()
) -> list[str]:
    """Roles that fit together, each once and sorted: a customer's person has no role of ours, and needs the customer."""
    try:
        wanted = {Role(role) for role in roles}
    except ValueError as unknown:
        raise InvalidInput(f"{str(unknown).split(' is not')[0][:40]} is not a role.", path=["roles"]) from None
    reaches = {REACHES[role] for role in wanted} | {grant.reach for grant in grants}
    if not reaches:
        raise InvalidInput("A user has at least one role.", path=["roles"])
    is_theirs = Reach.ACCOUNT in reaches
    if is_theirs and len(reaches) > 1:
        raise InvalidInput("Roles of a customer and roles of the company do not mix.", path=["roles"])
    if is_theirs and customer_id is None:
        raise InvalidInput("A customer's user needs the customer.", path=["customerId"])
    if not is_theirs and customer_id is not None:
        raise InvalidInput("Only a customer's user belongs to a customer.", path=["customerId"])
    if technician_id is not None and Reach.OWN_WORK not in reaches:
        raise InvalidInput(
            "Only a user with the role TECHNICIAN, or one that reaches as far, can be a technician.",
            path=["technicianId"],
        )
    return sorted(role.value for role in wanted)


def known_roles(roles: Iterable[str]) -> frozenset[Role]:
    """The roles of a row, without those of another version."""
    return frozenset(Role(role) for role in roles if role in Role.__members__)


def require_limit(amount: Decimal | None) -> Decimal | None:
    """Up to what sum somebody may approve work; None is no limit."""
    if amount is None:
        return None
    if not amount.is_finite() or not 0 <= amount <= APPROVAL_LIMIT_MAX:
        raise InvalidInput(f"A limit lies between 0 and {APPROVAL_LIMIT_MAX:,}.", path=["approvalLimit"])
    return round(amount, 4)


def require_may_grant(actor: Actor, roles: Iterable[str], grants: Iterable[Grant] = ()) -> None:
    """Nobody hands out, or takes from others, what they do not hold themselves.

    Reporting the own status is the technician's alone and may be given by anybody who manages users.
    """
    given = permissions_of(Role(role) for role in roles).union(*(grant.permissions for grant in grants))
    beyond = given - actor.permissions - {Permission.REPORT_OWN_STATUS}
    if beyond:
        raise NotPermitted(sorted(beyond)[0])


def require_grant(actor: Actor, role_id: str, reach: Reach, permissions: Iterable[str]) -> Grant:
    """What an organization's own role may give: some permissions, that its reach allows and that its maker holds."""
    try:
        wanted = frozenset(Permission(one) for one in permissions)
    except ValueError:
        raise InvalidInput("A role consists of permissions.", path=["permissions"]) from None
    if not wanted:
        raise InvalidInput("A role has at least one permission.", path=["permissions"])
    if beyond := sorted(wanted - GRANTABLE[reach]):
        raise InvalidInput(f"A role that reaches {reach} cannot have {beyond[0]}.", path=["permissions"])
    grant = Grant(role_id, reach, wanted)
    require_may_grant(actor, (), [grant])
    return grant


def grant_of(role_id: str, reach: str, permissions: Iterable[str]) -> Grant:
    """What a role's row gives. A permission that there is no more gives nothing."""
    known = frozenset(Permission(one) for one in permissions if one in Permission.__members__)
    return Grant(role_id, Reach(reach), known & GRANTABLE[Reach(reach)])


def require_an_administrator_stays(others: int) -> None:
    """The last active administrator can neither be deactivated nor lose the role."""
    if others < 1:
        raise Conflict("This is the last active administrator. Make somebody else one first.", path=["id"])


def require_password(
    password: str,
    about: Collection[str] = (),
    *,
    length_min: int = PASSWORD_LENGTH_MIN,
    classes_min: int = 0,
    path: str = "password",
) -> str:
    """A password in the form in which it is hashed: long enough, at most 128 characters, not made of what everybody tries
    first.

    ``about`` holds what others know of the person, such as the e-mail address; it does not count as secret.
    Kinds of characters are asked for only where an organization wants that, because such rules make passwords worse.
    Source: NIST SP 800-63B, 3.1.1.2.
    """
    text = normal_password(password)
    if not length_min <= len(text) <= PASSWORD_LENGTH_MAX:
        raise InvalidInput(f"A password has {length_min} to {PASSWORD_LENGTH_MAX} characters.", path=[path])
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text):
        raise InvalidInput("A password has no control characters.", path=[path])
    if count_classes(text) < classes_min:
        raise InvalidInput(
            f"A password has at least {classes_min} of small letters, capitals, digits and signs.", path=[path]
        )
    if is_common(text, about):
        raise InvalidInput(
            "This password is among the first that are tried. Take several unrelated words.", path=[path]
        )
    return text


def count_classes(text: str) -> int:
    """How many kinds of characters a text has, of small letters, capitals, digits and all others."""
    kinds = {
        "lower" if one.islower() else "upper" if one.isupper() else "digit" if one.isdigit() else "sign" for one in text
    }
    return len(kinds)


def normal_password(password: str) -> str:
    """The same password from every keyboard: composed characters, compatible forms."""
    return unicodedata.normalize("NFKC", password)


def is_common(password: str, about: Collection[str] = ()) -> bool:
    """Whether little is left of a password once common words, runs and what others know are taken out of it."""
    text = password.casefold().translate(str.maketrans("013457@$!", "oleastasi"))
    plain = password.casefold()
    if len(set(plain)) < DISTINCT_CHARACTERS_MIN or _is_repetition(plain):
        return True
    if _share_in_runs(plain) >= WEAK_SHARE_OF_RUNS:
        return True
    # Whatever digits and signs it ends with: they are what a rule about kinds of characters makes people add.
    if {plain, text, re.sub(r"[\W\d_]+$", "", plain)} & common_passwords():
        return True
    if any(len(plain.replace(item.casefold(), "")) < SECRET_PART_MIN for item in about if item):
        return True
    known = {part for item in about for part in re.split(r"\W+", item.casefold()) if len(part) >= 3}
    return _is_made_of(plain, COMMON_WORDS | known) or _is_made_of(text, COMMON_WORDS | known)


def _is_made_of(text: str, words: Collection[str]) -> bool:
    """Whether the letters of a text are a row of one or two of the words, whatever digits and signs pad them."""
    letters = "".join(re.findall(r"[^\W\d_]+", text))
    if not letters:
        return False
    reachable = {0: 0}
    for end in range(1, len(letters) + 1):
        parts = [reachable[start] + 1 for start in reachable if letters[start:end] in words]
        if parts:
            reachable[end] = min(parts)
    return reachable.get(len(letters), 9) <= 2


def _is_repetition(text: str) -> bool:
    """Whether a text is a part, too short to be a password itself, said again and again."""
    period = (text + text).find(text, 1)
    return period < min(len(text), PASSWORD_LENGTH_MIN)


def _share_in_runs(text: str) -> float:
    """How much of a text lies in runs of four or more neighbors on a keyboard or in the alphabet."""
    covered, start = 0, 0
    while start < len(text):
        end = start
        while end < len(text) and _in_a_run(text[start : end + 1]):
            end += 1
        length = end - start
        covered += length if length >= 4 else 0
        start += max(length if length >= 4 else 1, 1)
    return covered / len(text)


def _in_a_run(piece: str) -> bool:
    return any(piece in run or piece in run[::-1] for run in RUNS)


@dataclass(frozen=True, slots=True)
class Try:
    """One earlier attempt."""

    at: datetime
    outcome: str


def seconds_to_wait(tries: Sequence[Try], now: datetime) -> int:
    """How long a login must wait from this network, 0 when not at all. ``tries`` are the earlier ones, newest first.

    Five failures are free; then the wait doubles from 10 seconds up to 15 minutes, until one succeeds. Attempts that came
    while waiting do not count, so impatience does not make it longer.
    """
    failures = 0
    newest: datetime | None = None
    for one in tries:
        if one.outcome in (LoginOutcome.SUCCEEDED, LoginOutcome.CONFIRMED) or now - one.at > TRIES_REMEMBERED:
            break
        if one.outcome in FAILED:
            failures += 1
            newest = newest or one.at
    if newest is None or failures < FREE_TRIES:
        return 0
    delay = min(FIRST_DELAY_SECONDS * 2 ** min(failures - FREE_TRIES, 20), DELAY_SECONDS_MAX)
    left = (newest + timedelta(seconds=delay) - now).total_seconds()
    return max(0, -int(-left // 1))


def seconds_until_fewer_guesses(guesses: Sequence[datetime], now: datetime, *, is_known: bool) -> int:
    """How long somebody must wait because of all guesses at one person's password within the hour, 0 when not at all.

    ``guesses`` come oldest first. Of the twenty there are in an hour, networks the person never signed in from have twelve.
    """
    most = GUESSES_MAX if is_known else STRANGERS_GUESSES_MAX
    if len(guesses) < most:
        return 0
    left = (guesses[-most] + GUESSES_WINDOW - now).total_seconds()
    return max(1, -int(-left // 1))


@dataclass(frozen=True, slots=True)
class Ends:
    """When a session's access token, the session unless it is used, and the session at all end."""

    access: datetime
    idle: datetime
    absolute: datetime


def session_ends(began_at: datetime, used_at: datetime, idle_minutes: int, absolute_minutes: int) -> Ends:
    """The ends of a session that began and was last used at some moment, within its limits."""
    absolute = began_at + timedelta(minutes=absolute_minutes)
    idle = min(used_at + timedelta(minutes=idle_minutes), absolute)
    return Ends(min(used_at + ACCESS_LASTS, idle), idle, absolute)


def oddities_of(
    network: str, device: str, *, networks: Collection[str], devices: Collection[str], failures: int
) -> list[SignInOddity]:
    """What is unusual about a sign-in, next to the ``networks`` and ``devices`` of those before. The first is never new."""
    found = []
    if networks and network not in networks:
        found.append(SignInOddity.NEW_NETWORK)
    if devices and device not in devices:
        found.append(SignInOddity.NEW_DEVICE)
    if failures >= FAILURES_WORTH_TELLING:
        found.append(SignInOddity.AFTER_FAILURES)
    return found


class Refresh(StrEnum):
    """What a refresh token turns out to be."""

    CURRENT = "CURRENT"
    REPEATED = "REPEATED"
    REUSED = "REUSED"
    ENDED = "ENDED"


def judge_refresh(
    *,
    is_current: bool,
    is_previous: bool,
    rotated_at: datetime | None,
    ends_at: datetime,
    is_revoked: bool,
    now: datetime,
) -> Refresh:
    """What a refresh token of the right session is: in order, repeated within the grace, used before, or too late."""
    if is_revoked:
        return Refresh.ENDED
    if is_current:
        return Refresh.CURRENT if now < ends_at else Refresh.ENDED
    if is_previous and rotated_at is not None and now - rotated_at <= REFRESH_GRACE:
        return Refresh.REPEATED
    return Refresh.REUSED


def require_scopes(actor: Actor, scopes: Iterable[str]) -> list[str]:
    """The permissions of a key, each once and sorted: some, and none that its maker lacks."""
    try:
        wanted = {Permission(scope) for scope in scopes}
    except ValueError:
        raise InvalidInput("A scope is one of the permissions.", path=["scopes"]) from None
    if not wanted:
        raise InvalidInput("A key needs at least one scope.", path=["scopes"])
    beyond = wanted - actor.permissions
    if beyond:
        raise NotPermitted(sorted(beyond)[0])
    return sorted(scope.value for scope in wanted)


def require_key_end(expires_at: datetime | None, now: datetime) -> datetime | None:
    """When a key ends: never, or in the future and within two years."""
    if expires_at is not None and not now < expires_at <= now + KEY_LASTS_MAX:
        raise InvalidInput("A key expires in the future, within two years.", path=["expiresAt"])
    return expires_at


def is_confirmed(confirmed_at: datetime, now: datetime, minutes: int) -> bool:
    """Whether somebody who proved who they are at a moment need not do so again."""
    return now - confirmed_at < timedelta(minutes=minutes)


def require_key_limits(points: int | None, per_second: int | None, requests_per_minute: int | None) -> None:
    """A key's own budget, whole or not at all, and its requests in a minute. The server's own limits hold besides."""
    if (points is None) != (per_second is None):
        raise InvalidInput("A budget has both points and points per second, or neither.", path=["budgetPoints"])
    # Less would not pay for one request of the size that is allowed, and waiting would not help.
    if points is not None and not SMALLEST <= points <= KEY_POINTS_MAX:
        raise InvalidInput(f"A budget has {SMALLEST} to {KEY_POINTS_MAX} points.", path=["budgetPoints"])
    if per_second is not None and not 1 <= per_second <= KEY_POINTS_PER_SECOND_MAX:
        raise InvalidInput(
            f"Of a budget 1 to {KEY_POINTS_PER_SECOND_MAX} points come back each second.", path=["budgetPerSecond"]
        )
    if requests_per_minute is not None and not 1 <= requests_per_minute <= KEY_REQUESTS_PER_MINUTE_MAX:
        raise InvalidInput(
            f"A key has 1 to {KEY_REQUESTS_PER_MINUTE_MAX} requests per minute.", path=["requestsPerMinute"]
        )


def require_networks(networks: Iterable[str] | None) -> list[str] | None:
    """The networks a key may be used from, each once, in their usual form; None, or none of them, for everywhere."""
    found: dict[str, None] = {}
    for text in networks or ():
        try:
            found[str(ipaddress.ip_network(text.strip()))] = None
        except ValueError:
            raise InvalidInput(
                f"{text[:60]!r} is not a network such as 198.51.100.0/24 or 2001:db8::/32.", path=["networks"]
            ) from None
    if len(found) > KEY_NETWORKS_MAX:
        raise InvalidInput(f"A key has at most {KEY_NETWORKS_MAX} networks.", path=["networks"])
    return list(found) or None


def require_own_session(actor: Actor) -> str:
    """The session the actor is signed in with; a key or the system has none."""
    if actor.kind is not ActorKind.USER or actor.session_id is None:
        raise InvalidInput("Only somebody signed in with a session can do this.", path=["session"])
    return actor.session_id
