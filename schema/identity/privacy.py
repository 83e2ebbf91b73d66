"""What is kept of people: copies, erasures and consents."""

from datetime import datetime

from app.identity import data_copies, models
from app.identity.commands import consents, privacy
from app.identity.privacy import (
    DATA_REQUEST,
    ConsentChannel,
    ConsentPurpose,
    DataRequestKind,
    DataRequestStatus,
)
from app.infrastructure.conditions import Condition, column
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import AlreadyExists, ConfirmationRequired, Conflict, IllegalTransition, StaleVersion
from app.kernel.permissions import Permission
from schema.kit import (
    ID,
    JSON,
    SIGNED_IN,
    Connection,
    DateTimeFilter,
    EnumFilter,
    IdFilter,
    Node,
    StringFilter,
    about,
    by,
    col,
    computed,
    describe_enum,
    filterable,
    inputs,
    many,
    mutation,
    one,
    orderable,
    plain,
    readable,
)

describe_enum(
    DataRequestKind,
    "What is to be done with what is kept of a person.",
    {
        DataRequestKind.EXPORT: "A copy of all of it, for the person.",
        DataRequestKind.ERASURE: "It is erased, but for the record of work and money, which then names nobody.",
    },
)
describe_enum(
    DataRequestStatus,
    "Where a request about personal data stands.",
    {
        DataRequestStatus.RECEIVED: "Somebody has to decide.",
        DataRequestStatus.APPROVED: "It is about to be done; with an error, it broke off and can be approved once more.",
        DataRequestStatus.RUNNING: "It is being done.",
        DataRequestStatus.DONE: "It is done.",
        DataRequestStatus.REFUSED: "It was turned down.",
    },
)
describe_enum(
    ConsentPurpose,
    "What a consent is for.",
    {
        ConsentPurpose.LOCATION_SHARING: "To be located on duty. Once it is taken back, no positions are taken.",
        ConsentPurpose.MARKETING: "To be written to with offers.",
    },
)
describe_enum(
    ConsentChannel,
    "How somebody said it.",
    {
        ConsentChannel.APP: "In the app.",
        ConsentChannel.WEB: "On a web page.",
        ConsentChannel.EMAIL: "By e-mail.",
        ConsentChannel.PHONE: "On the phone.",
        ConsentChannel.PAPER: "On paper, signed.",
        ConsentChannel.IN_PERSON: "Face to face.",
    },
)


@plain
class AllowedDataRequestStep:
    """A step that the request's lifecycle allows from where it is."""

    to: DataRequestStatus = about("The status it leads to.")
    blocked_by: list[str] = about("Sentences that say why it cannot be taken right now; empty if it can.")


def _steps(status: str) -> list[AllowedDataRequestStep]:
    allowed = DATA_REQUEST.allowed(DataRequestStatus(status))
    return [AllowedDataRequestStep(to=step.to, blocked_by=list(step.blocked_by)) for step in allowed]


def _url(actor: Actor, id: str, status: str, person_id: str, requested_by: str, secret: str | None) -> str | None:
    """A fresh link for who reads this."""
    if status != DataRequestStatus.DONE or secret is None or not data_copies.may_take(actor, person_id, requested_by):
        return None
    return data_copies.link_to(actor, id, secret)


def _is_overdue(actor: Actor, value: bool) -> Condition:
    done = column("finished_at").is_null()
    late = done & (column("due_at") < utc_now())
    return late if value else ~late


@filterable(models.DataRequest)
class DataRequestFilter:
    """Which requests about personal data."""

    id: IdFilter | None = by("Its id.")
    kind: EnumFilter[DataRequestKind] | None = by("What is to be done.")
    status: EnumFilter[DataRequestStatus] | None = by("Where it stands.")
    person_id: IdFilter | None = by("About whom.")
    requested_by: StringFilter | None = by("The id of who asked.")
    decided_by: StringFilter | None = by("The id of who decided.")
    decided_at: DateTimeFilter | None = by("When it was decided.")
    reason: StringFilter | None = by("Why it was asked for.")
    refusal: StringFilter | None = by("Why it was turned down.")
    error: StringFilter | None = by("Why it broke off.")
    due_at: DateTimeFilter | None = by("By when it is to be done.")
    created_at: DateTimeFilter | None = by("When it came in.")
    finished_at: DateTimeFilter | None = by("When it ended.")
    expires_at: DateTimeFilter | None = by("Until when the file is kept.")
    is_overdue: bool | None = by("Only those that are late, or only the others.", where=_is_overdue)


