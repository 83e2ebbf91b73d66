"""Whether an answer to a challenge is good. What can be used once is used up by it."""

import asyncio
import hmac
from dataclasses import dataclass

from app.identity import attempts, events, models, queries, rules
from app.identity.factors import challenges, codes, security_keys, totp
from app.identity.policy import FactorKind
from app.identity.secret import Secret
from app.infrastructure import encryption, journal
from app.infrastructure.command import command, idempotency_key
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, RateLimited

WRONG_CODE = "The code is wrong, used or too old."
WRONG_KEY = "This security key did not sign the challenge as it should."


@dataclass(frozen=True, slots=True)
class Proof:
    """An answer: a code of one of the factors, what a security key signed, or a recovery code."""

    method_id: str | None = None
    code: Secret | None = None
    credential: object = None
    recovery_code: Secret | None = None

    def require_one(self) -> None:
        """Raise unless it is exactly one of them."""
        given = [self.code is not None, self.credential is not None, self.recovery_code is not None]
        if sum(given) != 1:
            raise InvalidInput("Answer with a code, a security key or a recovery code.", path=["code"])
        if self.code is not None and self.method_id is None:
            raise InvalidInput("Say of which of your factors the code is.", path=["methodId"])

    @property
    def path(self) -> str:
        """The input field that it came in."""
        if self.code is not None:
            return "code"
        return "credential" if self.credential is not None else "recoveryCode"


async def answer(token: str, proof: Proof, *purposes: rules.Purpose, address: str, user_agent: str) -> "Answered":
    """Whose challenge it is, when the answer is good; else a problem. A wrong one counts as a failed attempt."""
    proof.require_one()
    challenge, user = await challenges.find(token, *purposes)
    attempt = await attempts.begin_attempt(user.email, user, address, user_agent)
    await _require_not_guessed(attempt, user, proof)
    await challenges.count_try(challenge)
    if not await _is_good(challenge, token, user, proof):
        await attempts.end_attempt(attempt, rules.LoginOutcome.WRONG_FACTOR)
        raise InvalidInput(WRONG_KEY if proof.credential is not None else WRONG_CODE, path=[proof.path])
    return Answered(challenge, user, attempt)


@dataclass(frozen=True, slots=True)
class Answered:
    """A challenge with a good answer, and whose it is. The attempt waits to be ended."""

    challenge: models.FactorChallenge
    user: models.User
    attempt: models.LoginAttempt


async def _is_good(challenge: models.FactorChallenge, token: str, user: models.User, proof: Proof) -> bool:
    if proof.recovery_code is not None:
        hashed = codes.hash_recovery_code(proof.recovery_code.value)
        with idempotency_key(None):
            return await use_recovery_code(system_actor(user.organization_id), user.id, Secret(hashed))
    methods = await challenges.confirmed_methods(user)
    if proof.credential is not None:
        named = security_keys.credential_id_of(proof.credential)
        keys = [one for one in methods if named is not None and one.credential_id == named]
        return bool(keys) and await signs(challenge, keys[0], proof.credential)
    found = [one for one in methods if one.id == proof.method_id]
    return bool(found) and proof.code is not None and await fits(challenge, token, found[0], proof.code.value)


async def fits(challenge: models.FactorChallenge, token: str, method: models.MfaMethod, code: str) -> bool:
    """Whether a code of an app, or one that was sent, is right; it is used up then."""
    if method.kind == FactorKind.TOTP:
        return await _use_step(method, code)
    if method.kind not in challenges.CODE_KINDS or challenge.method_id != method.id or challenge.code_hash is None:
        return False
    if not hmac.compare_digest(challenge.code_hash, codes.hash_code(token, code)):
        return False

    async def use() -> int:
        used = models.FactorChallenge.filter(id=challenge.id, code_hash=challenge.code_hash)
        changed = await used.update(code_hash=None)
        await models.MfaMethod.filter(id=method.id).update(last_used_at=utc_now())
        return changed

    return await attempts.saved(use) == 1


async def signs(challenge: models.FactorChallenge, method: models.MfaMethod, credential: object) -> bool:
    """Whether a security key signed the challenge, and its counter went on."""
    count = await asyncio.to_thread(security_keys.asserted_count, challenge.passkey_challenge, credential, method)
    if count is None:
        return False

    async def use() -> int:
        as_seen = models.MfaMethod.filter(id=method.id, sign_count=method.sign_count)
        return await as_seen.update(sign_count=count, last_used_at=utc_now())

    return await attempts.saved(use) == 1


async def _use_step(method: models.MfaMethod, code: str) -> bool:
    """Of two who show the same code at the same moment, one gets in."""
    secret = encryption.opened(method, "secret")
    step = totp.fitting_step(secret, codes.typed(code), utc_now(), method.last_step)
    if step is None:
        return False

    async def use() -> int:
        as_seen = models.MfaMethod.filter(id=method.id, last_step=method.last_step)
        return await as_seen.update(last_step=step, last_used_at=utc_now())

    return await attempts.saved(use) == 1


@command(None)
async def use_recovery_code(actor: Actor, user_id: str, code_hash: Secret) -> bool:
    """Use up one of a user's recovery codes; whether there was such a one. For ``answer``."""
    unused = models.RecoveryCode.filter(
        organization_id=actor.organization_id, user_id=user_id, code_hash=code_hash.value, used_at=None
    )
    if await unused.update(used_at=utc_now()) != 1:
        return False
    journal.record(events.RecoveryCodeUsed(subject_id=user_id))
    return True


async def _require_not_guessed(attempt: models.LoginAttempt, user: models.User, proof: Proof) -> None:
    """Six digits are found in a million tries, so there are few a day, from however many networks. Networks from which the
    owner signed in lately do not wait for the others, and neither do answers that nobody can guess."""
    if proof.code is None:
        return
    since = utc_now() - rules.WRONG_CODES_WINDOW
    theirs = (column("organization_id") == user.organization_id) & (column("user_id") == user.id)
    wrong = theirs & (column("at") >= since) & (column("outcome") == rules.LoginOutcome.WRONG_FACTOR)
    if len(await find_rows(models.LoginAttempt, wrong, limit=rules.WRONG_CODES_MAX)) < rules.WRONG_CODES_MAX:
        return
    if not await queries.is_known_network(user.email, user, attempt.network):
        await attempts.end_attempt(attempt, rules.LoginOutcome.SLOWED_DOWN)
        raise RateLimited(3600, "Too many wrong codes. Use a security key or a recovery code.")
