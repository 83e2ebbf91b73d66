"""What clients may see of people, sessions, keys and attempts to sign in."""

from datetime import date, datetime
from decimal import Decimal

import orjson

from app.identity import models, rules
from app.identity.policy import FactorKind
from app.infrastructure.conditions import Condition, Writer, column, quoted
from app.kernel.actor import Actor, ActorKind
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.permissions import Permission, Reach, Role
from schema.company.types import Organization
from schema.kit import (
    ID,
    Connection,
    DateFilter,
    DateTimeFilter,
    DecimalFilter,
    EnumFilter,
    IdFilter,
    IntFilter,
    Node,
    Private,
    StringFilter,
    about,
    by,
    children,
    col,
    computed,
    contains,
    describe_enum,
    filterable,
    link,
    of_column,
    orderable,
    parent,
    plain,
    readable,
)

P = Permission
R = Role

describe_enum(
    ActorKind,
    "What stands behind a request or a change.",
    {
        ActorKind.USER: "A person who signed in.",
        ActorKind.API_KEY: "A partner's program, with a key.",
        ActorKind.SYSTEM: "The organization's own automatic work.",
    },
)
describe_enum(
    Role,
    "What somebody is here, and so may do. A person may have several roles of the company, or one of a customer.",
    {
        R.ADMINISTRATOR: "Runs the company's account: may do everything but report a technician's status.",
        R.OPERATIONS_MANAGER: "Dispatches, and manages technicians and approvals.",
        R.DISPATCHER: "Takes requests and plans who goes where.",
        R.TECHNICIAN: "Goes there and does the work.",
        R.INVENTORY_SPECIALIST: "Looks after parts and equipment.",
        R.QUALITY_MANAGER: "Reviews and approves work.",
        R.FINANCE: "Sees prices and costs, and approves work.",
        R.SUPPORT: "Answers customers and takes their requests.",
        R.AUDITOR: "Reads everything of the company, the audit log included, and changes nothing.",
        R.ACCOUNT_ADMINISTRATOR: "Runs a customer's account.",
        R.CUSTOMER_USER: "Requests work for a customer.",
        R.RESIDENTIAL_CUSTOMER: "A private customer.",
        R.GUEST: "Looks at a customer's account and changes nothing.",
        R.PARTNER: "Another company's program.",
    },
)
describe_enum(
    Reach,
    "Whose rows a role opens. Who holds several roles reaches as far as the widest of them.",
    {
        Reach.ORGANIZATION: "All of the organization, as for people of the office.",
        Reach.OWN_WORK: "The own work and what belongs to it, as for a technician.",
        Reach.ACCOUNT: "One customer's account, as for people of a customer.",
    },
)
describe_enum(
    Permission,
    "Everything that can be allowed.",
    {
        P.VIEW_ORGANIZATION: "See the company's settings.",
        P.MANAGE_ORGANIZATION: "Change the company's profile, calendars, numbers, service types and territories.",
        P.VIEW_USERS: "See the company's users.",
        P.MANAGE_USERS: "Add, change and deactivate users, and end their sessions; a customer's administrator, the customer's.",
        P.MANAGE_PRIVACY: "Answer people's requests for their data and for its erasure, and note what they consented to.",
        P.MANAGE_SECURITY: "See and change what is asked of people's passwords, second factors and sessions.",
        P.MANAGE_ROLES: "Make, change and delete the company's own roles.",
        P.MANAGE_API_KEYS: "See, make, rotate and revoke partners' keys.",
        P.VIEW_CUSTOMERS: "See customers, contacts and sites.",
        P.MANAGE_CUSTOMERS: "Change customers, contacts and sites.",
        P.VIEW_ACCESS_CODES: "See how to get into a site.",
        P.VIEW_TECHNICIANS: "See technicians, their skills and hours.",
        P.MANAGE_TECHNICIANS: "Change technicians, their skills and hours.",
        P.VIEW_TECHNICIAN_COSTS: "See what technicians cost.",
        P.VIEW_POSITIONS: "See where technicians are.",
        P.REPORT_OWN_STATUS: "Report one's own status and position as a technician.",
        P.VIEW_EQUIPMENT: "See equipment.",
        P.MANAGE_EQUIPMENT: "Change equipment.",
        P.VIEW_WORK_ORDERS: "See work orders.",
        P.ADD_NOTES: "Write notes on work that one may see.",
        P.REQUEST_WORK: "Ask for work.",
        P.MANAGE_WORK_ORDERS: "Change, triage and hold work orders.",
        P.EXECUTE_WORK_ORDERS: "Record what was done, and complete work.",
        P.APPROVE_WORK_ORDERS: "Approve completed work.",
        P.CANCEL_WORK_ORDERS: "Call work off.",
        P.VIEW_INTERNAL_NOTES: "Read notes that customers do not see.",
        P.VIEW_PRICES: "See prices.",
        P.SET_PRICES: "Set prices, and how much customers may owe.",
        P.VIEW_SCHEDULE: "See appointments.",
        P.SHARE_VISITS: "Make and revoke links to visits that one may see.",
        P.MANAGE_SCHEDULE: "Make, move and cancel appointments.",
        P.OVERRIDE_SCHEDULE_CONFLICTS: "Schedule against a rule, with a reason.",
        P.PLAN_SCHEDULE: "Let the planner make plans, and commit them.",
        P.BOOK_VISITS: "Choose a time for work that one may see, and have it kept free.",
        P.EXECUTE_APPOINTMENTS: "Go through an appointment's steps.",
        P.VIEW_ALERTS: "See what needs attention.",
        P.MANAGE_ALERTS: "Acknowledge and resolve alerts.",
        P.VIEW_MESSAGES: "Read conversations.",
        P.SEND_MESSAGES: "Write messages.",
        P.VIEW_JOURNAL: "Follow what happens.",
        P.IMPORT_DATA: "Import data, and see past imports.",
        P.EXPORT_DATA: "Take whole lists out as files (bulk exports), as far as one may see them.",
        P.VIEW_OPERATIONS: "See how the system itself is doing.",
        P.VIEW_AUDIT: "Read the audit log: who did, tried and read what, and from where.",
    },
)
describe_enum(
    rules.UserStatus,
    "Whether a person may sign in.",
    {
        rules.UserStatus.INVITED: "Got a link to set a password, and may not sign in before.",
        rules.UserStatus.ACTIVE: "May sign in.",
        rules.UserStatus.DEACTIVATED: "May not; the past keeps the name.",
    },
)
describe_enum(
    FactorKind,
    "What can be asked for besides the password.",
    {
        FactorKind.TOTP: "A code of an app on the phone.",
        FactorKind.WEBAUTHN: "A security key, or the device itself.",
        FactorKind.SMS: "A code by text message.",
        FactorKind.EMAIL: "A code by mail.",
    },
)
describe_enum(
    rules.LoginOutcome,
    "How an attempt to sign in went.",
    {
        rules.LoginOutcome.STARTED: "It was never finished, and counts as failed.",
        rules.LoginOutcome.SUCCEEDED: "A session was opened.",
        rules.LoginOutcome.CONFIRMED: "Somebody who was signed in proved once more who they are.",
        rules.LoginOutcome.CHALLENGED: "The password was right, and a second factor was asked for.",
        rules.LoginOutcome.WRONG_FACTOR: "The second factor was wrong.",
        rules.LoginOutcome.WRONG_PASSWORD: "The password was wrong.",
        rules.LoginOutcome.UNKNOWN_LOGIN: "Nobody has this login.",
        rules.LoginOutcome.DEACTIVATED: "The password was right, but the user is deactivated.",
        rules.LoginOutcome.PASSWORD_EXPIRED: "The password was right, but older than the organization allows.",
        rules.LoginOutcome.SLOWED_DOWN: "Too many had failed before; the password was not looked at.",
    },
)
describe_enum(
    rules.RevocationReason,
    "Why a session ended before its time.",
    {
        rules.RevocationReason.LOGGED_OUT: "The person signed out.",
        rules.RevocationReason.REVOKED: "The person, or an administrator, ended it from elsewhere.",
        rules.RevocationReason.TOKEN_REUSED: "A spent refresh token was presented again, so one may have been stolen.",
        rules.RevocationReason.PASSWORD_CHANGED: "The person got a new password.",
        rules.RevocationReason.USER_DEACTIVATED: "The person may no longer sign in.",
        rules.RevocationReason.FACTORS_RESET: "An administrator took the person's second factors away.",
        rules.RevocationReason.TOO_MANY_SESSIONS: "The person opened many newer ones.",
    },
)


