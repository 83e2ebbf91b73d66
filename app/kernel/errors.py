"""What can go wrong in the domain, as one small tree. Each leaf has a stable code and says, to a person, what to do.

::

    Problem                      expected; a mutation answers with it as data
    ├── InvalidInput             a value cannot be used                     (path, reason)
    ├── NotAuthenticated         no valid session or key
    ├── PasswordExpired          right, but older than is allowed
    ├── NotPermitted             signed in, but the role lacks a permission (permission)
    │   └── EnrollmentRequired   first set up the second factor that is asked for
    ├── SecondFactorRequired     the password was right; one step is left   (challenge)
    ├── ConfirmationRequired     prove once more who you are                (minutes)
    ├── NotFound                 no such thing, or not one you may see      (noun, id)
    ├── Conflict                 true a moment ago, or never going to be
    │   ├── AlreadyExists        the id or number is taken                  (noun, id)
    │   ├── StaleVersion         somebody else changed it first             (expected, actual)
    │   ├── IllegalTransition    not a step from here                       (noun, state, to, allowed)
    │   ├── CompletionBlocked    something is missing before completion     (missing)
    │   ├── ScheduleConflict     the visit does not fit                     (conflicts)
    │   ├── PlanOutdated         the schedule moved under the plan          (moved)
    │   ├── LimitReached         there are as many of these as there may be  (limit)
    │   ├── IdempotencyMismatch  the same key came with another request     (key)
    │   └── ResyncRequired       the cursor is older than what is kept
    ├── RateLimited              too much, too fast                         (retry_after_seconds)
    └── Unavailable              try again: busy or a part is away          (retry_after_seconds)
    ConfigurationError           the start is refused; one sentence says what to set
"""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

FRAMES_MAX = 20


def blame(error: BaseException) -> dict[str, Any]:
    """What a log line says of a bug: its type, and its frames, innermost last. Its message stays out: it may hold what a
    client sent, or what a row holds."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    at = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "at": at}


class ConfigurationError(Exception):
    """A setting cannot be used. The message is one sentence that says what to set."""


class Problem(Exception):
    """Something expected went wrong; ``code`` is stable, the message is for a person, ``data()`` for a program."""

    code: ClassVar[str] = "PROBLEM"

    def __init__(self, message: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path: tuple[str, ...] = tuple(path)

    def data(self) -> dict[str, Any]:
        """The figures behind the message, ready for JSON."""
        return {}


class InvalidInput(Problem):
    """A value cannot be used; ``path`` names the input field."""

    code = "INVALID_INPUT"


class NotAuthenticated(Problem):
    """There is no valid session or key."""

    code = "NOT_AUTHENTICATED"

    def __init__(self, message: str = "Sign in first: the token is missing, wrong or expired.") -> None:
        super().__init__(message)


class PasswordExpired(Problem):
    """The password is right, but older than the organization allows."""

    code = "PASSWORD_EXPIRED"

    def __init__(self) -> None:
        super().__init__("Your password is too old. Have a link sent to you to set a new one: requestPasswordReset.")


class NotPermitted(Problem):
    """The role lacks a permission."""

    code = "NOT_PERMITTED"

    def __init__(self, permission: str) -> None:
        super().__init__(f"Your role does not hold the permission {permission}.")
        self.permission = permission

    def data(self) -> dict[str, Any]:
        return {"permission": self.permission}


class EnrollmentRequired(NotPermitted):
    """The organization asks for a second factor, and the person has none yet."""

    code = "ENROLLMENT_REQUIRED"

    def __init__(self) -> None:
        Problem.__init__(self, "Set up a second factor first: your organization asks for one.")

    def data(self) -> dict[str, Any]:
        return {}


class SecondFactorRequired(Problem):
    """The password was right, and a second factor is asked for: answer the challenge with ``completeLogIn``."""

    code = "SECOND_FACTOR_REQUIRED"

    def __init__(self, challenge: Mapping[str, Any]) -> None:
        super().__init__("One step is left: answer with your second factor.")
        self.challenge = challenge

    def data(self) -> dict[str, Any]:
        return {"challenge": self.challenge}


class ConfirmationRequired(Problem):
    """This needs somebody who proved a short while ago who they are: ``confirmIdentity`` first, then the same again."""

    code = "CONFIRMATION_REQUIRED"

    def __init__(self, minutes: int) -> None:
        super().__init__("Confirm first that it is you: use confirmIdentity, then send this again.")
        self.minutes = minutes

    def data(self) -> dict[str, Any]:
        return {"minutes": self.minutes}


class NotFound(Problem):
    """There is no such thing, or none that the actor may see: the two look the same on purpose."""

    code = "NOT_FOUND"

    def __init__(self, noun: str, id: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(f"There is no {noun} {id}.", path=path)
        self.noun = noun
        self.id = id

    def data(self) -> dict[str, Any]:
        return {"noun": self.noun, "id": self.id}


class Conflict(Problem):
    """The request is understood, but the world is not as it assumes."""

    code = "CONFLICT"


class AlreadyExists(Conflict):
    """The id or number is taken."""

    code = "ALREADY_EXISTS"

    def __init__(self, noun: str, id: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(f"A {noun} {id} exists already.", path=path)
        self.noun = noun
        self.id = id

    def data(self) -> dict[str, Any]:
        return {"noun": self.noun, "id": self.id}


class StaleVersion(Conflict):
    """Somebody else changed the row since the version the client saw."""

    code = "STALE_VERSION"

    def __init__(self, noun: str, expected: int, actual: int) -> None:
        super().__init__(
            f"This {noun} was changed meanwhile: you saw version {expected}, it is at {actual}. "
            "Read it again and repeat what you still want."
        )
        self.expected = expected
        self.actual = actual

    def data(self) -> dict[str, Any]:
        return {"expected": self.expected, "actual": self.actual}


class IllegalTransition(Conflict):
    """The lifecycle has no such step from the state the thing is in."""

    code = "ILLEGAL_TRANSITION"

    def __init__(self, noun: str, state: str, to: str, allowed: Sequence[str], because: str = "") -> None:
        steps = ", ".join(allowed) or "none"
        article = "An" if noun[0] in "aeiou" else "A"
        reason = f": {because.removesuffix('.')}" if because else ""
        super().__init__(f"{article} {noun} that is {state} cannot become {to}{reason}. Allowed from here: {steps}.")
        self.state = state
        self.to = to
        self.allowed = tuple(allowed)

    def data(self) -> dict[str, Any]:
        return {"state": self.state, "to": self.to, "allowed": list(self.allowed)}


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that stands between a work order and its completion."""

    code: str
    message: str


