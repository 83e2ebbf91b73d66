"""Inviting somebody new: what administrators see and do, and what whoever has the link may."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from app.company.models import Organization
from app.identity import commands, models, usernames
from app.identity.policy import policy_of
from app.identity.secret import Secret
from app.infrastructure.conditions import Condition, column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, ConfirmationRequired, Conflict, InvalidInput, LimitReached
from app.kernel.permissions import Permission, Role
from schema.identity.types import User
from schema.kit import (
    ANYONE,
    ID,
    Connection,
    Context,
    DateTimeFilter,
    IdFilter,
    IntFilter,
    Node,
    StringFilter,
    about,
    arg,
    by,
    col,
    filterable,
    inputs,
    many,
    mutation,
    one,
    orderable,
    parent,
    plain,
    query,
    readable,
)

TOKEN = "What stands in the link."


def _is_waiting(actor: Actor, value: bool) -> Condition:
    waiting = column("accepted_at").is_null() & column("revoked_at").is_null()
    return waiting if value else ~waiting


@filterable(models.Invitation)
class InvitationFilter:
    """Which invitations."""

    id: IdFilter | None = by("Its id.")
    user_id: IdFilter | None = by("For whom.")
    email: StringFilter | None = by("Where it was sent.")
    is_waiting: bool | None = by(
        "Only those neither accepted nor taken back, in time or not; or only the others.", where=_is_waiting
    )
    customer_id: IdFilter | None = by("The customer whose person it is for.")
    invited_by_user_id: IdFilter | None = by("Who invited.")
    sent_at: DateTimeFilter | None = by("When it was last sent.")
    sent_count: IntFilter | None = by("How often it was sent.")
    expires_at: DateTimeFilter | None = by("Until when the link opens.")
    accepted_at: DateTimeFilter | None = by("When it was accepted.")
    revoked_at: DateTimeFilter | None = by("When it was taken back.")
    created_at: DateTimeFilter | None = by("When it was first sent.")


InvitationOrder = orderable(
    "InvitationOrder",
    models.Invitation,
    default=("-sent_at",),
    sent_at="When it was last sent.",
    expires_at="Until when the link opens.",
    email="Where it was sent.",
    sent_count="How often it was sent.",
    accepted_at="When it was accepted.",
    revoked_at="When it was taken back.",
    created_at="When it was first sent.",
)


@readable(models.Invitation, permission=None)
class Invitation(Node):
    """A link by which somebody new comes in. Who manages users sees all; its own stays with the person."""

    version: int = col("Counts up with every change.")
    user: User = parent("For whom.")
    email: str = col("Where it was sent.")
    customer_id: ID | None = col("The customer whose person it is for, if one.")
    invited_by: User = parent("Who invited.", via="invited_by_user_id")
    sent_at: datetime = col("When it was last sent.")
    sent_count: int = col("How often it was sent.")
    expires_at: datetime = col("Until when the link opens.")
    accepted_at: datetime | None = col("When it was accepted.")
    revoked_at: datetime | None = col("When it was taken back.")
    created_at: datetime = col("When it was first sent.")


@plain
class OpenInvitation:
    """What the page behind an invitation's link needs."""

    organization_name: str = about("Who invites.")
    legal_name: str = about("The name under which you are known there; you may correct it.")
    email: str = about("Your login.")
    username: str | None = about("Your user name with its domain, if the organization has one; a login as well.")
    expires_at: datetime = about("Until when the link opens.")
    password_length_min: int = about("How many characters the password has at least.")
    password_classes_min: int = about("How many of these it has at least: small letters, capitals, digits, signs.")


@plain
class AcceptedInvitation:
    """You may sign in now."""

    login: str = about("What to sign in with, besides the password.")


@inputs
class InviteUserInput:
    """Somebody to invite."""

    id: ID | None = about("Your own id for the person, so that you may send this again.", default=None)
    email: str = about("Where to send the link; it becomes the login. It is one person's everywhere.")
    legal_name: str = about("The person's name.")
    roles: list[Role] = about("What the person will be here; roles of the company, or of a customer, not both.")
    custom_role_ids: list[ID] | None = about("The organization's own roles that the person will hold.", default=None)
    username: str | None = about("The user name; made by the organization's convention when left out.", default=None)
    preferred_name: str | None = about("What the person is called.", default=None)
    phone: str | None = about("The phone number.", default=None)
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
class ResendInvitationInput:
    """An invitation to send once more."""

    id: ID = about("Which invitation.")


