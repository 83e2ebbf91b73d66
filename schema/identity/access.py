"""What administrators look after: accounts that nobody uses, accounts that are locked, and requests for access."""

from datetime import datetime, timedelta

from app.identity import commands, models, queries, rules
from app.identity.policy import policy_of
from app.infrastructure.conditions import Condition, column
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import AlreadyExists, ConfirmationRequired, Conflict, LimitReached
from app.kernel.permissions import Permission, Role
from schema.identity.types import User, UserFilter, UserOrder
from schema.kit import (
    ANYONE,
    ID,
    SIGNED_IN,
    Connection,
    Context,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    Node,
    Private,
    StringFilter,
    about,
    by,
    col,
    describe_enum,
    filterable,
    inputs,
    link,
    many,
    mutation,
    one,
    orderable,
    parent,
    plain,
    query,
    readable,
)

describe_enum(
    rules.AccessRequestStatus,
    "What became of a request for access.",
    {
        rules.AccessRequestStatus.PENDING: "It waits for an answer.",
        rules.AccessRequestStatus.APPROVED: "The roles were given, or an invitation was sent.",
        rules.AccessRequestStatus.DECLINED: "It was declined.",
    },
)


async def stale(actor: Actor) -> Condition:
    """Who may sign in and has not for longer than the policy says, nor was added since."""
    since = utc_now() - timedelta(days=(await policy_of(actor.organization_id)).stale_after_days)
    never = column("last_login_at").is_null() & (column("created_at") < since)
    return (column("status") == rules.UserStatus.ACTIVE.value) & (never | (column("last_login_at") < since))


@filterable(models.AccessRequest)
class AccessRequestFilter:
    """Which requests."""

    id: IdFilter | None = by("Its id.")
    status: EnumFilter[rules.AccessRequestStatus] | None = by("What became of it.")
    user_id: IdFilter | None = by("Who asked, of those who have an account.")
    email: StringFilter | None = by("The mail address of who asked.")
    legal_name: StringFilter | None = by("Who asked.")
    message: StringFilter | None = by("What was said.")
    decided_by_user_id: IdFilter | None = by("Who answered.")
    decided_at: DateTimeFilter | None = by("When it was answered.")
    decision_note: StringFilter | None = by("What was said to it.")
    created_at: DateTimeFilter | None = by("When it was asked.")


AccessRequestOrder = orderable(
    "AccessRequestOrder",
    models.AccessRequest,
    default=("-created_at",),
    created_at="When it was asked.",
    status="What became of it.",
    email="The mail address of who asked.",
    legal_name="Who asked.",
    message="What was said.",
    decided_at="When it was answered.",
    decision_note="What was said to it.",
)


@readable(models.AccessRequest, permission=None)
class AccessRequest(Node):
    """Somebody asks to be let in, or a user for more roles. You see your own; who manages users sees all."""

    version: int = col("Counts up with every change.")
    user: User = parent("Who asked, if it was somebody with an account.", via="user_id")
    email: str = col("The mail address of who asked.")
    legal_name: str = col("Who asked.")
    roles: list[Role] = col("The roles that are asked for; none are named by strangers.")
    message: str = col("What was said.")
    status: rules.AccessRequestStatus = col("What became of it.", facet=True)
    decided_by: User = parent("Who answered.", via="decided_by_user_id")
    decided_at: datetime | None = col("When it was answered.")
    decision_note: str | None = col("What was said to it.")
    created_at: datetime = col("When it was asked.")


@plain
class LockedAccount:
    """Somebody whom wrong passwords keep waiting at this moment."""

    locked_until: datetime = about(
        "When the last wait ends; from networks that the person is known in, it may have ended already."
    )
    failure_count: int = about("How many wrong passwords there were within a day.")
    network_count: int = about("From how many networks.")
    user: User | None = link("Who.", "user_id")
    user_id: Private[str]


@plain
class RequestedAccess:
    """Whether or not there is such an organization, the answer is this."""

    is_accepted: bool = about("Always true: if the organization takes requests, it has yours.")


@inputs
class UnlockUserInput:
    """Somebody who may try again."""

    id: ID = about("Which user.")


