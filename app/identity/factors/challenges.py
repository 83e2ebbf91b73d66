"""Questions for a second factor: begun, sent codes for, counted, and answered once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tortoise.expressions import F

from app.identity import attempts, models, passwords, queries, rules
from app.identity.factors import codes, security_keys
from app.identity.policy import FactorKind, SecurityPolicy
from app.infrastructure import mail, sms, tokens
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import add_row, find_rows
from app.kernel.actor import system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotAuthenticated, Problem, RateLimited

ENDED = "This took too long, or was tried too often. Begin again."
CODE_KINDS = (FactorKind.SMS.value, FactorKind.EMAIL.value)


@dataclass(frozen=True, slots=True)
class Question:
    """A challenge on its way out: its row's id, and its token, which is nowhere else."""

    id: str
    token: str
    passkey_challenge: str

    def __repr__(self) -> str:
        return f"Question({self.id})"


async def begin(
    user: models.User, purpose: rules.Purpose, *, session_id: str | None = None, method_id: str | None = None
) -> Question:
    """Ask a user for a second factor. In the transaction that is under way, if one is."""
    token, passkey_challenge = tokens.new_token(rules.CHALLENGE), security_keys.new_challenge()

    async def add() -> models.FactorChallenge:
        return await add_row(
            models.FactorChallenge,
            organization_id=user.organization_id,
            user_id=user.id,
            purpose=purpose.value,
            token_hash=tokens.hash_token(token),
            password_mark=passwords.mark_of(user),
            session_id=session_id,
            method_id=method_id,
            passkey_challenge=passkey_challenge,
            expires_at=utc_now() + rules.CHALLENGE_LASTS,
        )

    row = await attempts.saved(add)
    return Question(row.id, token, passkey_challenge)


async def find(token: str, *purposes: rules.Purpose) -> tuple[models.FactorChallenge, models.User]:
    """The open challenge of a token and its user; else a problem, which does not say why."""
    if not tokens.is_token(token, rules.CHALLENGE):
        raise ended(*purposes)
    found = await find_rows(models.FactorChallenge, column("token_hash") == tokens.hash_token(token))
    if not found or found[0].purpose not in purposes or not _is_open(found[0]):
        raise ended(*purposes)
    [user] = await find_rows(models.User, column("id") == found[0].user_id)
    if user.status != rules.UserStatus.ACTIVE or found[0].password_mark != passwords.mark_of(user):
        raise ended(*purposes)
    return found[0], user


def ended(*purposes: str) -> Problem:
    """That a challenge is over. Who is signed in already stays so."""
    if not {rules.Purpose.LOG_IN, rules.Purpose.PROVIDER_LOG_IN}.isdisjoint(purposes):
        return NotAuthenticated(ENDED)
    return InvalidInput(ENDED, path=["challenge"])


async def count_try(challenge: models.FactorChallenge) -> None:
    """Use up one try before the answer is looked at: however many come at once, five are."""
    rows = models.FactorChallenge.filter(
        id=challenge.id, tries__lt=rules.CHALLENGE_TRIES_MAX, spent_at=None, expires_at__gt=utc_now()
    )

    async def count() -> int:
        return await rows.update(tries=F("tries") + 1)

    if await attempts.saved(count) != 1:
        raise ended(challenge.purpose)


async def spend(id: str, purpose: rules.Purpose) -> None:
    """Close a challenge that was answered. Of two good answers at the same moment, one counts. For commands."""
    if await models.FactorChallenge.filter(id=id, spent_at=None).update(spent_at=utc_now()) != 1:
        raise ended(purpose)


async def send_code(token: str, method_id: str) -> int:
    """Send a fresh code for a challenge to the phone or the mail address of one of its user's factors; its digits."""
    challenge, user = await find(token, *rules.Purpose)
    method = next((one for one in await _sendable(challenge, user) if one.id == method_id), None)
    if method is None:
        raise InvalidInput("No code can be sent to this one.", path=["methodId"])
    await attempts.saved(lambda: send_fresh_code(challenge.id, token, user, method))
    return rules.CODE_DIGITS


