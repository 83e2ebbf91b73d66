"""What clients may ask about people, sessions and keys, and do to them; and how they sign in."""

from datetime import date, datetime
from decimal import Decimal

from app.identity import commands, queries, sign_in
from app.identity.secret import Secret, Slip
from app.kernel.actor import Actor, ActorKind
from app.kernel.errors import (
    AlreadyExists,
    ConfirmationRequired,
    Conflict,
    IllegalTransition,
    PasswordExpired,
    SecondFactorRequired,
    StaleVersion,
)
from app.kernel.permissions import Permission, Reach, Role
from schema.company.types import Organization
from schema.identity.types import (
    ApiKey,
    ApiKeyFilter,
    ApiKeyOrder,
    CustomRole,
    IssuedApiKey,
    LoginAttempt,
    LoginAttemptFilter,
    LoginAttemptOrder,
    RateLimit,
    RoleFilter,
    RoleOrder,
    Session,
    SessionFilter,
    SessionOrder,
    SharedBudget,
    SignedIn,
    User,
    UserFilter,
    UserOrder,
    Viewer,
    held_roles,
)
from schema.kit import (
    ANYONE,
    ID,
    SIGNED_IN,
    Connection,
    Context,
    Maybe,
    about,
    given,
    inputs,
    many,
    mutation,
    one,
    query,
)
from schema.kit.budgets import ACCOUNT, ORGANIZATION, OWN
from schema.kit.context import Balance
from schema.kit.live import changed

# Where a secret may be guessed. A document may hold one of these fields, once: else it would be many guesses in a request.
AUTHENTICATION_MUTATIONS = frozenset(
    {
        "logIn", "completeLogIn", "sendFactorCode", "refreshSession", "setPassword", "confirmIdentity", "confirmMfaMethod",
        "acceptInvitation", "completePasswordReset", "completeProviderLogIn",
    }
)  # fmt: skip

VERSION = "The version you saw; refused when it is not the current one. Leave it out to change whatever is there."
NEW_ID = "Your own id for it, so that you may send this again; without it we make one."
PASSWORD = "12 to 128 characters; not one of those that are tried first. Several unrelated words do well."

KEY_POINTS = (
    "The most points of its own budget, 5000 to 1000000, together with budgetPerSecond; without them it has what the server "
    "gives each key, which is also the most that counts."
)
KEY_REQUESTS = "The operations it may ask for in a minute, 1 to 100000; without it, as many as its budget pays for."
KEY_NETWORKS = "The networks it may be used from, such as 198.51.100.0/24, at most 50; without them, from everywhere."


class Queries:
    """What clients may ask."""

    @query("Who you are here and what you may do.", permission=SIGNED_IN)
    async def viewer(actor: Actor) -> Viewer:
        return Viewer(
            kind=actor.kind,
            roles=sorted(actor.roles),
            custom_roles=held_roles(
                [[row.id, row.name, row.description] for row in await queries.find_held_roles(actor)]
            ),
            reach=actor.reach,
            permissions=sorted(actor.permissions),
            organization_id=actor.organization_id,
            user_id=actor.id if actor.kind is ActorKind.USER else None,
            session_id=actor.session_id,
            must_enroll=actor.must_enroll,
        )

    @query(
        "The budget that your requests are paid from: yours, your key's, or your address' while you are not signed in. "
        "Null where nobody keeps count.",
        permission=ANYONE,
    )
    async def rate_limit(context: Context) -> RateLimit | None:
        own = context.balances.get(OWN)
        if own is None:
            return None
        terms = context.actor.terms if context.actor else None
        return RateLimit(
            maximum=own.maximum,
            available=own.available,
            restore_rate=own.restore_rate,
            requests_per_minute=terms.requests_per_minute if terms else None,
            account=_shared_budget(context.balances.get(ACCOUNT)),
            organization=_shared_budget(context.balances.get(ORGANIZATION)),
        )

    role: CustomRole | None = one("One of the organization's own roles.", permission=Permission.VIEW_USERS)
    roles: Connection[CustomRole] = many(
        "The organization's own roles, by name unless you say otherwise.",
        permission=Permission.VIEW_USERS,
        filter=RoleFilter,
        order=RoleOrder,
    )
    user: User | None = one("One user; your own always.", permission=SIGNED_IN)
    users: Connection[User] = many(
        "The users you may see, by name unless you say otherwise.",
        permission=Permission.VIEW_USERS,
        filter=UserFilter,
        order=UserOrder,
    )
    sessions: Connection[Session] = many(
        "The sessions you may see: your own, or everybody's if you manage users or audit.",
        permission=SIGNED_IN,
        filter=SessionFilter,
        order=SessionOrder,
    )
    login_attempts: Connection[LoginAttempt] = many(
        "Attempts to sign in: with your own login, or with anybody's if you manage users or audit.",
        permission=SIGNED_IN,
        filter=LoginAttemptFilter,
        order=LoginAttemptOrder,
    )
    api_key: ApiKey | None = one("One key.", permission=Permission.MANAGE_API_KEYS)
    api_keys: Connection[ApiKey] = many(
        "Partners' keys, by name unless you say otherwise.",
        permission=Permission.MANAGE_API_KEYS,
        filter=ApiKeyFilter,
        order=ApiKeyOrder,
    )


