"""Second factors as clients see them: asked for at sign-in, set up, and used to confirm who one is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.identity import confirmation, models, sign_in
from app.identity.factors import challenges, codes, methods
from app.identity.factors.proofs import Proof
from app.identity.policy import FactorKind
from app.identity.secret import Secret
from app.kernel.actor import Actor
from app.kernel.errors import (
    AlreadyExists,
    ConfirmationRequired,
    Conflict,
    InvalidInput,
    LimitReached,
    PasswordExpired,
)
from app.kernel.permissions import Permission
from schema.identity.operations import signed_in
from schema.identity.types import Session, SignedIn, User
from schema.kit import (
    ANYONE,
    ID,
    JSON,
    OPEN_WHILE_ENROLLING,
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
    computed,
    filterable,
    inputs,
    link,
    many,
    mutation,
    orderable,
    parent,
    plain,
    query,
    readable,
)
from schema.kit.problems import FactorChallenge, shown_challenge

OPEN_WHILE_ENROLLING.update(
    {
        "viewer", "mfaMethods", "recoveryCodesLeft", "enrollMfaMethod", "confirmMfaMethod", "sendFactorCode",
        "confirmIdentity", "setPassword", "logOut",
    }
)  # fmt: skip
CHALLENGE = "The token of the challenge."
CODE = "The code of an app, or the one that was sent."
CREDENTIAL = "What the browser answered, as PublicKeyCredential.toJSON gives it."


def _hint(kind: str, target: str | None) -> str | None:
    if target is None:
        return None
    return codes.masked_phone(target) if kind == FactorKind.SMS else codes.masked_mail(target)


@filterable(models.MfaMethod)
class MfaMethodFilter:
    """Which second factors."""

    id: IdFilter | None = by("Its id.")
    user_id: IdFilter | None = by("Whose.")
    kind: EnumFilter[FactorKind] | None = by("What is asked for.")
    name: StringFilter | None = by("What its owner calls it.")
    confirmed_at: DateTimeFilter | None = by("When it was taken into use; isNull finds those that wait for it.")
    last_used_at: DateTimeFilter | None = by("When it was last used.")
    created_at: DateTimeFilter | None = by("When it was set up.")


MfaMethodOrder = orderable(
    "MfaMethodOrder",
    models.MfaMethod,
    default=("created_at",),
    created_at="When it was set up.",
    name="What its owner calls it.",
    kind="What is asked for.",
    confirmed_at="When it was taken into use.",
    last_used_at="When it was last used; those never used come last.",
)


@readable(models.MfaMethod, permission=None)
class MfaMethod(Node):
    """A second factor of a person. You see your own; who manages users sees all."""

    user: User = parent("Whose it is.")
    kind: FactorKind = col("What is asked for.")
    name: str = col("What its owner calls it.")
    hint: str | None = computed(
        "To where its codes go, mostly hidden; null where none are sent.", _hint, needs=("kind", "target")
    )
    confirmed_at: datetime | None = col("When it was taken into use; null while it waits for its first answer.")
    last_used_at: datetime | None = col("When it was last used.")
    created_at: datetime = col("When it was set up.")


@plain
class MfaEnrollment:
    """A second factor that waits for its first answer, and what that takes. It is shown this once."""

    method: MfaMethod | None = link("The second factor.", "method_id")
    challenge: str = about("What confirmMfaMethod has to show. Keep it secret.")
    secret: str | None = about("For an app: its secret, to be typed in by hand.")
    uri: str | None = about("For an app: all it needs, as an otpauth address.")
    qr_code: str | None = about("For an app: the same as a picture (SVG), to be scanned.")
    passkey_options: JSON | None = about(
        "For a security key: for navigator.credentials.create, as PublicKeyCredential.parseCreationOptionsFromJSON reads it."
    )
    method_id: Private[str]


@plain
class ConfirmedMfaMethod:
    """A second factor that is in use now."""

    method: MfaMethod | None = link("The second factor.", "method_id")
    recovery_codes: list[str] | None = about(
        "With the first factor: ten codes to write down, each of which stands in for it once. They are shown this once."
    )
    method_id: Private[str]


@plain
class RecoveryCodes:
    """Codes to write down, each of which stands in for a second factor once."""

    codes: list[str] = about("The codes, shown this once.")


@plain
class SentFactorCode:
    """A code is on its way."""

    digits: int = about("How many digits it has.")


@inputs
class CompleteLogInInput:
    """The answer to a challenge: a code with its factor, what a security key signed, or a recovery code."""

    challenge: str = about(CHALLENGE)
    method_id: ID | None = about("Of which of the offered factors the code is.", default=None)
    code: str | None = about(CODE, default=None)
    credential: JSON | None = about(CREDENTIAL, default=None)
    recovery_code: str | None = about("One of the codes that were written down.", default=None)


@inputs
class SendFactorCodeInput:
    """To whom a code is sent."""

    challenge: str = about(CHALLENGE)
    method_id: ID = about("Which of the offered factors: one of kind SMS or EMAIL.")


@inputs
class EnrollMfaMethodInput:
    """A second factor to set up."""

    kind: FactorKind = about("What will be asked for.")
    name: str | None = about("What you call it.", default=None)
    target: str | None = about("To where codes are sent: a phone number for SMS, an address for EMAIL.", default=None)


@inputs
class ConfirmMfaMethodInput:
    """The first answer of a second factor."""

    challenge: str = about("The token that came with the enrollment.")
    code: str | None = about(CODE, default=None)
    credential: JSON | None = about(CREDENTIAL, default=None)


@inputs
class RenameMfaMethodInput:
    """A second factor and its name."""

    id: ID = about("Which one of your own.")
    name: str = about("What you call it.")


@inputs
class RemoveMfaMethodInput:
    """A second factor to take out of use."""

    id: ID = about("Which one of your own.")


@inputs
class ResetMfaMethodsInput:
    """Somebody who lost their second factors."""

    user_id: ID = about("Who.")


@inputs
class ConfirmIdentityInput:
    """What proves that it is you: the password, or the answer to a challenge of beginConfirmation."""

    password: str | None = about("Your password.", default=None)
    challenge: str | None = about("The token of a challenge.", default=None)
    method_id: ID | None = about("Of which of the offered factors the code is.", default=None)
    code: str | None = about(CODE, default=None)
    credential: JSON | None = about(CREDENTIAL, default=None)
    recovery_code: str | None = about("One of the codes that were written down.", default=None)


def _proof(input: CompleteLogInInput | ConfirmIdentityInput) -> Proof:
    def secret(text: str | None) -> Secret | None:
        return Secret(text) if text is not None else None

    credential: Any = input.credential
    return Proof(input.method_id, secret(input.code), credential, secret(input.recovery_code))


def _challenge(challenge: Mapping[str, Any]) -> FactorChallenge:
    return shown_challenge(challenge)


class Queries:
    """What clients may ask."""

    mfa_methods: Connection[MfaMethod] = many(
        "The second factors that you may see: your own, or everybody's if you manage users or audit.",
        permission=SIGNED_IN,
        filter=MfaMethodFilter,
        order=MfaMethodOrder,
    )

    @query("How many of your recovery codes are left.", permission=SIGNED_IN)
    async def recovery_codes_left(actor: Actor) -> int:
        return await methods.count_recovery_codes(actor.id)


class Mutations:
    """What clients may do."""

    @mutation(
        SignedIn,
        "Signs in with a second factor, after logIn answered SECOND_FACTOR_REQUIRED. A challenge bears five tries in ten "
        "minutes; NOT_AUTHENTICATED says that it is over: sign in anew.",
        permission=ANYONE,
        problems=(PasswordExpired,),
    )
    async def complete_log_in(context: Context, input: CompleteLogInInput) -> SignedIn:
        session = await sign_in.complete_log_in(
            input.challenge, _proof(input), address=context.address, user_agent=context.user_agent
        )
        return await signed_in(context, session)

    @mutation(
        SentFactorCode,
        "Sends a code for a challenge: at most three, half a minute apart. The one before it is void.",
        permission=ANYONE,
    )
    async def send_factor_code(input: SendFactorCodeInput) -> SentFactorCode:
        return SentFactorCode(digits=await challenges.send_code(input.challenge, input.method_id))

    @mutation(
        FactorChallenge,
        "Asks for your second factors, to be answered with confirmIdentity.",
        permission=SIGNED_IN,
        problems=(Conflict,),
    )
    async def begin_confirmation(actor: Actor) -> FactorChallenge:
        return _challenge(await confirmation.begin_confirmation(actor))

    @mutation(
        Session,
        "Proves that it is still you who uses this session: then what asks for CONFIRMATION_REQUIRED is open for some minutes, "
        "as it is after signing in.",
        permission=SIGNED_IN,
    )
    async def confirm_identity(actor: Actor, context: Context, input: ConfirmIdentityInput) -> str:
        where = {"address": context.address, "user_agent": context.user_agent}
        if input.method_id is not None:
            await confirmation.require_method(actor, input.method_id)
        if (input.password is None) == (input.challenge is None):
            raise InvalidInput("Give your password, or answer a challenge.", path=["password"])
        if input.challenge is not None:
            return await confirmation.confirm_by_factor(actor, input.challenge, _proof(input), **where)
        return await confirmation.confirm_identity(actor, Secret(input.password or ""), **where)

    @mutation(
        MfaEnrollment,
        "Begins to set up a second factor; confirmMfaMethod takes it into use. A code is sent to a phone or mail address.",
        permission=SIGNED_IN,
        problems=(ConfirmationRequired, LimitReached),
    )
    async def enroll_mfa_method(actor: Actor, input: EnrollMfaMethodInput) -> MfaEnrollment:
        made = await methods.enroll(actor, input.kind, name=input.name, target=input.target)
        options: Any = made.options
        return MfaEnrollment(
            method_id=made.method_id,
            challenge=made.token,
            secret=made.secret,
            uri=made.uri,
            qr_code=made.qr_code,
            passkey_options=options,
        )

    @mutation(
        ConfirmedMfaMethod,
        "Takes a second factor into use. The first one brings recovery codes; from then on you sign in with both.",
        permission=SIGNED_IN,
        problems=(AlreadyExists,),
    )
    async def confirm_mfa_method(actor: Actor, input: ConfirmMfaMethodInput) -> ConfirmedMfaMethod:
        code = Secret(input.code) if input.code is not None else None
        made = await methods.confirm_enrollment(actor, input.challenge, code=code, credential=input.credential)
        return ConfirmedMfaMethod(
            method_id=made.method_id,
            recovery_codes=list(made.recovery_codes) if made.recovery_codes is not None else None,
        )

    @mutation(MfaMethod, "Calls one of your second factors something else.", permission=SIGNED_IN)
    async def rename_mfa_method(actor: Actor, input: RenameMfaMethodInput) -> str:
        return await methods.rename_method(actor, input.id, name=input.name)

    @mutation(
        User,
        "Takes one of your second factors out of use; the last one stays where your organization asks for one.",
        permission=SIGNED_IN,
        problems=(ConfirmationRequired, Conflict),
    )
    async def remove_mfa_method(actor: Actor, input: RemoveMfaMethodInput) -> str:
        return await methods.remove_method(actor, input.id)

    @mutation(
        RecoveryCodes,
        "Gives you ten fresh recovery codes; the ones before are void.",
        permission=SIGNED_IN,
        problems=(ConfirmationRequired, Conflict),
    )
    async def replace_recovery_codes(actor: Actor) -> RecoveryCodes:
        return RecoveryCodes(codes=list(await methods.replace_recovery_codes(actor)))

    @mutation(
        User,
        "Takes all second factors from somebody who lost them. Their sessions end, they are told by mail, and sign in by the "
        "password alone until there is a new one; where one is asked for, they can do nothing but set it up.",
        permission=Permission.MANAGE_USERS,
        problems=(ConfirmationRequired, Conflict),
    )
    async def reset_mfa_methods(actor: Actor, input: ResetMfaMethodsInput) -> str:
        return await methods.reset_methods(actor, input.user_id)