DataRequestOrder = orderable(
    "DataRequestOrder",
    models.DataRequest,
    default=("-created_at",),
    created_at="When it came in.",
    due_at="By when it is to be done.",
    finished_at="When it ended.",
    kind="What is to be done.",
    status="Where it stands.",
    requested_by="Who asked, by their id.",
    decided_by="Who decided, by their id.",
    decided_at="When it was decided.",
    reason="Why it was asked for.",
    refusal="Why it was turned down.",
    error="Why it broke off.",
    expires_at="Until when the file is kept.",
)


@readable(models.DataRequest, permission=None)
class DataRequest(Node):
    """Somebody asked for all that is kept of a person, or for its erasure. Who manages privacy sees all, others their own."""

    version: int = col("Counts up with every change.")
    kind: DataRequestKind = col("What is to be done.", facet=True)
    status: DataRequestStatus = col("Where it stands.", facet=True)
    person_id: ID = col("About whom: a user, technician, contact or private customer.")
    reason: str = col("Why it was asked for, if somebody said so.")
    requested_by: str = col("The id of who asked.")
    due_at: datetime = col("By when the law wants it done: 30 days after it came in.")
    decided_by: str | None = col("The id of who decided.")
    decided_at: datetime | None = col("When it was decided.")
    refusal: str | None = col("Why it was turned down.")
    error: str | None = col("Why it broke off.")
    rows: JSON = col("How many rows of each table were copied, or erased; facts of the journal among them.")
    created_at: datetime = col("When it came in.")
    finished_at: datetime | None = col("When it ended.")
    expires_at: datetime | None = col("Until when the file is kept.")
    url: str | None = computed(
        "A link to the copy, a zip file of JSON, made for you just now and good for 15 minutes, from the root of this API's "
        "address. Whoever has it has the file, so keep it as secret. Null unless there is a file, and you may have it.",
        _url,
        needs=("id", "status", "person_id", "requested_by", "link_secret"),
        actor=True,
    )
    allowed_transitions: list[AllowedDataRequestStep] = computed(
        "Steps the lifecycle allows from here.", _steps, needs=("status",)
    )


@filterable(models.Consent)
class ConsentFilter:
    """Which consents."""

    id: IdFilter | None = by("Its id.")
    person_id: IdFilter | None = by("Whose.")
    purpose: EnumFilter[ConsentPurpose] | None = by("What for.")
    text_version: StringFilter | None = by("To which text.")
    channel: EnumFilter[ConsentChannel] | None = by("How it was given.")
    given_at: DateTimeFilter | None = by("When it was given.")
    given_by: StringFilter | None = by("The id of who noted it.")
    withdrawn_at: DateTimeFilter | None = by("When it was taken back.")
    withdrawn_by: StringFilter | None = by("The id of who noted that.")
    withdrawn_channel: EnumFilter[ConsentChannel] | None = by("How it was taken back.")


ConsentOrder = orderable(
    "ConsentOrder",
    models.Consent,
    default=("-given_at",),
    given_at="When it was given.",
    withdrawn_at="When it was taken back.",
    purpose="What for.",
    text_version="To which text.",
    channel="How it was given.",
    given_by="Who noted it, by their id.",
    withdrawn_by="Who noted that it was taken back, by their id.",
    withdrawn_channel="How it was taken back.",
)


@readable(models.Consent, permission=None)
class Consent(Node):
    """What a person agreed to. Of a person and a purpose the newest counts. Who manages privacy sees all, others their own."""

    version: int = col("Counts up with every change.")
    person_id: ID = col("Whose: a user, technician, contact or customer.")
    purpose: ConsentPurpose = col("What for.", facet=True)
    text_version: str = col("Which version of the text the person agreed to.")
    channel: ConsentChannel = col("How it was given.")
    given_at: datetime = col("When it was given.")
    given_by: str = col("The id of who noted it.")
    withdrawn_at: datetime | None = col("When it was taken back.")
    withdrawn_by: str | None = col("The id of who noted that.")
    withdrawn_channel: ConsentChannel | None = col("How it was taken back.")


@inputs
class RequestDataExportInput:
    """Whose data to copy."""

    id: ID | None = about("Your own id for the request, so that you may send this again.", default=None)
    person_id: ID | None = about(
        "The user, technician, contact or private customer; yourself if left out.", default=None
    )
    reason: str = about("Why, for who decides.", default="")