async def send_fresh_code(id: str, token: str, user: models.User, method: models.MfaMethod) -> None:
    """Put a fresh code into the outbox; the one before it is void. ``RateLimited`` when they come too often."""
    now, code = utc_now(), codes.new_code()
    await _require_patience(user)
    ready = models.FactorChallenge.filter(id=id, codes_sent__lt=rules.CODES_PER_CHALLENGE_MAX)
    [row] = await find_rows(models.FactorChallenge, column("id") == id, lock=True)
    if row.code_sent_at is not None and now - row.code_sent_at < rules.CODE_RESENT_AFTER:
        raise RateLimited(int(rules.CODE_RESENT_AFTER.total_seconds()), "A code was sent a moment ago.")
    changed = await ready.update(
        code_hash=codes.hash_code(token, code), code_sent_at=now, method_id=method.id, codes_sent=F("codes_sent") + 1
    )
    if changed != 1:
        raise ended(row.purpose)
    actor = system_actor(user.organization_id)
    minutes = int(rules.CHALLENGE_LASTS.total_seconds() // 60)
    text = f"Your code is {code}. It is good for {minutes} minutes. Nobody of us will ever ask you for it."
    if method.kind == FactorKind.SMS:
        await sms.send(actor, method.target or "", text, secret=True)
    else:
        await mail.send(actor, method.target or "", "Your code", text, secret=True)


async def _require_patience(user: models.User) -> None:
    """Nobody is flooded with messages by somebody who knows their password."""
    hour = timedelta(hours=1)
    lately = _challenges_of(user) & (column("code_sent_at") >= utc_now() - hour)
    if sum(one.codes_sent for one in await find_rows(models.FactorChallenge, lately)) >= rules.CODES_PER_HOUR_MAX:
        raise RateLimited(int(hour.total_seconds()), "Too many codes were sent to this account.")


async def confirmed_methods(user: models.User) -> list[models.MfaMethod]:
    """The second factors that a user has in use, oldest first."""
    theirs = (column("organization_id") == user.organization_id) & (column("user_id") == user.id)
    return await find_rows(models.MfaMethod, theirs & ~column("confirmed_at").is_null(), order=["created_at", "id"])


def usable(methods: Sequence[models.MfaMethod], policy: SecurityPolicy) -> list[models.MfaMethod]:
    """The factors that are asked for: those of kinds that are allowed. Who has others only is asked for those, for a factor
    that is no longer wanted is still better than none."""
    return [one for one in methods if one.kind in policy.mfa_methods] or list(methods)


async def must_enroll(user: models.User, methods: Sequence[models.MfaMethod], policy: SecurityPolicy) -> bool:
    """Whether somebody who has these factors lacks one of a kind that the organization asks for."""
    grants = await queries.grants_of([user])
    asked = policy.requires_factor(rules.known_roles(user.roles), grants[user.id])
    return asked and not any(one.kind in policy.mfa_methods for one in methods)


def shown(question: Question, methods: Sequence[models.MfaMethod]) -> dict[str, Any]:
    """A challenge as it is told to who has to answer it."""
    keys = [one.credential_id for one in methods if one.credential_id is not None]
    return {
        "token": question.token,
        "expiresInSeconds": int(rules.CHALLENGE_LASTS.total_seconds()),
        "methods": [{"id": one.id, "kind": one.kind, "name": one.name, "hint": hint_of(one)} for one in methods],
        "passkeyOptions": security_keys.assertion_options(question.passkey_challenge, keys) if keys else None,
    }


def hint_of(method: models.MfaMethod) -> str | None:
    """To where a code would go, told so that only its owner knows it."""
    if method.target is None:
        return None
    return codes.masked_phone(method.target) if method.kind == FactorKind.SMS else codes.masked_mail(method.target)


async def _sendable(challenge: models.FactorChallenge, user: models.User) -> list[models.MfaMethod]:
    if challenge.purpose == rules.Purpose.ENROLL:
        methods = await find_rows(models.MfaMethod, column("id") == challenge.method_id)
    else:
        methods = await confirmed_methods(user)
    return [one for one in methods if one.kind in CODE_KINDS]


def _is_open(row: models.FactorChallenge) -> bool:
    return row.spent_at is None and row.expires_at > utc_now() and row.tries < rules.CHALLENGE_TRIES_MAX


def _challenges_of(user: models.User) -> Condition:
    return (column("organization_id") == user.organization_id) & (column("user_id") == user.id)