def _search(actor: Actor, text: str) -> Condition:
    return contains("legal_name", text) | contains("email", text) | contains("employee_number", text)


def _is_living(actor: Actor, value: bool) -> Condition:
    living = column("revoked_at").is_null() & (column("refresh_expires_at") > utc_now())
    return living if value else ~living


def _is_current(actor: Actor, id: str) -> bool:
    return actor.session_id == id


@filterable(models.CustomRole)
class RoleFilter:
    """Which of the organization's own roles."""

    id: IdFilter | None = by("Its id.")
    name: StringFilter | None = by("What it is called.")
    description: StringFilter | None = by("What it is for.")
    reach: EnumFilter[Reach] | None = by("Whose rows it opens.")
    created_at: DateTimeFilter | None = by("When it was made.")


RoleOrder = orderable(
    "RoleOrder",
    models.CustomRole,
    default=("name",),
    name="What it is called.",
    description="What it is for.",
    reach="Whose rows it opens.",
    created_at="When it was made.",
)


@filterable(models.User)
class UserFilter:
    """Which users."""

    id: IdFilter | None = by("Its id.")
    email: StringFilter | None = by("Their login.")
    legal_name: StringFilter | None = by("Their name.")
    status: EnumFilter[rules.UserStatus] | None = by("Whether they may sign in.")
    customer_id: IdFilter | None = by("The customer they belong to.")
    technician_id: IdFilter | None = by("The technician they are.")
    last_login_at: DateTimeFilter | None = by("When they last signed in; isNull finds those who never did.")
    phone: StringFilter | None = by("The phone number, E.164.")
    time_zone: StringFilter | None = by("The person's own IANA time zone; without it, the organization's.")
    language: StringFilter | None = by("The person's language, such as de.")
    username: StringFilter | None = by("Their user name.")
    preferred_name: StringFilter | None = by("What the person is called.")
    department: StringFilter | None = by("Where in the company the person works.")
    team: StringFilter | None = by("With whom the person works.")
    approval_limit: DecimalFilter | None = by("Up to what sum the person may approve work.")
    manager_id: IdFilter | None = by("To whom the person reports.")
    start_date: DateFilter | None = by("The person's first day.")
    employee_number: StringFilter | None = by("The company's own number for the person.")
    unlocked_at: DateTimeFilter | None = by("When wrong passwords were last forgiven.")
    password_changed_at: DateTimeFilter | None = by("When the password was last set; null while there is none.")
    created_at: DateTimeFilter | None = by("When the person was added.")
    search: str | None = by("Text in name, e-mail address or employee number.", where=_search)


