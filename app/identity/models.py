"""Tables of people, their sessions, partners' keys, and attempts to sign in."""

from datetime import date, datetime

from tortoise import fields
from tortoise.fields import OnDelete
from tortoise.indexes import Index

from app.identity.privacy import DataRequestStatus
from app.identity.rules import AccessRequestStatus, UserStatus
from app.infrastructure.conditions import Condition, column, nothing
from app.infrastructure.personal_data import (
    CUSTOMER,
    ERASED,
    KINDS,
    TECHNICIAN,
    USER,
    are_people,
    impersonal,
    of,
    personal,
    same_person,
)
from app.infrastructure.tables import OwnedTable, Table, register
from app.kernel.actor import Actor
from app.kernel.ids import ID_LENGTH_MAX
from app.kernel.permissions import Permission, Reach


def _staff_or_self(actor: Actor, permission: Permission, own: str, *, audited: bool = False) -> Condition:
    """All of the organization's rows for who holds a permission, else those whose column ``own`` names the actor.

    What is ``audited`` auditors read too.
    """
    mine = column("organization_id") == actor.organization_id
    is_staff = actor.holds(permission) or (audited and actor.holds(Permission.VIEW_AUDIT))
    if is_staff and not actor.is_customer:
        return mine
    return mine & (column(own) == actor.id)


@register
class CustomRole(OwnedTable):
    """An organization's own role: what its holders may do, and whose rows that is about. Users name the roles they hold."""

    prefix = "role"
    noun = "role"

    name = fields.CharField(max_length=80)
    description = fields.CharField(max_length=500, default="")
    reach = fields.CharField(max_length=32, default=Reach.ORGANIZATION.value)
    permissions: fields.JSONField[list[str]] = fields.JSONField(default=list)

    class Meta:
        table = "custom_role"
        unique_together = (("organization_id", "name"),)

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing() if actor.is_customer else super().visible_to(actor)


def _of_own_account(actor: Actor, permission: Permission) -> Condition:
    """The people of a customer's account for its administrators, who hold a permission as far as the account reaches."""
    if not actor.is_customer or actor.customer_id is None or not actor.holds(permission):
        return nothing()
    return (column("organization_id") == actor.organization_id) & (column("customer_id") == actor.customer_id)


