"""What happens to people, their sessions and keys. No secret, and no hash of one, is part of a fact."""

from dataclasses import dataclass

from app.kernel.events import Fact


class RoleCreated(Fact):
    """The organization has one more role of its own."""

    noun = "role"


class RoleUpdated(Fact):
    """A role allows something else, or is called otherwise; it holds at once for whoever has it."""

    noun = "role"


class RoleDeleted(Fact):
    """A role that nobody held is gone."""

    noun = "role"


class UserCreated(Fact):
    """Somebody may sign in from now on."""

    noun = "user"


class UserUpdated(Fact):
    """A person's profile or roles changed."""

    noun = "user"


class UserInvited(Fact):
    """Somebody new got a link by which to come in."""

    noun = "invitation"


class InvitationResent(Fact):
    """Somebody new got another link; the one before opens nothing any more."""

    noun = "invitation"


class InvitationRevoked(Fact):
    """A link opens nothing any more; whom it was for is shut out."""

    noun = "invitation"


class InvitationAccepted(Fact):
    """Somebody new set a password and may sign in from now on."""

    noun = "invitation"


class UserDeactivated(Fact):
    """Somebody may no longer sign in; the sessions ended with it."""

    noun = "user"


class UserReactivated(Fact):
    """Somebody may sign in again."""

    noun = "user"


class UserUnlocked(Fact):
    """Wrong passwords from before do not slow a person down any more."""

    noun = "user"


class AccessRequested(Fact):
    """Somebody asks to be let in, or for more roles."""

    noun = "access request"


class AccessRequestApproved(Fact):
    """Who asked for access gets it."""

    noun = "access request"


class AccessRequestDeclined(Fact):
    """Who asked for access does not get it."""

    noun = "access request"


class PasswordResetRequested(Fact):
    """A link to set a new password was sent to a person, who asked for it, or for whom an administrator did."""

    noun = "user"


class PasswordChanged(Fact):
    """A person has a new password; other sessions ended with it."""

    noun = "user"


class SecurityPolicyChanged(Fact):
    """The organization asks something else of its people's passwords, second factors or sessions."""

    noun = "security policy"


class IdentityProviderAdded(Fact):
    """Another company's server may say who the organization's people are."""

    noun = "identity provider"


class IdentityProviderChanged(Fact):
    """What is said of an identity provider changed."""

    noun = "identity provider"


@dataclass(frozen=True, kw_only=True)
class IdentityLinked(Fact):
    """A person signed in by an identity provider for the first time, and is known by its name for them from now on."""

    noun = "user"
    provider_id: str


@dataclass(frozen=True, kw_only=True)
class SecondFactorAdded(Fact):
    """A person set up a second factor."""

    noun = "second factor"
    user_id: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class SecondFactorRenamed(Fact):
    """A person calls a second factor something else."""

    noun = "second factor"
    user_id: str


@dataclass(frozen=True, kw_only=True)
class SecondFactorRemoved(Fact):
    """A person has a second factor no more."""

    noun = "second factor"
    user_id: str
    kind: str


class SecondFactorsReset(Fact):
    """An administrator took all second factors from a person, who signs in by the password alone until there are new ones."""

    noun = "user"


class RecoveryCodesReplaced(Fact):
    """A person has fresh recovery codes; the ones before open nothing."""

    noun = "user"


class RecoveryCodeUsed(Fact):
    """A person answered with a recovery code, because other factors were not at hand."""

    noun = "user"


@dataclass(frozen=True, kw_only=True)
class SessionStarted(Fact):
    """A person signed in."""

    noun = "session"
    user_id: str
    address: str


@dataclass(frozen=True, kw_only=True)
class UnusualSignIn(Fact):
    """A person signed in as they had not before, or after many wrong passwords."""

    noun = "session"
    user_id: str
    oddities: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class IdentityConfirmed(Fact):
    """The person behind a session proved once more who they are."""

    noun = "session"
    user_id: str


@dataclass(frozen=True, kw_only=True)
class SessionRevoked(Fact):
    """A session ended before its time."""

    noun = "session"
    user_id: str
    reason: str


class ApiKeyCreated(Fact):
    """A partner got a key."""

    noun = "API key"


class ApiKeyUpdated(Fact):
    """A key has another name, end, budget or network."""

    noun = "API key"


@dataclass(frozen=True, kw_only=True)
class ApiKeyExpiring(Fact):
    """A key ends soon."""

    noun = "API key"
    name: str
    expires_at: str


class ApiKeyRotated(Fact):
    """A key has a new secret."""

    noun = "API key"


class ApiKeyRevoked(Fact):
    """A key opens nothing any more."""

    noun = "API key"


class DataRequestFact(Fact):
    """Something happened to a request about personal data."""

    noun = "data request"


@dataclass(frozen=True, kw_only=True)
class DataRequestReceived(DataRequestFact):
    """Somebody wants to know what is kept of a person, or wants it erased."""

    kind: str
    person_id: str


class DataRequestApproved(DataRequestFact):
    """It will be done."""


class DataRequestRefused(DataRequestFact):
    """It will not be done."""


class DataRequestStarted(DataRequestFact):
    """It is being done."""


class DataRequestFailed(DataRequestFact):
    """It broke off, and waits to be begun again."""


class DataRequestDone(DataRequestFact):
    """It is done."""


class DataRequestExpired(DataRequestFact):
    """The file was kept long enough."""


@dataclass(frozen=True, kw_only=True)
class DataCopyTaken(DataRequestFact):
    """Somebody took the file with what is kept of a person."""

    by: str


@dataclass(frozen=True, kw_only=True)
class ConsentGiven(Fact):
    """A person agreed to something."""

    noun = "consent"
    person_id: str
    purpose: str


@dataclass(frozen=True, kw_only=True)
class ConsentTakenBack(Fact):
    """A person took an agreement back."""

    noun = "consent"
    person_id: str
    purpose: str
