"""What people are told by mail of their own accounts. Pure. Nothing in it lets anybody in, and no link is among it to follow."""

from collections.abc import Iterable

from app.identity.models import Session
from app.identity.rules import SignInOddity

UNLESS = "If it was not you, set a new password, end your sessions and tell your administrator.\n"
ODDITIES = {
    SignInOddity.NEW_NETWORK: "from a network from which you had not",
    SignInOddity.NEW_DEVICE: "with a device or program with which you had not",
    SignInOddity.AFTER_FAILURES: "after several wrong passwords",
}
Notice = tuple[str, str]


def sentence_of(oddities: Iterable[SignInOddity]) -> str:
    """What was unusual about a sign-in."""
    return f"Somebody signed in to your account {', '.join(ODDITIES[one] for one in oddities)}."


def of_sign_in(session: Session, oddities: Iterable[SignInOddity]) -> Notice:
    """Of a sign-in that was unusual: subject and text."""
    where = f"Address: {session.address or 'unknown'}\nProgram: {session.user_agent or 'unknown'}\n"
    when = f"Time: {session.created_at:%d %B %Y, %H:%M} UTC\n"
    return "A sign-in to your account", f"{sentence_of(oddities)}\n\n{when}{where}\n{UNLESS}"


def of_password() -> Notice:
    """Of a password that changed."""
    return "Your password was changed", f"The password of your account was changed.\n\n{UNLESS}"


def of_address() -> Notice:
    """Of a login address that changed."""
    return "Your login was changed", f"The e-mail address of your account was changed.\n\n{UNLESS}"


def of_factors() -> Notice:
    """Of second factors that changed."""
    return (
        "Your second factors were changed",
        f"What your account asks for besides the password was changed.\n\n{UNLESS}",
    )