UserOrder = orderable(
    "UserOrder",
    models.User,
    default=("legal_name",),
    legal_name="Their name.",
    email="Their login.",
    created_at="When they were added.",
    last_login_at="When they last signed in; those who never did come last.",
    phone="The phone number, E.164.",
    status="Whether the person may sign in.",
    time_zone="The person's own IANA time zone; without it, the organization's.",
    language="The person's language, such as de.",
    username="Their user name.",
    preferred_name="What the person is called.",
    department="Where in the company the person works.",
    team="With whom the person works.",
    approval_limit="Up to what sum the person may approve work; those without a limit come last.",
    start_date="The person's first day.",
    employee_number="The company's own number for the person.",
    unlocked_at="When wrong passwords were last forgiven.",
    password_changed_at="When the password was last set; null while there is none.",
)


@filterable(models.Session)
class SessionFilter:
    """Which sessions."""

    id: IdFilter | None = by("Its id.")
    user_id: IdFilter | None = by("Whose.")
    is_living: bool | None = by("Only those that are open, or only those that ended.", where=_is_living)
    last_used_at: DateTimeFilter | None = by("When it was last used.")
    address: StringFilter | None = by("Where it was last used from.")
    user_agent: StringFilter | None = by("What it was begun with.")
    created_at: DateTimeFilter | None = by("When it began.")
    expires_at: DateTimeFilter | None = by("When it ends unless it is used before.", column="refresh_expires_at")
    ends_at: DateTimeFilter | None = by("When it ends whatever happens.", column="absolute_expires_at")
    revoked_at: DateTimeFilter | None = by("When it was ended before its time.")
    revoked_reason: EnumFilter[rules.RevocationReason] | None = by("Why it was ended before its time.")


