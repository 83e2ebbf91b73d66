"""What people do to their second factors: set up, rename, remove, and write recovery codes down."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.company.models import Organization
from app.identity import commands, events, models, queries, rules
from app.identity.commands.roles import require_may_touch
from app.identity.factors import challenges, codes, proofs, security_keys, totp
from app.identity.factors.challenges import Question
from app.identity.policy import FactorKind, policy_of
from app.identity.secret import Secret
from app.infrastructure import journal, mail
from app.infrastructure.command import command, idempotency_key
from app.infrastructure.mail import require_mail_address
from app.infrastructure.tables import add_row, change_row, find_one, lock_one, require_text
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.contact_details import phone_number
from app.kernel.errors import AlreadyExists, Conflict, InvalidInput, LimitReached, NotFound
from app.kernel.permissions import Permission

USUAL_NAMES = {
    FactorKind.TOTP: "App",
    FactorKind.WEBAUTHN: "Security key",
    FactorKind.SMS: "Text messages",
    FactorKind.EMAIL: "Mail",
}


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A factor that waits to be confirmed, and what that takes: shown this once."""

    method_id: str
    token: str
    secret: str | None = None
    uri: str | None = None
    qr_code: str | None = None
    options: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Enrollment({self.method_id})"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A factor that is in use now, and the first recovery codes, if these are they."""

    method_id: str
    recovery_codes: tuple[str, ...] | None

    def __repr__(self) -> str:
        return f"Confirmed({self.method_id})"


async def enroll(actor: Actor, kind: FactorKind, *, name: str | None = None, target: str | None = None) -> Enrollment:
    """Begin to set up a second factor: an app gets its secret, a phone or mail address a code, a browser its question."""
    secret = totp.new_secret() if kind is FactorKind.TOTP else None
    asked: list[Question] = []
    with idempotency_key(None):
        id = await add_method(actor, asked, kind.value, name, target, Secret(secret) if secret else None)
    question, user = asked[0], await find_one(models.User, actor, actor.id)
    if secret is not None:
        organization = await find_one(Organization, actor, actor.organization_id)
        uri = totp.enrollment_uri(secret, user.email, organization.name)
        return Enrollment(id, question.token, secret, uri, await asyncio.to_thread(totp.picture_of, uri))
    if kind is FactorKind.WEBAUTHN:
        known = [one.credential_id for one in await challenges.confirmed_methods(user) if one.credential_id]
        options = await asyncio.to_thread(security_keys.registration_options, question.passkey_challenge, user, known)
        return Enrollment(id, question.token, options=options)
    return Enrollment(id, question.token)


@command(None, confirmed=True)
async def add_method(
    actor: Actor, asked: list[Question], kind: str, name: str | None, target: str | None, secret: Secret | None
) -> str:
    """Keep a second factor that waits to be confirmed, and ask for its confirmation. For ``enroll``."""
    commands.require_person(actor)
    if kind not in (await policy_of(actor.organization_id)).mfa_methods:
        raise InvalidInput("Your organization does not allow this kind of second factor.", path=["kind"])
    user = await lock_one(models.User, actor, actor.id)
    if await models.MfaMethod.filter(user_id=user.id).count() >= rules.METHODS_PER_USER_MAX:
        raise LimitReached(f"You have {rules.METHODS_PER_USER_MAX} second factors.", rules.METHODS_PER_USER_MAX)
    row = await add_row(
        models.MfaMethod,
        organization_id=user.organization_id,
        user_id=user.id,
        kind=kind,
        name=_name(name) if name is not None else USUAL_NAMES[FactorKind(kind)],
        secret=secret.value if secret is not None else None,
        target=await _target(actor, kind, target),
    )
    question = await challenges.begin(user, rules.Purpose.ENROLL, session_id=actor.session_id, method_id=row.id)
    if kind in challenges.CODE_KINDS:
        await challenges.send_fresh_code(question.id, question.token, user, row)
    asked.append(question)
    return row.id