@inputs
class LogInInput:
    """A login and its password."""

    email: str = about("The login: an e-mail address, or a user name and its login domain as in alovelace@lamp.")
    password: str = about("The password.")


@inputs
class RefreshSessionInput:
    """What gives a new pair of tokens."""

    refresh_token: str = about("The refresh token; it is spent with this.")


@inputs
class SetPasswordInput:
    """Your new password, with the current one."""

    current_password: str = about("The password you have.")
    password: str = about(PASSWORD)


@inputs
class RevokeSessionInput:
    """A session to end."""

    id: ID = about("Which session.")


@inputs
class RevokeAllSessionsInput:
    """Whose sessions to end."""

    user_id: ID | None = about("Whose; your own, but for the one you are using, when left out.", default=None)


@inputs
class CreateRoleInput:
    """A role of the organization's own."""

    id: ID | None = about(NEW_ID, default=None)
    name: str = about("What it is called; no other role of the organization is.")
    description: str = about("What it is for.", default="")
    reach: Reach = about("Whose rows it opens; this never changes.", default=Reach.ORGANIZATION)
    permissions: list[Permission] = about("What it allows: some of what you may do yourself, as far as its reach goes.")


@inputs
class UpdateRoleInput:
    """Only what is given is changed."""

    id: ID = about("Which role.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What it is called.")
    description: Maybe[str] = about("What it is for.")
    permissions: Maybe[list[Permission]] = about("What it allows; it holds from the next request of whoever has it.")


@inputs
class DeleteRoleInput:
    """A role that nobody needs any more."""

    id: ID = about("Which role.")
    version: int | None = about(VERSION, default=None)


@inputs
class CreateUserInput:
    """Somebody to let in."""

    id: ID | None = about(NEW_ID, default=None)
    email: str = about("The e-mail address, which is also the login. It is one person's everywhere.")
    legal_name: str = about("The person's name.")
    roles: list[Role] = about(
        "What the person is here; roles of the company, or of a customer, not both. It may be empty beside customRoleIds."
    )
    custom_role_ids: list[ID] | None = about("The organization's own roles that the person holds.", default=None)
    password: str | None = about(f"{PASSWORD} Without one, nobody signs in until one is set.", default=None)
    username: str | None = about("The user name; made by the organization's convention when left out.", default=None)
    preferred_name: str | None = about("What the person is called.", default=None)
    phone: str | None = about(
        "The phone number; without a country code it is taken to be of the company's country.", default=None
    )
    time_zone: str | None = about("The person's own IANA time zone.", default=None)
    language: str | None = about("The person's language, such as de.", default=None)
    department: str | None = about("Where in the company the person works.", default=None)
    team: str | None = about("With whom the person works.", default=None)
    approval_limit: Decimal | None = about(
        "Up to what sum the person may approve work, at most your own limit; without it, yours.", default=None
    )
    manager_id: ID | None = about("To whom the person reports.", default=None)
    start_date: date | None = about("The person's first day.", default=None)
    employee_number: str | None = about("The company's own number for the person.", default=None)
    technician_id: ID | None = about("The technician this person is.", default=None)
    customer_id: ID | None = about("The customer this person belongs to; needed for a customer's roles.", default=None)