@inputs
class RequestAccessInput:
    """Who you are, and where you want to be let in."""

    login_domain: str = about("The login domain of the organization.")
    email: str = about("Your e-mail address; an invitation is sent there.")
    legal_name: str = about("Your name.")
    message: str = about("Why you ask, at most 1,000 characters.", default="")


@inputs
class RequestRolesInput:
    """What you need."""

    roles: list[Role] = about("The roles that you want besides those you have.")
    message: str = about("Why you need them, at most 1,000 characters.", default="")


@inputs
class ApproveAccessRequestInput:
    """A request to say yes to."""

    id: ID = about("Which request.")
    roles: list[Role] | None = about(
        "The roles to give: those that were asked for unless you say otherwise. Of strangers, say which.", default=None
    )
    customer_id: ID | None = about("The customer a stranger belongs to; needed for a customer's roles.", default=None)
    note: str | None = about("What is to be said to it.", default=None)


@inputs
class DeclineAccessRequestInput:
    """A request to say no to."""

    id: ID = about("Which request.")
    note: str | None = about("Why; it is in the mail that is sent.", default=None)


class Queries:
    """What clients may ask."""

    stale_accounts: Connection[User] = many(
        "Users who may sign in and have not for longer than the security policy's staleAfterDays, nor were added since.",
        permission=Permission.MANAGE_USERS,
        filter=UserFilter,
        order=UserOrder,
        where=stale,
    )
    access_request: AccessRequest | None = one("One request for access.", permission=Permission.MANAGE_USERS)
    access_requests: Connection[AccessRequest] = many(
        "Requests for access, the latest first unless you say otherwise.",
        permission=Permission.MANAGE_USERS,
        filter=AccessRequestFilter,
        order=AccessRequestOrder,
    )

    @query("Whom wrong passwords keep waiting at this moment, the longest first.", permission=Permission.MANAGE_USERS)
    async def locked_accounts(actor: Actor) -> list[LockedAccount]:
        return [
            LockedAccount(
                locked_until=one.until, failure_count=one.failures, network_count=one.networks, user_id=one.user_id
            )
            for one in await queries.find_locked(actor)
        ]


class Mutations:
    """What clients may do."""

    @mutation(
        User,
        "Lets somebody try again whom wrong passwords keep waiting: those from before do not count any more.",
        permission=Permission.MANAGE_USERS,
    )
    async def unlock_user(actor: Actor, input: UnlockUserInput) -> str:
        return await commands.unlock_user(actor, input.id)

    @mutation(
        RequestedAccess,
        "Asks, as a stranger, to be let in to an organization that takes such requests. The answer does not tell whether it "
        "does.",
        permission=ANYONE,
    )
    async def request_access(context: Context, input: RequestAccessInput) -> RequestedAccess:
        await commands.request_access(
            input.login_domain, input.email, input.legal_name, input.message, address=context.address
        )
        return RequestedAccess(is_accepted=True)

    @mutation(
        AccessRequest,
        "Asks for more roles.",
        permission=SIGNED_IN,
        problems=(Conflict,),
    )
    async def request_roles(actor: Actor, input: RequestRolesInput) -> str:
        return await commands.request_roles(actor, roles=input.roles, message=input.message)

    @mutation(
        AccessRequest,
        "Says yes to a request: a user gets the roles, a stranger an invitation. You cannot give more than you hold.",
        permission=Permission.MANAGE_USERS,
        problems=(AlreadyExists, Conflict, ConfirmationRequired, LimitReached),
    )
    async def approve_access_request(actor: Actor, input: ApproveAccessRequestInput) -> str:
        return await commands.approve_access_request(
            actor, input.id, roles=input.roles, customer_id=input.customer_id, note=input.note
        )

    @mutation(
        AccessRequest,
        "Says no to a request; who asked is told by mail.",
        permission=Permission.MANAGE_USERS,
        problems=(Conflict,),
    )
    async def decline_access_request(actor: Actor, input: DeclineAccessRequestInput) -> str:
        return await commands.decline_access_request(actor, input.id, note=input.note)