async def confirm_enrollment(
    actor: Actor, token: str, *, code: Secret | None = None, credential: object = None
) -> Confirmed:
    """Take a second factor into use with its first good answer."""
    challenge, user = await challenges.find(token, rules.Purpose.ENROLL)
    if user.id != actor.id:
        raise NotFound(models.MfaMethod.noun, challenge.method_id or "", path=["challenge"])
    method = await find_one(models.MfaMethod, actor, challenge.method_id or "")
    await challenges.count_try(challenge)
    key = None
    if method.kind == FactorKind.WEBAUTHN:
        key = await asyncio.to_thread(security_keys.registered_key, challenge.passkey_challenge, credential)
        if key is None:
            raise InvalidInput(proofs.WRONG_KEY, path=["credential"])
    elif code is None or not await proofs.fits(challenge, token, method, code.value):
        raise InvalidInput(proofs.WRONG_CODE, path=["code"])
    fresh = codes.new_recovery_codes()
    hashes = [Secret(codes.hash_recovery_code(one)) for one in fresh]
    with idempotency_key(None):
        first = await take_into_use(actor, method.id, challenge.id, key, hashes)
    return Confirmed(method.id, tuple(fresh) if first else None)


@command(None)
async def take_into_use(
    actor: Actor, id: str, challenge_id: str, key: security_keys.NewKey | None, hashes: Sequence[Secret]
) -> bool:
    """Confirm a second factor; whether it is the first one, with which come recovery codes. For ``confirm_enrollment``."""
    user = await lock_one(models.User, actor, actor.id)
    row = await lock_one(models.MfaMethod, actor, id)
    await challenges.spend(challenge_id, rules.Purpose.ENROLL)
    first = not await challenges.confirmed_methods(user)
    values: dict[str, Any] = {"confirmed_at": utc_now()}
    if key is not None:
        if await models.MfaMethod.filter(credential_id=key.credential_id).exists():
            raise AlreadyExists(models.MfaMethod.noun, row.name, path=["credential"])
        values |= {"credential_id": key.credential_id, "public_key": key.public_key, "sign_count": key.sign_count}
    await change_row(row, **values)
    if first:
        await _keep_recovery_codes(user, hashes)
    await _let_in(user)
    journal.record(events.SecondFactorAdded(subject_id=row.id, user_id=user.id, kind=row.kind))
    await _tell(actor, user, f"A second factor was added: {row.name}.")
    return first


@command(None)
async def rename_method(actor: Actor, id: str, *, name: str) -> str:
    """Call one's own second factor something else."""
    row = await _lock_own(actor, id)
    if await change_row(row, name=_name(name)):
        journal.record(events.SecondFactorRenamed(subject_id=row.id, user_id=row.user_id))
    return row.id


@command(None, confirmed=True)
async def remove_method(actor: Actor, id: str) -> str:
    """Take one's own second factor out of use; the user's id. The last one stays where the organization asks for one."""
    user = await lock_one(models.User, actor, actor.id)
    row = await _lock_own(actor, id)
    others = [one for one in await challenges.confirmed_methods(user) if one.id != row.id]
    policy = await policy_of(user.organization_id)
    if row.confirmed_at is not None and await challenges.must_enroll(user, others, policy):
        raise Conflict("Your organization asks for a second factor. Set up another one first.", path=["id"])
    await models.MfaMethod.filter(id=row.id).delete()
    if not others:
        await models.RecoveryCode.filter(user_id=user.id).delete()
    if row.confirmed_at is not None:
        journal.record(events.SecondFactorRemoved(subject_id=row.id, user_id=user.id, kind=row.kind))
        await _tell(actor, user, f"A second factor was removed: {row.name}.")
    return user.id


async def replace_recovery_codes(actor: Actor) -> tuple[str, ...]:
    """Fresh recovery codes for oneself; the ones before are void."""
    fresh = codes.new_recovery_codes()
    with idempotency_key(None):
        await keep_recovery_codes(actor, [Secret(codes.hash_recovery_code(one)) for one in fresh])
    return tuple(fresh)