@inputs
class RequestErasureInput:
    """Whom to erase."""

    id: ID | None = about("Your own id for the request, so that you may send this again.", default=None)
    person_id: ID | None = about(
        "The user, technician, contact or private customer; yourself if left out.", default=None
    )
    reason: str = about("Why, for who decides.", default="")


@inputs
class ApproveDataRequestInput:
    """A request to be done."""

    id: ID = about("Which request.")
    version: int | None = about("The version you saw; refused when it is another by now.", default=None)


@inputs
class RefuseDataRequestInput:
    """A request to be turned down."""

    id: ID = about("Which request.")
    reason: str = about("Why; the person will be told.")
    version: int | None = about("The version you saw; refused when it is another by now.", default=None)


@inputs
class GiveConsentInput:
    """What somebody agreed to."""

    id: ID | None = about("Your own id for it, so that you may send this again.", default=None)
    person_id: ID | None = about("The user, technician, contact or customer; yourself if left out.", default=None)
    purpose: ConsentPurpose = about("What for.")
    text_version: str = about("Which version of the text the person agreed to.")
    channel: ConsentChannel = about("How it was given.")


@inputs
class WithdrawConsentInput:
    """What somebody takes back."""

    id: ID = about("Which consent.")
    channel: ConsentChannel = about("How it was taken back.")
    version: int | None = about("The version you saw; refused when it is another by now.", default=None)


class Queries:
    """What clients may ask."""

    data_request: DataRequest | None = one("One request about personal data.", permission=SIGNED_IN)
    data_requests: Connection[DataRequest] = many(
        "Requests about personal data, the latest first unless you say otherwise.",
        permission=SIGNED_IN,
        filter=DataRequestFilter,
        order=DataRequestOrder,
    )
    consent: Consent | None = one("One consent.", permission=SIGNED_IN)
    consents: Connection[Consent] = many(
        "What people agreed to, the latest first unless you say otherwise.",
        permission=SIGNED_IN,
        filter=ConsentFilter,
        order=ConsentOrder,
    )


class Mutations:
    """What clients may do."""

    @mutation(
        DataRequest,
        "Asks for a copy of all that is kept of a person. Your own is made at once; another's needs who manages privacy.",
        permission=SIGNED_IN,
        problems=(AlreadyExists, Conflict, ConfirmationRequired),
    )
    async def request_data_export(actor: Actor, input: RequestDataExportInput) -> str:
        return await privacy.request_data_export(actor, id=input.id, person_id=input.person_id, reason=input.reason)

    @mutation(
        DataRequest,
        "Asks for a person to be erased: what says who they are goes, the record of work and money stays and names nobody. "
        "Who manages privacy decides.",
        permission=SIGNED_IN,
        problems=(AlreadyExists, Conflict),
    )
    async def request_erasure(actor: Actor, input: RequestErasureInput) -> str:
        return await privacy.request_erasure(actor, id=input.id, person_id=input.person_id, reason=input.reason)

    @mutation(
        DataRequest,
        "Has a request done, in the background; once more, if it broke off. An erasure cannot be undone, and waits until the "
        "person's account is deactivated or archived.",
        permission=Permission.MANAGE_PRIVACY,
        problems=(Conflict, ConfirmationRequired, IllegalTransition, StaleVersion),
    )
    async def approve_data_request(actor: Actor, input: ApproveDataRequestInput) -> str:
        return await privacy.approve_data_request(actor, input.id, version=input.version)

    @mutation(
        DataRequest,
        "Turns a request down.",
        permission=Permission.MANAGE_PRIVACY,
        problems=(IllegalTransition, StaleVersion),
    )
    async def refuse_data_request(actor: Actor, input: RefuseDataRequestInput) -> str:
        return await privacy.refuse_data_request(actor, input.id, reason=input.reason, version=input.version)

    @mutation(
        Consent,
        "Notes that a person agreed to something: yourself, or anybody for who manages privacy.",
        permission=SIGNED_IN,
        problems=(AlreadyExists,),
    )
    async def give_consent(actor: Actor, input: GiveConsentInput) -> str:
        return await consents.give_consent(
            actor,
            id=input.id,
            person_id=input.person_id,
            purpose=input.purpose,
            text_version=input.text_version,
            channel=input.channel,
        )

    @mutation(
        Consent,
        "Notes that a person took an agreement back. What was agreed to before stays on record.",
        permission=SIGNED_IN,
        problems=(Conflict, StaleVersion),
    )
    async def withdraw_consent(actor: Actor, input: WithdrawConsentInput) -> str:
        return await consents.withdraw_consent(actor, input.id, channel=input.channel, version=input.version)
