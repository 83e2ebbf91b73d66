"""Expected problems as clients see them: one interface, and a type for each with the figures behind the message."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from app.kernel import errors
from schema.kit.declarations import plain

STRICT = False
"""In tests: a problem that a mutation does not declare is an error, not only a line in the log."""

ALWAYS_POSSIBLE: tuple[type[errors.Problem], ...] = (
    errors.InvalidInput,
    errors.NotAuthenticated,
    errors.NotPermitted,
    errors.NotFound,
    errors.RateLimited,
    errors.Unavailable,
    errors.AlreadyExists,
    errors.IdempotencyMismatch,
)


def _says(description: str) -> Any:
    return strawberry.field(description=description)


@strawberry.interface(description="Something expected went wrong, and nothing was changed.")
class Problem:
    """What all problems say."""

    code: str = _says("A stable word for programs.")
    message: str = _says("A sentence for a person, which says what to do.")
    path: list[str] = _says("The input field it is about, from the outside in; empty if it is about the whole.")


@strawberry.type(description="A value cannot be used; the path names it.")
class InvalidInput(Problem):
    """See the kernel."""


@strawberry.type(description="There is no valid session or key.")
class NotAuthenticated(Problem):
    """See the kernel."""


@strawberry.type(
    description="The password is right, but older than the organization allows: ask for a link to set a new one."
)
class PasswordExpired(Problem):
    """See the kernel."""


@strawberry.type(description="The role lacks a permission.")
class NotPermitted(Problem):
    """See the kernel."""

    permission: str = _says("The permission that is missing.")


@strawberry.type(
    description="The organization asks for a second factor, and the person has none yet: enrollMfaMethod first."
)
class EnrollmentRequired(Problem):
    """See the kernel."""


@plain
class OfferedFactor:
    """A second factor that may answer a challenge."""

    id: strawberry.ID = _says("Its id, to be sent along with its code.")
    kind: str = _says("TOTP, WEBAUTHN, SMS or EMAIL.")
    name: str = _says("What its owner calls it.")
    hint: str | None = _says("To where a code would go, mostly hidden; null where none is sent.")


@plain
class FactorChallenge:
    """A question for a second factor. It lasts ten minutes, bears five tries and is answered once."""

    token: str = _says("What the answer has to show. Keep it secret.")
    expires_in_seconds: int = _says("How long there is to answer.")
    methods: list[OfferedFactor] = _says("What may answer it; a recovery code may as well.")
    passkey_options: JSON | None = _says(
        "For navigator.credentials.get, as PublicKeyCredential.parseRequestOptionsFromJSON reads it; null without a "
        "security key."
    )


@strawberry.type(description="The password was right, and a second factor is asked for: answer with completeLogIn.")
class SecondFactorRequired(Problem):
    """See the kernel."""

    challenge: FactorChallenge = _says("What to answer.")


@strawberry.type(
    description="This needs somebody who proved a short while ago who they are: confirmIdentity first, then the same again."
)
class ConfirmationRequired(Problem):
    """See the kernel."""

    minutes: int = _says("For how many minutes a confirmation is good.")


@strawberry.type(description="There is no such thing, or none that the asker may see.")
class NotFound(Problem):
    """See the kernel."""

    noun: str = _says("What was looked for.")
    id: str = _says("The id that was looked for.")


@strawberry.type(description="The request is understood, but the world is not as it assumes.")
class Conflict(Problem):
    """See the kernel."""


@strawberry.type(description="The id or number is taken.")
class AlreadyExists(Problem):
    """See the kernel."""

    noun: str = _says("What exists already.")
    id: str = _says("Its id or number.")


@strawberry.type(description="Somebody else changed the row since the version the client saw.")
class StaleVersion(Problem):
    """See the kernel."""

    expected: int = _says("The version that the client saw.")
    actual: int = _says("The version it is at.")


@strawberry.type(description="The lifecycle has no such step from the state the thing is in.")
class IllegalTransition(Problem):
    """See the kernel."""

    state: str = _says("The state it is in.")
    to: str = _says("The state it was asked to take.")
    allowed: list[str] = _says("The states it can take from here.")


@plain
class MissingItem:
    """Something that stands between a work order and its completion."""

    code: str = _says("A stable word for programs.")
    message: str = _says("What to do about it.")


@strawberry.type(description="Something is missing before completion; all of it is listed.")
class CompletionBlocked(Problem):
    """See the kernel."""

    missing: list[MissingItem] = _says("Everything that is missing.")


@plain
class ScheduleClash:
    """A reason why a visit does not fit."""

    code: str = _says("A stable word for programs.")
    message: str = _says("The reason in a sentence.")
    overridable: bool = _says("Whether it may be overridden with permission and a reason.")
    appointment_id: strawberry.ID | None = _says("The appointment in the way, if one is.")
    technician_id: strawberry.ID | None = _says("The technician it is about, if it is about one.")


@strawberry.type(description="The visit does not fit the technician's schedule; every reason is listed.")
class ScheduleConflict(Problem):
    """See the kernel."""

    conflicts: list[ScheduleClash] = _says("Every reason why it does not fit.")


@strawberry.type(description="The schedule moved between the plan's start and its commit.")
class PlanOutdated(Problem):
    """See the kernel."""

    moved: list[strawberry.ID] = _says("The appointments that moved.")


@strawberry.type(description="There are as many of these as there may be at a time.")
class LimitReached(Problem):
    """See the kernel."""

    limit: int = _says("How many there may be.")


@strawberry.type(description="The same idempotency key came before with another request.")
class IdempotencyMismatch(Problem):
    """See the kernel."""

    key: str = _says("The key.")


@strawberry.type(description="The cursor is older than what is kept: read everything anew and take a fresh cursor.")
class ResyncRequired(Problem):
    """See the kernel."""

    cursor: str | None = _says("The newest cursor: read everything after you have it, then go on from it.")


@strawberry.type(description="Too many requests of this kind.")
class RateLimited(Problem):
    """See the kernel."""

    retry_after_seconds: int = _says("When to try again.")


@strawberry.type(description="Busy, or a part is away. Nothing was changed; the same request may be sent again.")
class Unavailable(Problem):
    """See the kernel."""

    retry_after_seconds: int = _says("When to try again.")


PROBLEM_TYPES: dict[type[errors.Problem], type[Any]] = {
    errors.InvalidInput: InvalidInput,
    errors.NotAuthenticated: NotAuthenticated,
    errors.PasswordExpired: PasswordExpired,
    errors.NotPermitted: NotPermitted,
    errors.EnrollmentRequired: EnrollmentRequired,
    errors.SecondFactorRequired: SecondFactorRequired,
    errors.ConfirmationRequired: ConfirmationRequired,
    errors.NotFound: NotFound,
    errors.Conflict: Conflict,
    errors.AlreadyExists: AlreadyExists,
    errors.StaleVersion: StaleVersion,
    errors.IllegalTransition: IllegalTransition,
    errors.CompletionBlocked: CompletionBlocked,
    errors.ScheduleConflict: ScheduleConflict,
    errors.PlanOutdated: PlanOutdated,
    errors.LimitReached: LimitReached,
    errors.IdempotencyMismatch: IdempotencyMismatch,
    errors.ResyncRequired: ResyncRequired,
    errors.RateLimited: RateLimited,
    errors.Unavailable: Unavailable,
}


def shown_problem(problem: errors.Problem) -> Any:
    """The object that clients get for a problem."""
    made = next((PROBLEM_TYPES[kind] for kind in type(problem).__mro__ if kind in PROBLEM_TYPES), None)
    if made is None:
        raise TypeError(f"{type(problem).__name__} has no type in the schema") from problem
    data = problem.data()
    figures = {
        one.name: _figure(one.name, data[to_camel_case(one.name)])
        for one in dataclasses.fields(made)
        if one.name not in ("code", "message", "path")
    }
    return made(code=problem.code, message=problem.message, path=list(problem.path), **figures)


_PARTS: dict[str, type[Any]] = {"missing": MissingItem, "conflicts": ScheduleClash}


def shown_challenge(challenge: Mapping[str, Any]) -> FactorChallenge:
    """The object that clients get for a question for a second factor."""
    return FactorChallenge(
        token=challenge["token"],
        expires_in_seconds=challenge["expiresInSeconds"],
        methods=[OfferedFactor(**one) for one in challenge["methods"]],
        passkey_options=challenge["passkeyOptions"],
    )


def _figure(name: str, value: Any) -> Any:
    if name == "challenge":
        return shown_challenge(value)
    if name not in _PARTS:
        return value
    made = _PARTS[name]
    parts = dataclasses.fields(made)
    return [made(**{part.name: one[to_camel_case(part.name)] for part in parts}) for one in value]
