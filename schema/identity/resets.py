"""A new password without the old one: asked for by anyone, set by whoever has the link."""

from typing import Annotated

from app.identity import commands
from app.identity.policy import policy_of
from app.identity.secret import Secret
from app.kernel.errors import InvalidInput
from schema.kit import ANYONE, Context, about, arg, inputs, mutation, plain, query

TOKEN = "What stands in the link."


@plain
class OpenPasswordReset:
    """What the page behind a reset's link needs."""

    login: str = about("Whose password it sets.")
    password_length_min: int = about("How many characters the password has at least.")
    password_classes_min: int = about("How many of these it has at least: small letters, capitals, digits, signs.")


@plain
class RequestedPasswordReset:
    """Whether or not there is such a person, the answer is this."""

    is_accepted: bool = about("Always true: a link is on its way if there is somebody to send it to.")


@plain
class CompletedPasswordReset:
    """You may sign in with the new password."""

    login: str = about("What to sign in with, besides the password.")


@inputs
class RequestPasswordResetInput:
    """Who needs a new password."""

    login: str = about("The login: an e-mail address, or a user name and its login domain.")


@inputs
class CompletePasswordResetInput:
    """The new password."""

    token: str = about(TOKEN)
    password: str = about("The password that you want; openPasswordReset says what it has to be like.")


class Queries:
    """What clients may ask."""

    @query(
        "The reset that a link opens, for the page behind it; null for any other link, whatever is wrong with it.",
        permission=ANYONE,
    )
    async def open_password_reset(token: Annotated[str, arg(TOKEN)]) -> OpenPasswordReset | None:
        try:
            _, user = await commands.require_open_reset(token)
        except InvalidInput:
            return None
        policy = await policy_of(user.organization_id)
        return OpenPasswordReset(
            login=user.email,
            password_length_min=policy.password_length_min,
            password_classes_min=policy.password_classes_min,
        )


class Mutations:
    """What clients may do."""

    @mutation(
        RequestedPasswordReset,
        "Mails a link to set a new password to whoever has this login. The answer is the same, after the same time, whether "
        "anybody has it or not. The link opens once, for half an hour; at most three are open at a time.",
        permission=ANYONE,
    )
    async def request_password_reset(context: Context, input: RequestPasswordResetInput) -> RequestedPasswordReset:
        await commands.request_password_reset(input.login, address=context.address)
        return RequestedPasswordReset(is_accepted=True)

    @mutation(
        CompletedPasswordReset,
        "Sets a new password by a link, once; all your sessions end. Then sign in, with your second factor if you have one. A "
        "link that does not open gets the same answer whatever is wrong with it.",
        permission=ANYONE,
    )
    async def complete_password_reset(context: Context, input: CompletePasswordResetInput) -> CompletedPasswordReset:
        login = await commands.complete_password_reset(input.token, Secret(input.password), address=context.address)
        return CompletedPasswordReset(login=login)
