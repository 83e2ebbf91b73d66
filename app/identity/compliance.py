"""What somebody who answers for an organization's security looks at first: figures of accounts, keys and attempts."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from app import database
from app.identity import models, rules
from app.identity.policy import policy_of
from app.identity.queries import find_locked, grants_of
from app.identity.rules import AccessRequestStatus, UserStatus
from app.infrastructure import heads, notes
from app.infrastructure.conditions import Condition, Writer, column, quoted
from app.infrastructure.heads import HeadExported, JournalVerified
from app.infrastructure.models import JournalEntry
from app.infrastructure.tables import IdentifiedTable, find_rows, table_of
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now

KEYS_NEAR_EXPIRY_DAYS = 30
LATELY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ComplianceSummary:
    """How an organization's accounts, keys and audit log stand at this moment."""

    pending_access_requests: int
    active_users: int
    users_without_second_factor: int
    users_lacking_required_second_factor: int
    stale_accounts: int
    locked_accounts: int
    keys_near_expiry: int
    keys_without_expiry: int
    failed_sign_ins: int
    refused_attempts: int
    sensitive_readings: int
    head_exported_at: datetime | None
    journal_verified_at: datetime | None


async def summarize(actor: Actor) -> ComplianceSummary:
    """The figures of the actor's organization; what is counted by the day is that of the last 24 hours."""
    ours, now = column("organization_id") == actor.organization_id, utc_now()
    policy = await policy_of(actor.organization_id)
    active = ours & (column("status") == UserStatus.ACTIVE)
    people, kinds = await find_rows(models.User, active), defaultdict[str, set[str]](set)
    for factor in await find_rows(models.MfaMethod, ours & ~column("confirmed_at").is_null()):
        kinds[factor.user_id].add(factor.kind)
    grants = await grants_of(people)
    asked = [one for one in people if policy.requires_factor(rules.known_roles(one.roles), grants[one.id])]
    since = now - timedelta(days=policy.stale_after_days)
    stale = (column("created_at") < since) & (column("last_login_at").is_null() | (column("last_login_at") < since))
    keys = ours & column("revoked_at").is_null()
    soon = (column("expires_at") >= now) & (column("expires_at") < now + timedelta(days=KEYS_NEAR_EXPIRY_DAYS))
    lately = ours & (column("at") >= now - LATELY)
    exported, verified = [await heads.last_of(actor.organization_id, fact) for fact in (HeadExported, JournalVerified)]
    return ComplianceSummary(
        pending_access_requests=await _count(
            models.AccessRequest, ours & (column("status") == AccessRequestStatus.PENDING)
        ),
        active_users=len(people),
        users_without_second_factor=sum(not kinds[one.id] for one in people),
        users_lacking_required_second_factor=sum(policy.mfa_methods.isdisjoint(kinds[one.id]) for one in asked),
        stale_accounts=await _count(models.User, active & stale),
        locked_accounts=len(await find_locked(actor)),
        keys_near_expiry=await _count(models.ApiKey, keys & soon),
        keys_without_expiry=await _count(models.ApiKey, keys & column("expires_at").is_null()),
        failed_sign_ins=await _count(models.LoginAttempt, lately & column("outcome").one_of(rules.FAILED)),
        refused_attempts=await _count(JournalEntry, lately & (column("type") == notes.AttemptRefused.__name__)),
        sensitive_readings=await _count(JournalEntry, lately & (column("type") == notes.SensitiveDataRead.__name__)),
        head_exported_at=exported.at if exported is not None else None,
        journal_verified_at=verified.at if verified is not None else None,
    )


async def _count(model: type[IdentifiedTable], condition: Condition) -> int:
    writer = Writer(database.dialect())
    sql = f"SELECT COUNT(*) FROM {quoted(table_of(model))} r WHERE {condition.write(writer, 'r')}"
    return int((await database.read_rows(sql, writer.values))[0][0])
