"""What an organization asks of its people's passwords, second factors and sessions: seen and changed."""

from typing import Any

from app.identity import commands
from app.identity.policy import FactorKind, SecurityPolicy, UsernameConvention, policy_of, shown_limits
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, ConfirmationRequired, StaleVersion
from app.kernel.permissions import Permission, Role
from schema.kit import Maybe, about, describe_enum, given, inputs, mutation, plain, query

describe_enum(
    UsernameConvention,
    "What a new user's name for signing in is made of.",
    {
        UsernameConvention.EMAIL: "None is made: the e-mail address does.",
        UsernameConvention.INITIAL_SURNAME: "The first letter of the name and the surname, such as alovelace.",
        UsernameConvention.EMPLOYEE_NUMBER: "The company's own number for the person; without one, initial and surname.",
    },
)


@plain
class RoleSessionLimit:
    """How long sessions of a role last."""

    role: Role = about("Whose sessions.")
    idle_minutes: int = about("When a session ends unless it is used before.")
    absolute_minutes: int = about("When a session ends whatever happens.")


@plain
class OrganizationSecurityPolicy:
    """What your organization asks of its people's passwords, second factors and sessions."""

    version: int = about("Counts up with every change; 0 while nothing was ever set.")
    password_length_min: int = about("How many characters a password has at least.")
    password_classes_min: int = about("How many of these it has at least: small letters, capitals, digits, signs.")
    password_history: int = about("How many of the last passwords may not be taken again.")
    password_days_max: int | None = about("After how many days a new password is needed; null: never.")
    username_convention: UsernameConvention = about("What a new user's name for signing in is made of.")
    login_domain: str | None = about(
        "What stands behind the @ of a user name for signing in, as in alovelace@lamp; null: people sign in with their "
        "e-mail address alone."
    )
    takes_access_requests: bool = about("Whether strangers may ask to be let in, by the login domain.")
    mfa_roles: list[Role] = about("Who may not sign in by the password alone.")
    mfa_methods: list[FactorKind] = about("What may be asked for besides the password.")
    session_limits: list[RoleSessionLimit] = about(
        "How long sessions last, for the roles for which it was set; else 14 days unused and 60 days in all. Of several "
        "roles, the strictest counts."
    )
    stale_after_days: int = about("After how many days without signing in an account is listed as stale.")
    reauthentication_minutes: int = about("For how long somebody who gave the password may make dangerous changes.")


@inputs
class RoleSessionLimitInput:
    """How long sessions of a role last."""

    role: Role = about("Whose sessions.")
    idle_minutes: int = about("When a session ends unless it is used before: 5 minutes to 90 days.")
    absolute_minutes: int = about("When a session ends whatever happens: 15 minutes to 366 days.")


@inputs
class SetSecurityPolicyInput:
    """Only what is given is changed."""

    version: int | None = about(
        "The version you saw, 0 if nothing was set; refused when it is not the current one.", default=None
    )
    password_length_min: Maybe[int] = about("How many characters a password has at least, 8 to 64.")
    password_classes_min: Maybe[int] = about(
        "How many of these it has at least, 0 to 4: small letters, capitals, digits, signs."
    )
    password_history: Maybe[int] = about("How many of the last passwords may not be taken again, 0 to 24.")
    password_days_max: Maybe[int | None] = about("After how many days a new password is needed; null: never.")
    username_convention: Maybe[UsernameConvention] = about("What a new user's name for signing in is made of.")
    login_domain: Maybe[str | None] = about(
        "What stands behind the @ of a user name for signing in: 2 to 40 small letters, digits and hyphens that no other "
        "organization has; null: people sign in with their e-mail address alone."
    )
    takes_access_requests: Maybe[bool] = about("Whether strangers may ask to be let in, by the login domain.")
    mfa_roles: Maybe[list[Role]] = about("Who may not sign in by the password alone.")
    mfa_methods: Maybe[list[FactorKind]] = about("What may be asked for besides the password.")
    session_limits: Maybe[list[RoleSessionLimitInput]] = about(
        "How long sessions last, for all roles for which it is set; the others have the usual limits."
    )
    stale_after_days: Maybe[int] = about("After how many days without signing in an account is stale, 7 to 730.")
    reauthentication_minutes: Maybe[int] = about(
        "For how long somebody who gave the password may make dangerous changes, 1 to 1440."
    )


def shown_policy(policy: SecurityPolicy) -> OrganizationSecurityPolicy:
    """The rules as clients see them."""
    return OrganizationSecurityPolicy(
        version=policy.version,
        password_length_min=policy.password_length_min,
        password_classes_min=policy.password_classes_min,
        password_history=policy.password_history,
        password_days_max=policy.password_days_max,
        username_convention=policy.username_convention,
        login_domain=policy.login_domain,
        takes_access_requests=policy.takes_access_requests,
        mfa_roles=[role for role in Role if role in policy.mfa_roles],
        mfa_methods=[kind for kind in FactorKind if kind in policy.mfa_methods],
        session_limits=[
            RoleSessionLimit(role=role, idle_minutes=limit.idle_minutes, absolute_minutes=limit.absolute_minutes)
            for role, limit in shown_limits(policy)
        ],
        stale_after_days=policy.stale_after_days,
        reauthentication_minutes=policy.reauthentication_minutes,
    )


class Queries:
    """What clients may ask."""

    @query(
        "What your organization asks of its people's passwords, second factors and sessions.",
        permission=Permission.VIEW_ORGANIZATION,
    )
    async def security_policy(actor: Actor) -> OrganizationSecurityPolicy:
        return shown_policy(await policy_of(actor.organization_id))


class Mutations:
    """What clients may do."""

    @mutation(
        OrganizationSecurityPolicy,
        "Changes what your organization asks of its people. Passwords are held to it when they are next set.",
        permission=Permission.MANAGE_SECURITY,
        problems=(AlreadyExists, ConfirmationRequired, StaleVersion),
        noun="security_policy",
    )
    async def set_security_policy(actor: Actor, input: SetSecurityPolicyInput) -> OrganizationSecurityPolicy:
        changes: dict[str, Any] = given(input)
        if "session_limits" in changes:
            changes["session_limits"] = [
                (one.role, one.idle_minutes, one.absolute_minutes) for one in changes["session_limits"]
            ]
        await commands.set_security_policy(actor, version=input.version, **changes)
        return shown_policy(await policy_of(actor.organization_id))