SessionOrder = orderable(
    "SessionOrder",
    models.Session,
    default=("-last_used_at",),
    last_used_at="When it was last used.",
    created_at="When it began.",
    address="Where it was last used from.",
    user_agent="What it was begun with.",
    revoked_at="When it was ended before its time.",
    revoked_reason="Why it was ended before its time.",
    expires_at=of_column("When it ends unless it is used before.", "refresh_expires_at"),
    ends_at=of_column("When it ends whatever happens.", "absolute_expires_at"),
)


@filterable(models.LoginAttempt)
class LoginAttemptFilter:
    """Which attempts to sign in."""

    id: IdFilter | None = by("Its id.")
    user_id: IdFilter | None = by("Whose login was tried.")
    outcome: EnumFilter[rules.LoginOutcome] | None = by("How it went.")
    address: StringFilter | None = by("Where it came from.")
    at: DateTimeFilter | None = by("When.")
    login: StringFilter | None = by("The login that was tried.")
    user_agent: StringFilter | None = by("What it came with.")


LoginAttemptOrder = orderable(
    "LoginAttemptOrder",
    models.LoginAttempt,
    default=("-at",),
    at="When.",
    login="The login that was tried.",
    address="Where it came from.",
    user_agent="What it came with.",
    outcome="How it went.",
)


@readable(models.CustomRole, permission=Permission.VIEW_USERS)
class CustomRole(Node):
    """A role that the organization made itself: some permissions under a name, given beside or instead of built-in roles."""

    version: int = col("Counts up with every change.")
    name: str = col("What it is called.")
    description: str = col("What it is for.")
    reach: Reach = col("Whose rows it opens; this never changes.", facet=True)
    permissions: list[Permission] = col("What it allows.")
    created_at: datetime = col("When it was made.")


@plain
class HeldRole:
    """One of the organization's own roles, as somebody holds it."""

    role_id: ID = about("Its id.")
    name: str = about("What it is called.")
    description: str = about("What it is for.")


def _roles_of(writer: Writer, alias: str, actor: Actor) -> str:
    """Id, name and description of each of the organization's own roles that a user holds: a JSON list, or nothing."""
    inner, ids = writer.alias(), f'{quoted(alias)}."custom_role_ids"'
    parts = ", ".join(f"{quoted(inner)}.{quoted(name)}" for name in ("id", "name", "description"))
    if writer.dialect is Dialect.SQLITE:
        listed, held = f"json_group_array(json_array({parts}))", f"SELECT value FROM json_each({ids})"
    else:
        listed, held = (
            f"json_agg(json_build_array({parts}))",
            f"SELECT jsonb_array_elements_text(CAST({ids} AS jsonb))",
        )
    mine = f'{quoted(inner)}."organization_id" = {quoted(alias)}."organization_id"'
    return f'(SELECT {listed} FROM "custom_role" {quoted(inner)} WHERE {mine} AND {quoted(inner)}."id" IN ({held}))'


def held_roles(roles: list[list[str]] | str | None) -> list[HeldRole]:
    """The roles by name."""
    known: list[list[str]] = orjson.loads(roles) if isinstance(roles, str) else roles or []
    named = sorted(known, key=lambda one: (one[1], one[0]))
    return [HeldRole(role_id=ID(id), name=name, description=description) for id, name, description in named]