@inputs
class UpdateUserInput:
    """Only what is given is changed."""

    id: ID = about("Which user.")
    version: int | None = about(VERSION, default=None)
    email: Maybe[str] = about("The e-mail address, which is also the login.")
    legal_name: Maybe[str] = about("The person's name.")
    roles: Maybe[list[Role]] = about("What the person is here; it holds from the next request.")
    custom_role_ids: Maybe[list[ID]] = about(
        "The organization's own roles, all of them; it holds from the next request."
    )
    phone: Maybe[str | None] = about("The phone number.")
    time_zone: Maybe[str | None] = about("The person's own IANA time zone.")
    language: Maybe[str | None] = about("The person's language, such as de.")
    username: Maybe[str | None] = about("The user name.")
    preferred_name: Maybe[str | None] = about("What the person is called.")
    department: Maybe[str | None] = about("Where in the company the person works.")
    team: Maybe[str | None] = about("With whom the person works.")
    approval_limit: Maybe[Decimal | None] = about(
        "Up to what sum the person may approve work, at most your own limit; null: up to any."
    )
    manager_id: Maybe[ID | None] = about("To whom the person reports.")
    start_date: Maybe[date | None] = about("The person's first day.")
    employee_number: Maybe[str | None] = about("The company's own number for the person.")
    technician_id: Maybe[ID | None] = about("The technician this person is.")
    customer_id: Maybe[ID | None] = about("The customer this person belongs to.")


@inputs
class UpdateProfileInput:
    """Only what is given is changed."""

    version: int | None = about(VERSION, default=None)
    preferred_name: Maybe[str | None] = about("What you are called.")
    phone: Maybe[str | None] = about("Your phone number.")
    time_zone: Maybe[str | None] = about("Your own IANA time zone.")
    language: Maybe[str | None] = about("Your language, such as de.")


@inputs
class DeactivateUserInput:
    """Somebody to shut out."""

    id: ID = about("Which user.")
    version: int | None = about(VERSION, default=None)


@inputs
class ReactivateUserInput:
    """Somebody to let in again."""

    id: ID = about("Which user.")
    version: int | None = about(VERSION, default=None)


@inputs
class ResetPasswordInput:
    """Who needs a new password."""

    id: ID = about("Which user.")
    version: int | None = about(VERSION, default=None)


@inputs
class CreateApiKeyInput:
    """A key for a partner."""

    id: ID | None = about(NEW_ID, default=None)
    name: str = about("What it is for.")
    scopes: list[Permission] = about("What it allows: some of what you may do yourself.")
    expires_at: datetime | None = about("When it ends, within two years; without it, it does not.", default=None)
    budget_points: int | None = about(KEY_POINTS, default=None)
    budget_per_second: int | None = about("The points of that budget that come back each second.", default=None)
    requests_per_minute: int | None = about(KEY_REQUESTS, default=None)
    networks: list[str] | None = about(KEY_NETWORKS, default=None)


@inputs
class UpdateApiKeyInput:
    """Only what is given is changed."""

    id: ID = about("Which key.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What it is for.")
    expires_at: Maybe[datetime | None] = about("When it ends, within two years; null: it does not.")
    budget_points: Maybe[int | None] = about(KEY_POINTS)
    budget_per_second: Maybe[int | None] = about("The points of that budget that come back each second.")
    requests_per_minute: Maybe[int | None] = about(KEY_REQUESTS)
    networks: Maybe[list[str] | None] = about(KEY_NETWORKS)


@inputs
class RotateApiKeyInput:
    """A key that gets a new secret."""

    id: ID = about("Which key.")
    overlap_minutes: int = about("For how many minutes the old secret still opens, at most a week's.", default=60)


@inputs
class RevokeApiKeyInput:
    """A key to shut."""

    id: ID = about("Which key.")


def _shared_budget(balance: Balance | None) -> SharedBudget | None:
    if balance is None:
        return None
    return SharedBudget(maximum=balance.maximum, available=balance.available, restore_rate=balance.restore_rate)


async def signed_in(context: Context, session: sign_in.SignedIn) -> SignedIn:
    """The answer, read as the one who just signed in."""
    context.actor = await queries.actor_of_token(session.access_token, context.address)
    return SignedIn(
        access_token=session.access_token,
        access_expires_at=session.access_expires_at,
        refresh_token=session.refresh_token,
        refresh_expires_at=session.refresh_expires_at,
        user_id=session.user_id,
        session_id=session.session_id,
        must_enroll=context.actor.must_enroll,
    )