@register
class User(OwnedTable):
    """A person who can sign in. Never deleted, because the past names them; deactivated instead."""

    prefix = "usr"
    noun = "user"

    email = fields.CharField(max_length=254, unique=True)
    legal_name = fields.CharField(max_length=200)
    phone = fields.CharField(max_length=20, null=True)
    roles: fields.JSONField[list[str]] = fields.JSONField(default=list)
    custom_role_ids: fields.JSONField[list[str]] = fields.JSONField(default=list, db_default="[]")
    technician_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    password_hash = fields.CharField(max_length=200, null=True)
    status = fields.CharField(max_length=32, default=UserStatus.ACTIVE.value)
    time_zone = fields.CharField(max_length=64, null=True)
    language = fields.CharField(max_length=16, null=True)
    # One person's in the organization; signing in with it names the organization as well: ``name@domain``.
    username = fields.CharField(max_length=254, null=True)
    preferred_name = fields.CharField(max_length=120, null=True)
    department = fields.CharField(max_length=120, null=True)
    team = fields.CharField(max_length=120, null=True)
    # In the organization's currency; none is no limit.
    approval_limit = fields.DecimalField(max_digits=18, decimal_places=4, null=True)
    manager_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    start_date: date | None = fields.DateField(null=True)
    employee_number = fields.CharField(max_length=40, null=True)
    last_login_at: datetime | None = fields.DatetimeField(null=True)
    # Wrong passwords from before do not count any more.
    unlocked_at: datetime | None = fields.DatetimeField(null=True)
    password_changed_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "user"
        unique_together = (("organization_id", "username"),)
        indexes = [
            Index(fields=("organization_id", "legal_name")),
            Index(fields=("organization_id", "status")),
            Index(fields=("organization_id", "customer_id")),
            Index(fields=("organization_id", "technician_id")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_or_self(actor, Permission.VIEW_USERS, "id") | _of_own_account(actor, Permission.VIEW_USERS)


@register
class Invitation(OwnedTable):
    """A link by which somebody new sets a password and comes in. Only a hash of its token is kept."""

    prefix = "inv"
    noun = "invitation"

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=OnDelete.RESTRICT
    )
    user_id: str
    email = fields.CharField(max_length=254)
    customer_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    token_hash = fields.CharField(max_length=64, unique=True)
    invited_by_user_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    sent_at = fields.DatetimeField()
    sent_count = fields.IntField(default=1)
    expires_at = fields.DatetimeField()
    accepted_at: datetime | None = fields.DatetimeField(null=True)
    revoked_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "invitation"
        indexes = [Index(fields=("organization_id", "user")), Index(fields=("organization_id", "sent_at"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        own = _staff_or_self(actor, Permission.MANAGE_USERS, "user_id")
        return own | _of_own_account(actor, Permission.MANAGE_USERS)


@register
class AccessRequest(OwnedTable):
    """Somebody asks to be let in, or a user for more roles. Of a stranger, ``user_id`` is null."""

    prefix = "acr"
    noun = "access request"

    user_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    email = fields.CharField(max_length=254)
    legal_name = fields.CharField(max_length=200)
    roles: fields.JSONField[list[str]] = fields.JSONField(default=list)
    message = fields.CharField(max_length=1000, default="")
    status = fields.CharField(max_length=32, default=AccessRequestStatus.PENDING.value)
    decided_by_user_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    decided_at: datetime | None = fields.DatetimeField(null=True)
    decision_note = fields.CharField(max_length=500, null=True)

    class Meta:
        table = "access_request"
        indexes = [
            Index(fields=("organization_id", "status", "created_at")),
            Index(fields=("organization_id", "user_id")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_or_self(actor, Permission.MANAGE_USERS, "user_id")


class PasswordReset(OwnedTable):
    """A link by which somebody sets a new password without the old one. Only a hash of its token is kept, and a mark of the
    password there was: with another one the link opens nothing."""

    prefix = "pwr"
    noun = "password reset"

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=OnDelete.CASCADE
    )
    user_id: str
    token_hash = fields.CharField(max_length=64, unique=True)
    password_mark = fields.CharField(max_length=64)
    requested_by_user_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    expires_at = fields.DatetimeField()
    used_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "password_reset"
        indexes = [Index(fields=("organization_id", "user", "created_at")), Index(fields=("expires_at",))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return super().visible_to(actor) & (column("user_id") == actor.id)


class UsedPassword(OwnedTable):
    """A password that somebody had, as a hash: it may not be taken again for a while."""

    prefix = "upw"
    noun = "used password"

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=OnDelete.CASCADE
    )
    user_id: str
    password_hash = fields.CharField(max_length=200)
    used_until = fields.DatetimeField()

    class Meta:
        table = "used_password"
        indexes = [Index(fields=("organization_id", "user", "used_until"))]


class SecurityPolicy(OwnedTable):
    """What an organization asks of its people's passwords, second factors and sessions: at most one row each. What it
    means, and what holds while there is none, is in ``policy``."""

    prefix = "spol"
    noun = "security policy"

    password_length_min = fields.IntField(default=12)
    password_classes_min = fields.IntField(default=0)
    password_history = fields.IntField(default=5)
    password_days_max: int | None = fields.IntField(null=True)
    username_convention = fields.CharField(max_length=32, default="EMAIL")
    # What stands behind the @ of a user name for signing in: one organization's in the whole installation.
    login_domain = fields.CharField(max_length=40, null=True, unique=True)
    takes_access_requests = fields.BooleanField(default=False, db_default=False)
    mfa_roles: fields.JSONField[list[str]] = fields.JSONField(default=list)
    mfa_methods: fields.JSONField[list[str]] = fields.JSONField(default=list)  # none: all
    # Role → the minutes a session may be idle, and the minutes it lasts.
    session_limits: fields.JSONField[dict[str, list[int]]] = fields.JSONField(default=dict)
    stale_after_days = fields.IntField(default=90)
    reauthentication_minutes = fields.IntField(default=15)

    class Meta:
        table = "security_policy"
        unique_together = (("organization_id",),)


@register
class Session(OwnedTable):
    """One sign-in, from its start to its end. Tokens are kept as hashes; ``family`` is that of the lasting half.

    ``rotation_secret`` alone yields no token: the next pair is derived from it *and* the refresh token presented.
    """

    prefix = "ses"
    noun = "session"

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=OnDelete.RESTRICT
    )
    user_id: str
    family = fields.CharField(max_length=64, unique=True)
    rotation_secret = fields.CharField(max_length=64)
    access_hash = fields.CharField(max_length=64, unique=True)
    access_expires_at = fields.DatetimeField()
    refresh_hash = fields.CharField(max_length=64)
    refresh_expires_at = fields.DatetimeField()
    previous_refresh_hash = fields.CharField(max_length=64, null=True)
    rotated_at: datetime | None = fields.DatetimeField(null=True)
    absolute_expires_at = fields.DatetimeField()
    revoked_at: datetime | None = fields.DatetimeField(null=True)
    revoked_reason = fields.CharField(max_length=32, null=True)
    address = fields.CharField(max_length=64, default="")
    user_agent = fields.CharField(max_length=300, default="")
    last_used_at = fields.DatetimeField()
    confirmed_at: datetime | None = fields.DatetimeField(null=True)
    # The person has yet to set up the second factor that the organization asks for, and may do nothing else.
    must_enroll = fields.BooleanField(default=False, db_default=False)
    # A provider that is trusted to ask for a second factor itself said who it is.
    factor_elsewhere = fields.BooleanField(default=False, db_default=False)

    class Meta:
        table = "session"
        indexes = [
            Index(fields=("organization_id", "user", "revoked_at")),
            Index(fields=("refresh_expires_at",)),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_or_self(actor, Permission.MANAGE_USERS, "user_id", audited=True)


@register
class MfaMethod(OwnedTable):
    """A second factor of a person, in use once it is confirmed. The secret of an app is encrypted; of a security key there
    is only the public half."""

    prefix = "mfa"
    noun = "second factor"
    encrypted = ("secret",)

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=OnDelete.RESTRICT
    )
    user_id: str
    kind = fields.CharField(max_length=16)
    name = fields.CharField(max_length=80)
    secret: str | None = fields.TextField(null=True)
    last_step: int | None = fields.BigIntField(null=True)
    target = fields.CharField(max_length=254, null=True)
    credential_id = fields.CharField(max_length=1400, null=True, unique=True)
    public_key: str | None = fields.TextField(null=True)
    sign_count = fields.BigIntField(default=0)
    confirmed_at: datetime | None = fields.DatetimeField(null=True)
    last_used_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "mfa_method"
        indexes = [Index(fields=("organization_id", "user", "created_at"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_or_self(actor, Permission.MANAGE_USERS, "user_id", audited=True)


class RecoveryCode(OwnedTable):
    """A code that signs a person in once when every other second factor is lost. Only a hash is kept."""

    prefix = "rcode"
    noun = "recovery code"

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=OnDelete.RESTRICT
    )
    user_id: str
    code_hash = fields.CharField(max_length=64)
    used_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "recovery_code"
        indexes = [Index(fields=("organization_id", "user"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing()


class FactorChallenge(OwnedTable):
    """Somebody was asked for a second factor: when they sign in, confirm who they are, or set a new one up.

    Whoever answers shows the token, of which only a hash is kept. It is also the key of the hash of a code that was sent:
    six digits alone would be found in a stolen database within a second.
    """

    prefix = "chal"
    noun = "challenge"

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=OnDelete.RESTRICT
    )
    user_id: str
    purpose = fields.CharField(max_length=16)
    token_hash = fields.CharField(max_length=64, unique=True)
    password_mark = fields.CharField(max_length=64)
    session_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    method_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    passkey_challenge = fields.CharField(max_length=128)
    code_hash = fields.CharField(max_length=64, null=True)
    code_sent_at: datetime | None = fields.DatetimeField(null=True)
    codes_sent = fields.IntField(default=0)
    tries = fields.IntField(default=0)
    expires_at = fields.DatetimeField()
    spent_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "factor_challenge"
        indexes = [Index(fields=("organization_id", "user", "code_sent_at")), Index(fields=("expires_at",))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing()


@register
class IdentityProvider(OwnedTable):
    """Another company's server that says who the organization's people are (OpenID Connect)."""

    prefix = "idp"
    noun = "identity provider"
    encrypted = ("client_secret",)

    name = fields.CharField(max_length=80)
    issuer = fields.CharField(max_length=500)
    client_id = fields.CharField(max_length=200)
    client_secret: str | None = fields.TextField(null=True)
    email_domains: fields.JSONField[list[str]] = fields.JSONField(default=list)
    role_claim = fields.CharField(max_length=80, null=True)
    role_map: fields.JSONField[dict[str, list[str]]] = fields.JSONField(default=dict)
    default_roles: fields.JSONField[list[str]] = fields.JSONField(default=list)
    makes_accounts = fields.BooleanField(default=False)
    replaces_second_factor = fields.BooleanField(default=False)
    is_active = fields.BooleanField(default=True)

    class Meta:
        table = "identity_provider"
        unique_together = (("organization_id", "name"),)

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        if not actor.holds(Permission.MANAGE_SECURITY) or actor.is_customer:
            return nothing()
        return column("organization_id") == actor.organization_id


class UserIdentity(OwnedTable):
    """Who a user is at a provider: once known, only the provider's own name for the person counts."""

    prefix = "uid"
    noun = "identity"

    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "truckroll.User", related_name=False, on_delete=OnDelete.RESTRICT
    )
    user_id: str
    provider: fields.ForeignKeyRelation[IdentityProvider] = fields.ForeignKeyField(
        "truckroll.IdentityProvider", related_name=False, on_delete=OnDelete.CASCADE
    )
    provider_id: str
    subject = fields.CharField(max_length=255)

    class Meta:
        table = "user_identity"
        unique_together = (("provider_id", "subject"),)
        indexes = [Index(fields=("organization_id", "user"))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing()


class ProviderSignIn(OwnedTable):
    """Somebody is on the way to a provider or back. All that they carry is kept as hashes."""

    prefix = "psi"
    noun = "sign-in"

    provider: fields.ForeignKeyRelation[IdentityProvider] = fields.ForeignKeyField(
        "truckroll.IdentityProvider", related_name=False, on_delete=OnDelete.CASCADE
    )
    provider_id: str
    state_hash = fields.CharField(max_length=64, unique=True)
    browser_hash = fields.CharField(max_length=64)
    page_challenge = fields.CharField(max_length=64)
    return_to = fields.CharField(max_length=500)
    expires_at = fields.DatetimeField()
    returned_at: datetime | None = fields.DatetimeField(null=True)
    user_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    code_hash = fields.CharField(max_length=64, null=True, unique=True)
    code_expires_at: datetime | None = fields.DatetimeField(null=True)
    spent_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "provider_sign_in"
        indexes = [Index(fields=("expires_at",))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return nothing()


@register
class ApiKey(OwnedTable):
    """A partner's key: the permissions it was given and no more. Only a hash of the secret is kept.

    ``networks`` are those it may be used from, null for all. ``expiry_told_at`` is when people were told that it ends soon.
    """

    prefix = "key"
    noun = "API key"

    name = fields.CharField(max_length=120)
    # ``prefix`` is the ids' own on every table; this is the part of the secret that people may see.
    shown_prefix = fields.CharField(max_length=24)
    secret_hash = fields.CharField(max_length=64, unique=True)
    previous_secret_hash = fields.CharField(max_length=64, null=True, unique=True)
    previous_expires_at: datetime | None = fields.DatetimeField(null=True)
    scopes: fields.JSONField[list[str]] = fields.JSONField(default=list)
    expires_at: datetime | None = fields.DatetimeField(null=True)
    last_used_at: datetime | None = fields.DatetimeField(null=True)
    revoked_at: datetime | None = fields.DatetimeField(null=True)
    created_by_user_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    budget_points = fields.IntField(null=True)
    budget_per_second = fields.IntField(null=True)
    requests_per_minute = fields.IntField(null=True)
    networks: fields.JSONField[list[str] | None] = fields.JSONField(null=True)
    use_count = fields.BigIntField(default=0, db_default=0)
    last_used_from = fields.CharField(max_length=64, null=True)
    expiry_told_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "api_key"
        indexes = [Index(fields=("organization_id", "name")), Index(fields=("expires_at",))]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        if not actor.holds(Permission.MANAGE_API_KEYS):
            return nothing()
        return column("organization_id") == actor.organization_id


@register
class LoginAttempt(Table):
    """Somebody tried to sign in. Of a login that nobody has, the organization is unknown and nobody sees it."""

    prefix = "lat"
    noun = "login attempt"

    organization_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    user_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    # Of a login that nobody has a mark only: what was typed may be a password.
    login = fields.CharField(max_length=254)
    address = fields.CharField(max_length=64)
    network = fields.CharField(max_length=64)
    user_agent = fields.CharField(max_length=300)
    at = fields.DatetimeField()
    outcome = fields.CharField(max_length=32)

    class Meta:
        table = "login_attempt"
        indexes = [
            Index(fields=("login", "network", "at")),
            Index(fields=("network", "at")),
            Index(fields=("organization_id", "at")),
            Index(fields=("organization_id", "user_id", "at")),
            Index(fields=("at",)),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_or_self(actor, Permission.MANAGE_USERS, "user_id", audited=True)


@register
class DataRequest(OwnedTable):
    """Somebody asked for all that is kept of a person, or for its erasure. ``called`` is what the person is called, while they
    are being erased; ``link_secret`` signs the links to the file."""

    prefix = "dr"
    noun = "data request"
    encrypted = ("called",)

    kind = fields.CharField(max_length=32)
    status = fields.CharField(max_length=32, default=DataRequestStatus.RECEIVED.value)
    person_id = fields.CharField(max_length=ID_LENGTH_MAX)
    reason = fields.CharField(max_length=500, default="")
    requested_by = fields.CharField(max_length=ID_LENGTH_MAX)
    due_at = fields.DatetimeField()
    decided_by = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    decided_at: datetime | None = fields.DatetimeField(null=True)
    refusal = fields.CharField(max_length=500, null=True)
    job_id = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    called = fields.TextField(default="")
    link_secret = fields.CharField(max_length=64, null=True)
    rows: fields.JSONField[dict[str, int]] = fields.JSONField(default=dict)
    error = fields.CharField(max_length=500, null=True)
    finished_at: datetime | None = fields.DatetimeField(null=True)
    expires_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "data_request"
        indexes = [
            Index(fields=("organization_id", "created_at")),
            Index(fields=("organization_id", "status", "due_at")),
            Index(fields=("organization_id", "person_id")),
            # The timer looks through every organization.
            Index(fields=("expires_at",)),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_or_self(actor, Permission.MANAGE_PRIVACY, "requested_by")


@register
class Consent(OwnedTable):
    """What a person agreed to, by which text, when and how; and when they took it back. Of a person and a purpose, the newest
    counts."""

    prefix = "cns"
    noun = "consent"

    person_id = fields.CharField(max_length=ID_LENGTH_MAX)
    purpose = fields.CharField(max_length=32)
    text_version = fields.CharField(max_length=80)
    channel = fields.CharField(max_length=32)
    given_at = fields.DatetimeField()
    given_by = fields.CharField(max_length=ID_LENGTH_MAX)
    withdrawn_at: datetime | None = fields.DatetimeField(null=True)
    withdrawn_by = fields.CharField(max_length=ID_LENGTH_MAX, null=True)
    withdrawn_channel = fields.CharField(max_length=32, null=True)

    class Meta:
        table = "consent"
        indexes = [
            Index(fields=("organization_id", "created_at")),
            Index(fields=("organization_id", "person_id", "purpose", "given_at")),
        ]

    @classmethod
    def visible_to(cls, actor: Actor) -> Condition:
        return _staff_or_self(actor, Permission.MANAGE_PRIVACY, "person_id")


HISTORY = "the past names who did something; the id alone says no more than that it was the same person"

are_people(User, not_yet=lambda row: None if row.status == UserStatus.DEACTIVATED else "Deactivate the account first.")
same_person(User, "technician_id", TECHNICIAN)
same_person(User, "customer_id", CUSTOMER, both_ways=False)
personal(
    User,
    of(
        USER,
        "id",
        erase={
            "email": lambda row: f"{row.id}@erased.invalid",
            "legal_name": ERASED,
            "status": UserStatus.DEACTIVATED.value,
            "phone": None,
            "password_hash": None,
            "time_zone": None,
            "language": None,
            "username": None,
            "preferred_name": None,
            "department": None,
            "team": None,
            "start_date": None,
            "employee_number": None,
        },
    ),
    keeps={
        "approval_limit": "what somebody was allowed explains what they did",
        "manager_id": HISTORY,
        "technician_id": HISTORY,
        "customer_id": "whose account it was; of an account that is erased, nothing says more",
        "roles": "what somebody was allowed explains what they did",
        "custom_role_ids": "what somebody was allowed explains what they did",
    },
    hidden=("password_hash",),
)
personal(
    Session,
    of(USER, "user_id", drop=True),
    hidden=("family", "rotation_secret", "access_hash", "refresh_hash", "previous_refresh_hash"),
)
personal(
    ApiKey,
    keeps={
        "name": "what a partner's system is called",
        "scopes": "permissions",
        "networks": "where a partner's system is",
        "last_used_from": "where a partner's system is",
        "created_by_user_id": HISTORY,
    },
)
personal(
    Invitation,
    of(USER, "user_id", drop=True),
    keeps={"invited_by_user_id": HISTORY, "customer_id": "whose account it was"},
    hidden=("token_hash",),
)
personal(
    AccessRequest,
    of(USER, "user_id", erase={"email": ERASED, "legal_name": ERASED, "message": "", "decision_note": None}),
    keeps={"decided_by_user_id": HISTORY, "roles": "what somebody asked for explains what they were allowed"},
)
personal(
    PasswordReset,
    of(USER, "user_id", drop=True),
    keeps={"requested_by_user_id": HISTORY},
    hidden=("token_hash", "password_mark"),
)
personal(UsedPassword, of(USER, "user_id", drop=True), hidden=("password_hash",))
personal(LoginAttempt, of(USER, "user_id", drop=True))
personal(MfaMethod, of(USER, "user_id", drop=True), hidden=("secret", "last_step", "public_key"))
personal(
    IdentityProvider,
    keeps=dict.fromkeys(
        ("name", "issuer", "client_id", "email_domains", "role_claim", "role_map", "default_roles"),
        "another company's server",
    ),
    hidden=("client_secret",),
)
personal(UserIdentity, of(USER, "user_id", drop=True))
personal(
    ProviderSignIn,
    of(USER, "user_id", drop=True),
    hidden=("state_hash", "browser_hash", "page_challenge", "code_hash"),
)
personal(RecoveryCode, of(USER, "user_id", drop=True), hidden=("code_hash",))
personal(
    FactorChallenge,
    of(USER, "user_id", drop=True),
    hidden=("token_hash", "password_mark", "passkey_challenge", "code_hash"),
)
impersonal("rules for everybody, and about nobody", SecurityPolicy, CustomRole)
personal(
    DataRequest,
    *(of(kind, "person_id") for kind in KINDS),
    keeps={"requested_by": HISTORY, "decided_by": HISTORY, "rows": "figures"},
    mentions=("reason", "refusal", "error"),
    hidden=("called", "link_secret"),
)
personal(
    Consent,
    *(of(kind, "person_id") for kind in KINDS),
    keeps={
        "given_by": HISTORY,
        "withdrawn_by": HISTORY,
        "text_version": "that somebody agreed, and to what, is to be shown",
    },
)