class CompletionBlocked(Conflict):
    """The completion gate is shut; ``missing`` lists everything it waits for."""

    code = "COMPLETION_BLOCKED"

    def __init__(self, missing: Sequence[Missing]) -> None:
        super().__init__("Not complete yet: " + " ".join(one.message for one in missing))
        self.missing = tuple(missing)

    def data(self) -> dict[str, Any]:
        return {"missing": [{"code": one.code, "message": one.message} for one in self.missing]}


@dataclass(frozen=True, slots=True)
class ScheduleClash:
    """One reason why a visit does not fit; ``overridable`` with permission and a reason."""

    code: str
    message: str
    overridable: bool
    appointment_id: str | None = None
    technician_id: str | None = None


class ScheduleConflict(Conflict):
    """The visit does not fit the technician's schedule; every clash is listed."""

    code = "SCHEDULE_CONFLICT"

    def __init__(self, conflicts: Sequence[ScheduleClash]) -> None:
        super().__init__(" ".join(one.message for one in conflicts))
        self.conflicts = tuple(conflicts)

    def data(self) -> dict[str, Any]:
        return {
            "conflicts": [
                {
                    "code": one.code,
                    "message": one.message,
                    "overridable": one.overridable,
                    "appointmentId": one.appointment_id,
                    "technicianId": one.technician_id,
                }
                for one in self.conflicts
            ]
        }


class PlanOutdated(Conflict):
    """The schedule moved between the plan's start and its commit."""

    code = "PLAN_OUTDATED"

    def __init__(self, moved: Sequence[str]) -> None:
        super().__init__(
            f"The schedule changed since this plan was made ({len(moved)} visits moved). Plan again, then commit."
        )
        self.moved = tuple(moved)

    def data(self) -> dict[str, Any]:
        return {"moved": list(self.moved)}


class LimitReached(Conflict):
    """There are as many of these as there may be at a time, or as large ones."""

    code = "LIMIT_REACHED"

    def __init__(self, message: str, limit: int) -> None:
        super().__init__(message)
        self.limit = limit

    def data(self) -> dict[str, Any]:
        return {"limit": self.limit}


class IdempotencyMismatch(Conflict):
    """The same idempotency key came before with another request."""

    code = "IDEMPOTENCY_MISMATCH"

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key} was used before with different input. Use a new key.")
        self.key = key

    def data(self) -> dict[str, Any]:
        return {"key": self.key}


class ResyncRequired(Conflict):
    """The journal no longer has every fact after the cursor: read everything anew, then go on from the cursor it tells."""

    code = "RESYNC_REQUIRED"

    def __init__(self, cursor: str | None = None) -> None:
        super().__init__("The facts after this cursor are no longer kept. Read everything anew and take a new cursor.")
        self.cursor = cursor

    def data(self) -> dict[str, Any]:
        return {"cursor": self.cursor}


class RateLimited(Problem):
    """Too many requests of this kind."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after_seconds: int, what: str = "Too many tries.") -> None:
        super().__init__(f"{what} Try again in {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds

    def data(self) -> dict[str, Any]:
        return {"retryAfterSeconds": self.retry_after_seconds}


class Unavailable(Problem):
    """Busy, or a part is away; nothing was changed, and the same request may be sent again."""

    code = "UNAVAILABLE"

    def __init__(self, message: str = "Busy at the moment; nothing was changed. Try again.") -> None:
        super().__init__(message)
        self.retry_after_seconds = 1

    def data(self) -> dict[str, Any]:
        return {"retryAfterSeconds": self.retry_after_seconds}