@readable(models.User, permission=None)
class User(Node):
    """A person who can sign in, or could. Users are deactivated, never deleted, because the past names them."""

    version: int = col("Counts up with every change.")
    email: str = col("The e-mail address, which is also the login.")
    legal_name: str = col("The person's name.")
    phone: str | None = col("The phone number, E.164.")
    roles: list[Role] = col("What the person is here.")
    custom_role_ids: list[ID] = col("The organization's own roles that the person holds.")
    custom_roles: list[HeldRole] = computed(
        "The organization's own roles that the person holds, by name.", held_roles, needs=(_roles_of,)
    )
    status: rules.UserStatus = col("Whether the person may sign in.", facet=True)
    time_zone: str | None = col("The person's own IANA time zone; without it, the organization's.")
    language: str | None = col("The person's language, such as de.")
    username: str | None = col(
        "The user name. One signs in with it and the organization's login domain, as in alovelace@lamp. Null where the "
        "convention is the e-mail address."
    )
    preferred_name: str | None = col("What the person is called.")
    department: str | None = col("Where in the company the person works.")
    team: str | None = col("With whom the person works.")
    approval_limit: Decimal | None = col(
        "Up to what sum the person may approve work, in the organization's currency; null: up to any."
    )
    manager_id: ID | None = col("To whom the person reports.")
    manager: "User" = parent("To whom the person reports.", via="manager_id")
    start_date: date | None = col("The person's first day.")
    employee_number: str | None = col("The company's own number for the person.")
    technician_id: ID | None = col("The technician this person is, if one.")
    customer_id: ID | None = col("The customer this person belongs to, if one.")
    last_login_at: datetime | None = col("When the person last signed in.")
    unlocked_at: datetime | None = col("When wrong passwords were last forgiven.")
    password_changed_at: datetime | None = col("When the password was last set; null while there is none.")
    created_at: datetime = col("When the person was added.")
    sessions: Connection["Session"] = children(
        "The person's sessions, as far as you may see them.", via="user_id", filter=SessionFilter, order=SessionOrder
    )


@readable(models.Session, permission=None)
class Session(Node):
    """One sign-in, from its start to its end. You see your own; who manages users sees all."""

    user: User = parent("Whose it is.")
    address: str = col("Where it was last used from.")
    user_agent: str = col("What it was begun with.")
    created_at: datetime = col("When it began.")
    last_used_at: datetime = col("When it was last used, to the minute.")
    expires_at: datetime = col("When it ends unless it is used before.", column="refresh_expires_at")
    ends_at: datetime = col("When it ends whatever happens.", column="absolute_expires_at")
    revoked_at: datetime | None = col("When it was ended before its time.")
    revoked_reason: rules.RevocationReason | None = col("Why it was ended before its time.")
    is_current: bool = computed("Whether you are using it now.", _is_current, needs=("id",), actor=True)


@readable(models.LoginAttempt, permission=None)
class LoginAttempt(Node):
    """Somebody tried to sign in. You see those for your own login; who manages users sees all of the organization's."""

    user: User = parent("Whose login was tried.")
    login: str = col("The login that was tried.")
    address: str = col("Where it came from.")
    user_agent: str = col("What it came with.")
    at: datetime = col("When.", facet=True)
    outcome: rules.LoginOutcome = col("How it went.", facet=True)


@filterable(models.ApiKey)
class ApiKeyFilter:
    """Which keys."""

    id: IdFilter | None = by("Its id.")
    name: StringFilter | None = by("Its name.")
    is_revoked: bool | None = by(
        "Only those that were revoked, or only the others.",
        where=lambda actor, value: ~column("revoked_at").is_null() if value else column("revoked_at").is_null(),
    )
    expires_at: DateTimeFilter | None = by("When it ends.")
    last_used_at: DateTimeFilter | None = by("When it was last used.")
    shown_prefix: StringFilter | None = by("The first characters of its secret, to tell keys apart.")
    revoked_at: DateTimeFilter | None = by("When it was revoked.")
    previous_expires_at: DateTimeFilter | None = by("Until when the secret before the last rotation opens, too.")
    created_by_user_id: IdFilter | None = by("Who made it.")
    created_at: DateTimeFilter | None = by("When it was made.")
    use_count: IntFilter | None = by("How often it was used.")
    last_used_from: StringFilter | None = by("The address that it was last used from.")
    budget_points: IntFilter | None = by("The most points of its own budget; isNull for keys without one.")
    budget_per_second: IntFilter | None = by("The points of its own budget that come back each second.")
    requests_per_minute: IntFilter | None = by("The operations it may ask for in a minute; isNull for any number.")


ApiKeyOrder = orderable(
    "ApiKeyOrder",
    models.ApiKey,
    default=("name",),
    name="Its name.",
    created_at="When it was made.",
    last_used_at="When it was last used; those never used come last.",
    expires_at="When it ends; those that do not come last.",
    shown_prefix="The first characters of its secret, to tell keys apart.",
    revoked_at="When it was revoked.",
    previous_expires_at="Until when the secret before the last rotation opens, too.",
    use_count="How often it was used.",
    last_used_from="The address that it was last used from; those never used come last.",
    budget_points="The most points of its own budget; those without one come last.",
    budget_per_second="The points of its own budget that come back each second; those without one come last.",
    requests_per_minute="The operations it may ask for in a minute; those without a limit come last.",
)