@command(None, confirmed=True)
async def keep_recovery_codes(actor: Actor, hashes: Sequence[Secret]) -> str:
    """Keep the hashes of one's own new recovery codes. For ``replace_recovery_codes``."""
    commands.require_person(actor)
    user = await lock_one(models.User, actor, actor.id)
    if not await challenges.confirmed_methods(user):
        raise Conflict("Recovery codes stand in for a second factor. Set one up first.")
    await _keep_recovery_codes(user, hashes)
    journal.record(events.RecoveryCodesReplaced(subject_id=user.id))
    await _tell(actor, user, "Your recovery codes were replaced.")
    return user.id


@command(Permission.MANAGE_USERS, confirmed=True)
async def reset_methods(actor: Actor, user_id: str) -> str:
    """Take all second factors from somebody who lost them; their sessions end, and they are told. The user's id."""
    if user_id == actor.id:
        raise Conflict("Remove your own second factors one by one.", path=["userId"])
    user = await lock_one(models.User, actor, user_id, path="userId")
    await require_may_touch(actor, user)
    await models.MfaMethod.filter(user_id=user.id).delete()
    await models.RecoveryCode.filter(user_id=user.id).delete()
    await models.FactorChallenge.filter(user_id=user.id, spent_at=None).update(spent_at=utc_now())
    await commands.end_sessions(user, rules.RevocationReason.FACTORS_RESET)
    journal.record(events.SecondFactorsReset(subject_id=user.id))
    await _tell(actor, user, "An administrator removed all your second factors.")
    return user.id


async def forget_old_challenges() -> int:
    """Delete challenges that are over and factors that were never confirmed; how many."""
    now = utc_now()
    over = await models.FactorChallenge.filter(expires_at__lt=now - rules.UNCONFIRMED_KEPT).delete()
    unused = models.MfaMethod.filter(confirmed_at=None, created_at__lt=now - rules.UNCONFIRMED_KEPT)
    return over + await unused.delete()


async def count_recovery_codes(user_id: str) -> int:
    """How many recovery codes somebody has left."""
    return await models.RecoveryCode.filter(user_id=user_id, used_at=None).count()


async def _keep_recovery_codes(user: models.User, hashes: Sequence[Secret]) -> None:
    await models.RecoveryCode.filter(user_id=user.id).delete()
    for one in hashes:
        await add_row(models.RecoveryCode, organization_id=user.organization_id, user_id=user.id, code_hash=one.value)


async def _let_in(user: models.User) -> None:
    """Sessions that were limited to setting this up are whole now."""
    policy = await policy_of(user.organization_id)
    if await challenges.must_enroll(user, await challenges.confirmed_methods(user), policy):
        return
    await models.Session.filter(user_id=user.id, must_enroll=True).update(must_enroll=False)
    queries.forget_actors(user.id)


async def _tell(actor: Actor, user: models.User, what: str) -> None:
    """Whoever took over an account would not tell its owner; so we do."""
    text = f"{what}\n\nIf that was not you, ask your administrator at once to end your sessions."
    await mail.send(actor, user.email, "Your sign-in has changed", text)


async def _lock_own(actor: Actor, id: str) -> models.MfaMethod:
    row = await lock_one(models.MfaMethod, actor, id)
    if row.user_id != actor.id:
        raise NotFound(models.MfaMethod.noun, id, path=["id"])
    return row


async def _target(actor: Actor, kind: str, target: str | None) -> str | None:
    if kind not in challenges.CODE_KINDS:
        if target is not None:
            raise InvalidInput("Only codes that are sent have somewhere to go.", path=["target"])
        return None
    if not target:
        raise InvalidInput("Say to where the codes are sent.", path=["target"])
    if kind == FactorKind.EMAIL:
        return require_mail_address(target.strip(), "target")
    organization = await find_one(Organization, actor, actor.organization_id)
    return phone_number(target, organization.country)


def _name(name: str) -> str:
    return require_text(name, "name", longest=80)