class Mutations:
    """What clients may do."""

    @mutation(
        SignedIn,
        "Signs in with a password. A wrong password, an unknown login and a deactivated user get the same answer. After "
        "several failures from the same network it is RATE_LIMITED for a growing while. Who has a second factor gets "
        "SECOND_FACTOR_REQUIRED with a challenge for completeLogIn.",
        permission=ANYONE,
        problems=(PasswordExpired, SecondFactorRequired),
    )
    async def log_in(context: Context, input: LogInInput) -> SignedIn:
        session = await sign_in.log_in(
            input.email, input.password, address=context.address, user_agent=context.user_agent
        )
        return await signed_in(context, session)

    @mutation(
        SignedIn,
        "Gives a new pair of tokens for a refresh token, and spends it. Repeated within ten seconds it gives the same pair; "
        "used again later it ends the session.",
        permission=ANYONE,
    )
    async def refresh_session(context: Context, input: RefreshSessionInput) -> SignedIn:
        session = await sign_in.refresh_session(input.refresh_token, address=context.address)
        return await signed_in(context, session)

    @mutation(Session, "Ends the session you are using.", permission=SIGNED_IN)
    async def log_out(actor: Actor) -> str:
        return await commands.log_out(actor)

    @mutation(User, "Changes your own password; your other sessions end.", permission=SIGNED_IN)
    async def set_password(actor: Actor, context: Context, input: SetPasswordInput) -> str:
        return await sign_in.set_password(
            actor,
            Secret(input.current_password),
            Secret(input.password),
            address=context.address,
            user_agent=context.user_agent,
        )

    @mutation(Session, "Ends a session: your own, or anybody's if you manage users.", permission=SIGNED_IN)
    async def revoke_session(actor: Actor, input: RevokeSessionInput) -> str:
        return await commands.revoke_session(actor, input.id)

    @mutation(
        User,
        "Ends all your sessions but the one you are using, or all of somebody's if you manage users.",
        permission=SIGNED_IN,
    )
    async def revoke_all_sessions(actor: Actor, input: RevokeAllSessionsInput) -> str:
        return await commands.revoke_all_sessions(actor, input.user_id)

    @mutation(
        CustomRole,
        "Makes a role of the organization's own. It allows nothing that you may not do yourself.",
        permission=Permission.MANAGE_ROLES,
        problems=(AlreadyExists, Conflict, ConfirmationRequired),
    )
    async def create_role(actor: Actor, input: CreateRoleInput) -> str:
        return await commands.create_role(
            actor,
            id=input.id,
            name=input.name,
            description=input.description,
            reach=input.reach,
            permissions=input.permissions,
        )

    @mutation(
        CustomRole,
        "Changes what a role of the organization's own is called or allows. You change only what you could give.",
        permission=Permission.MANAGE_ROLES,
        problems=(StaleVersion, AlreadyExists, ConfirmationRequired),
    )
    async def update_role(actor: Actor, input: UpdateRoleInput) -> str:
        return await commands.update_role(actor, input.id, version=input.version, **given(input))

    @mutation(
        Organization,
        "Deletes a role of the organization's own that no user holds. The answer is the organization.",
        permission=Permission.MANAGE_ROLES,
        problems=(StaleVersion, Conflict, ConfirmationRequired),
    )
    async def delete_role(actor: Actor, input: DeleteRoleInput) -> str:
        return await commands.delete_role(actor, input.id, version=input.version)

    @mutation(
        User,
        "Lets somebody in.",
        permission=Permission.MANAGE_USERS,
        problems=(AlreadyExists, ConfirmationRequired),
    )
    async def create_user(actor: Actor, input: CreateUserInput) -> str:
        return await commands.create_user(
            actor,
            id=input.id,
            email=input.email,
            legal_name=input.legal_name,
            roles=input.roles,
            custom_role_ids=list(input.custom_role_ids or ()),
            password=Secret(input.password) if input.password is not None else None,
            phone=input.phone,
            time_zone=input.time_zone,
            language=input.language,
            username=input.username,
            preferred_name=input.preferred_name,
            department=input.department,
            team=input.team,
            **({"approval_limit": input.approval_limit} if input.approval_limit is not None else {}),
            manager_id=input.manager_id,
            start_date=input.start_date,
            employee_number=input.employee_number,
            technician_id=input.technician_id,
            customer_id=input.customer_id,
        )

    @mutation(
        User,
        "Changes a user's profile, roles or links. The last active administrator keeps that role.",
        permission=Permission.MANAGE_USERS,
        problems=(StaleVersion, AlreadyExists, Conflict, ConfirmationRequired),
    )
    async def update_user(actor: Actor, input: UpdateUserInput) -> str:
        return await commands.update_user(actor, input.id, version=input.version, **given(input))

    @mutation(User, "Changes what is your own to change.", permission=SIGNED_IN, problems=(StaleVersion,))
    async def update_profile(actor: Actor, input: UpdateProfileInput) -> str:
        return await commands.update_profile(actor, version=input.version, **given(input))

    @mutation(
        User,
        "Shuts somebody out; all sessions end at once. Neither you yourself nor the last administrator.",
        permission=Permission.MANAGE_USERS,
        problems=(StaleVersion, IllegalTransition, Conflict, ConfirmationRequired),
    )
    async def deactivate_user(actor: Actor, input: DeactivateUserInput) -> str:
        return await commands.deactivate_user(actor, input.id, version=input.version)

    @mutation(
        User,
        "Lets somebody in again, with the roles and the password there were.",
        permission=Permission.MANAGE_USERS,
        problems=(StaleVersion, IllegalTransition, Conflict, ConfirmationRequired),
    )
    async def reactivate_user(actor: Actor, input: ReactivateUserInput) -> str:
        return await commands.reactivate_user(actor, input.id, version=input.version)

    @mutation(
        User,
        "Makes somebody choose a new password: the one there is opens nothing any more, all sessions end, and a link is mailed "
        "that opens once, within half an hour; with requestPasswordReset the person gets another.",
        permission=Permission.MANAGE_USERS,
        problems=(Conflict, ConfirmationRequired, StaleVersion),
    )
    async def reset_password(actor: Actor, input: ResetPasswordInput) -> str:
        return await commands.reset_password(actor, input.id, version=input.version)

    @mutation(
        IssuedApiKey,
        "Makes a key for a partner.",
        permission=Permission.MANAGE_API_KEYS,
        problems=(ConfirmationRequired,),
    )
    async def create_api_key(actor: Actor, input: CreateApiKeyInput) -> IssuedApiKey:
        slip = Slip()
        id = await commands.create_api_key(
            actor,
            slip,
            id=input.id,
            name=input.name,
            scopes=input.scopes,
            expires_at=input.expires_at,
            budget_points=input.budget_points,
            budget_per_second=input.budget_per_second,
            requests_per_minute=input.requests_per_minute,
            networks=input.networks,
        )
        return IssuedApiKey(secret=slip.secret, api_key_id=id)

    @mutation(
        ApiKey,
        "Changes a key's name, end, budget or networks. Its scopes stay: make another key for other ones.",
        permission=Permission.MANAGE_API_KEYS,
        problems=(StaleVersion, ConfirmationRequired),
    )
    async def update_api_key(actor: Actor, input: UpdateApiKeyInput) -> str:
        return await commands.update_api_key(actor, input.id, version=input.version, **given(input))

    @mutation(
        IssuedApiKey,
        "Gives a key a new secret; the old one still opens for a while.",
        permission=Permission.MANAGE_API_KEYS,
        problems=(ConfirmationRequired,),
    )
    async def rotate_api_key(actor: Actor, input: RotateApiKeyInput) -> IssuedApiKey:
        slip = Slip()
        id = await commands.rotate_api_key(actor, slip, input.id, overlap_minutes=input.overlap_minutes)
        return IssuedApiKey(secret=slip.secret, api_key_id=id)

    @mutation(
        ApiKey,
        "Shuts a key, its old secret included.",
        permission=Permission.MANAGE_API_KEYS,
        problems=(ConfirmationRequired,),
    )
    async def revoke_api_key(actor: Actor, input: RevokeApiKeyInput) -> str:
        return await commands.revoke_api_key(actor, input.id)


class Subscriptions:
    """What clients may hear."""

    role_changed = changed(
        CustomRole, "A role of the organization's own was made, changed or deleted.", permission=Permission.VIEW_USERS
    )
    user_changed = changed(User, "A user was added, changed, shut out or let in.", permission=Permission.VIEW_USERS)