@readable(models.ApiKey, permission=Permission.MANAGE_API_KEYS)
class ApiKey(Node):
    """A partner's key. Its secret is shown once, when it is made or rotated, and kept nowhere."""

    version: int = col("Counts up with every change.")
    name: str = col("What it is for.")
    shown_prefix: str = col("The first characters of its secret, to tell keys apart.")
    scopes: list[Permission] = col("What it allows.")
    expires_at: datetime | None = col("When it ends; null if it does not.")
    last_used_at: datetime | None = col("When it was last used, to the minute.")
    last_used_from: str | None = col("The address that it was last used from.")
    use_count: int = col("How often it was used: requests over HTTP and sockets opened, counted once a minute or so.")
    budget_points: int | None = col("The most points of its own budget; null: what the server gives each key.")
    budget_per_second: int | None = col("The points of its own budget that come back each second.")
    requests_per_minute: int | None = col("The operations it may ask for in a minute; null for any number.")
    networks: list[str] | None = col("The networks it may be used from; null for all.")
    revoked_at: datetime | None = col("When it was revoked.")
    previous_expires_at: datetime | None = col("Until when the secret before the last rotation opens, too.")
    created_by: User = parent("Who made it.", via="created_by_user_id")
    created_at: datetime = col("When it was made.")


@plain
class Viewer:
    """Who is asking, and what that one may do."""

    kind: ActorKind = about("What is asking.")
    roles: list[Role] = about("The roles, by name.")
    custom_roles: list[HeldRole] = about("The organization's own roles, by name.")
    reach: Reach = about("Whose rows that is about.")
    permissions: list[Permission] = about("Everything that is allowed, by name, whichever role it comes from.")
    organization: Organization | None = link("The organization.", "organization_id")
    user: User | None = link("The user, if it is one.", "user_id")
    session: Session | None = link("The session, if there is one.", "session_id")
    must_enroll: bool = about("Whether you have to set up a second factor before anything else: enrollMfaMethod.")
    organization_id: Private[str]
    user_id: Private[str | None]
    session_id: Private[str | None]


@plain
class SharedBudget:
    """What a budget holds from which several callers pay, besides from their own."""

    maximum: int = about("The most points it can hold.")
    available: int = about("The points it holds, once this request is paid for.")
    restore_rate: int = about("The points that come back each second, until it is full.")


@plain
class RateLimit:
    """What the asker's budget holds. Every answer says the same in `extensions.cost.budget`, and in the header `ratelimit`."""

    maximum: int = about("The most points it can hold.")
    available: int = about("The points it holds, once this request is paid for.")
    restore_rate: int = about("The points that come back each second, until it is full.")
    requests_per_minute: int | None = about(
        "The operations that this key may ask for in a minute; null for any number."
    )
    account: SharedBudget | None = about(
        "What all people of your customer's account have left together; null for others."
    )
    organization: SharedBudget | None = about("What the whole organization has left together; null before you sign in.")


@plain
class SignedIn:
    """A session's tokens. Keep them secret; they are shown nowhere else."""

    access_token: str = about("Send it with each request, as Authorization: Bearer …; it lasts half an hour.")
    access_expires_at: datetime = about("When the access token ends.")
    refresh_token: str = about(
        "Good for one refreshSession. Presenting one that was used before ends the session, because it may be stolen."
    )
    refresh_expires_at: datetime = about("When the refresh token ends.")
    user: User | None = link("Who signed in.", "user_id")
    session: Session | None = link("The session.", "session_id")
    must_enroll: bool = about("Whether a second factor has to be set up before anything else: enrollMfaMethod.")
    user_id: Private[str]
    session_id: Private[str]


@plain
class IssuedApiKey:
    """A key with its secret."""

    api_key: ApiKey | None = link("The key.", "api_key_id")
    secret: str | None = about("The secret, shown this once; null when a repeated request is answered again.")
    api_key_id: Private[str]