@inputs
class RevokeInvitationInput:
    """An invitation to take back."""

    id: ID = about("Which invitation.")


@inputs
class AcceptInvitationInput:
    """Your password, and what else is to be known of you."""

    token: str = about(TOKEN)
    password: str = about("The password that you want; see the invitation for what it has to be like.")
    legal_name: str | None = about("Your name, if it is to be corrected.", default=None)
    preferred_name: str | None = about("What you are called.", default=None)
    phone: str | None = about("Your phone number.", default=None)
    time_zone: str | None = about("Your own IANA time zone.", default=None)
    language: str | None = about("Your language, such as de.", default=None)


class Queries:
    """What clients may ask."""

    invitation: Invitation | None = one("One invitation.", permission=Permission.MANAGE_USERS)
    invitations: Connection[Invitation] = many(
        "Who was invited, the latest first unless you say otherwise.",
        permission=Permission.MANAGE_USERS,
        filter=InvitationFilter,
        order=InvitationOrder,
    )

    @query(
        "The invitation that a link opens, for the page behind it; null for any other link, whatever is wrong with it.",
        permission=ANYONE,
    )
    async def open_invitation(token: Annotated[str, arg(TOKEN)]) -> OpenInvitation | None:
        try:
            row, user = await commands.require_open_invitation(token)
        except InvalidInput:
            return None
        policy = await policy_of(user.organization_id)
        [organization] = await find_rows(Organization, column("id") == user.organization_id)
        return OpenInvitation(
            organization_name=organization.name,
            legal_name=user.legal_name,
            email=user.email,
            username=usernames.as_login(user.username, policy.login_domain),
            expires_at=row.expires_at,
            password_length_min=policy.password_length_min,
            password_classes_min=policy.password_classes_min,
        )


class Mutations:
    """What clients may do."""

    @mutation(
        Invitation,
        "Invites somebody new: a mail with a link that opens once, within seven days. Who it is for sets a password with it "
        "and cannot sign in before.",
        permission=Permission.MANAGE_USERS,
        problems=(AlreadyExists, ConfirmationRequired, LimitReached),
    )
    async def invite_user(actor: Actor, input: InviteUserInput) -> str:
        return await commands.invite_user(
            actor,
            id=input.id,
            email=input.email,
            legal_name=input.legal_name,
            roles=input.roles,
            custom_role_ids=list(input.custom_role_ids or ()),
            username=input.username,
            preferred_name=input.preferred_name,
            phone=input.phone,
            time_zone=input.time_zone,
            language=input.language,
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
        Invitation,
        "Sends a new link, good for seven days; the one before opens nothing any more.",
        permission=Permission.MANAGE_USERS,
        problems=(Conflict, LimitReached),
    )
    async def resend_invitation(actor: Actor, input: ResendInvitationInput) -> str:
        return await commands.resend_invitation(actor, input.id)

    @mutation(
        Invitation,
        "Takes an invitation back: its link opens nothing any more, and whom it was for is deactivated.",
        permission=Permission.MANAGE_USERS,
        problems=(Conflict,),
    )
    async def revoke_invitation(actor: Actor, input: RevokeInvitationInput) -> str:
        return await commands.revoke_invitation(actor, input.id)

    @mutation(
        AcceptedInvitation,
        "Sets your password by an invitation's link, once, and completes your profile. Then sign in. A link that does not "
        "open gets the same answer whatever is wrong with it.",
        permission=ANYONE,
    )
    async def accept_invitation(context: Context, input: AcceptInvitationInput) -> AcceptedInvitation:
        profile = {
            name: value
            for name in ("legal_name", "preferred_name", "phone", "time_zone", "language")
            if (value := getattr(input, name)) is not None
        }
        login = await commands.accept_invitation(
            input.token, Secret(input.password), address=context.address, **profile
        )
        return AcceptedInvitation(login=login)
