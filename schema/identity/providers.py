"""Identity providers as clients see them: set up by administrators, and used to sign in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from app.identity import models, sign_in
from app.identity.providers import commands, queries
from app.identity.providers import sign_in as providers
from app.identity.secret import Secret
from app.infrastructure import links
from app.kernel.actor import Actor
from app.kernel.errors import AlreadyExists, ConfirmationRequired, SecondFactorRequired, StaleVersion
from app.kernel.permissions import Permission, Role
from schema.identity.operations import NEW_ID, VERSION, signed_in
from schema.identity.types import SignedIn
from schema.kit import (
    ANYONE,
    ID,
    Connection,
    Context,
    DateTimeFilter,
    IdFilter,
    Maybe,
    Node,
    StringFilter,
    about,
    arg,
    by,
    col,
    computed,
    filterable,
    given,
    inputs,
    many,
    mutation,
    one,
    orderable,
    plain,
    query,
    readable,
)


@plain
class MappedRoles:
    """What a value of the provider's claim makes of somebody here."""

    value: str = about("The value, such as the name of a group.")
    roles: list[Role] = about("What whoever has it is here.")


def _mapped(role_map: Mapping[str, Any]) -> list[MappedRoles]:
    return [MappedRoles(value=value, roles=[Role(one) for one in roles]) for value, roles in sorted(role_map.items())]


@filterable(models.IdentityProvider)
class IdentityProviderFilter:
    """Which identity providers."""

    id: IdFilter | None = by("Its id.")
    name: StringFilter | None = by("What people call it.")
    issuer: StringFilter | None = by("Its address.")
    client_id: StringFilter | None = by("What it calls us.")
    role_claim: StringFilter | None = by("The claim whose values say what somebody is.")
    makes_accounts: bool | None = by("Whether somebody new gets an account at the first sign-in.")
    replaces_second_factor: bool | None = by("Whether nobody it vouches for is asked for a second factor here.")
    is_active: bool | None = by("Whether people sign in by it.")
    created_at: DateTimeFilter | None = by("When it was added.")


IdentityProviderOrder = orderable(
    "IdentityProviderOrder",
    models.IdentityProvider,
    default=("name",),
    name="What people call it.",
    issuer="Its address.",
    client_id="What it calls us.",
    role_claim="The claim whose values say what somebody is.",
    makes_accounts="Whether somebody new gets an account at the first sign-in.",
    replaces_second_factor="Whether nobody it vouches for is asked for a second factor here.",
    is_active="Whether people sign in by it.",
    created_at="When it was added.",
)


@readable(models.IdentityProvider, permission=Permission.MANAGE_SECURITY)
class IdentityProvider(Node):
    """Another company's server that says who your people are (OpenID Connect). Its secret is shown to nobody."""

    version: int = col("Counts up with every change.")
    name: str = col("What people call it.")
    issuer: str = col("Its address, to the letter as it says it itself.")
    client_id: str = col("What it calls us.")
    email_domains: list[str] = col("Whose mail addresses it may vouch for: what stands behind the @.")
    role_claim: str | None = col("The claim whose values say what somebody is, such as groups.")
    role_map: list[MappedRoles] = computed("What those values make of somebody here.", _mapped, needs=("role_map",))
    default_roles: list[Role] = col("What somebody new is whose claims say nothing of it.")
    makes_accounts: bool = col("Whether somebody new gets an account at the first sign-in.")
    replaces_second_factor: bool = col("Whether nobody it vouches for is asked for a second factor here.")
    is_active: bool = col("Whether people sign in by it.")
    created_at: datetime = col("When it was added.")
    start_url: str = computed(
        "Where a page sends the browser, with ?challenge= the SHA-256 (base64url) of a secret of its own, and return_to.",
        lambda id: links.link(f"/auth/oidc/{id}/start"), needs=("id",),
    )  # fmt: skip
    callback_url: str = computed(
        "Where it sends people back to: tell it this address.", lambda id: providers.callback_of(id), needs=("id",)
    )


@plain
class SignInProvider:
    """A provider by which somebody may sign in."""

    name: str = about("What people call it.")
    start_url: str = about(
        "Where the page sends the browser, with ?challenge= the SHA-256 (base64url) of a secret of its own, and return_to."
    )


@inputs
class MappedRolesInput:
    """What a value of the provider's claim makes of somebody here."""

    value: str = about("The value, such as the name of a group.")
    roles: list[Role] = about("What whoever has it is here: roles of the company that you could give.")


@inputs
class CreateIdentityProviderInput:
    """A provider to sign in by."""

    id: ID | None = about(NEW_ID, default=None)
    name: str = about("What people call it.")
    issuer: str = about("Its address, to the letter as it says it itself.")
    client_id: str = about("What it calls us.")
    client_secret: str | None = about("The secret it gave us, if it did.", default=None)
    email_domains: list[str] = about("Whose mail addresses it may vouch for: what stands behind the @.")
    role_claim: str | None = about("The claim whose values say what somebody is, such as groups.", default=None)
    role_map: list[MappedRolesInput] | None = about("What those values make of somebody here.", default=None)
    default_roles: list[Role] | None = about("What somebody new is whose claims say nothing of it.", default=None)
    makes_accounts: bool = about("Whether somebody new gets an account at the first sign-in.", default=False)
    replaces_second_factor: bool = about("Whether nobody is asked for a second factor here, too.", default=False)


@inputs
class UpdateIdentityProviderInput:
    """Only what is given is changed."""

    id: ID = about("Which provider.")
    version: int | None = about(VERSION, default=None)
    name: Maybe[str] = about("What people call it.")
    issuer: Maybe[str] = about("Its address. Another one makes it forget whom it knows.")
    client_id: Maybe[str] = about("What it calls us.")
    client_secret: Maybe[str | None] = about("The secret it gave us.")
    email_domains: Maybe[list[str]] = about("Whose mail addresses it may vouch for.")
    role_claim: Maybe[str | None] = about("The claim whose values say what somebody is.")
    role_map: Maybe[list[MappedRolesInput]] = about("What those values make of somebody here.")
    default_roles: Maybe[list[Role]] = about("What somebody new is whose claims say nothing of it.")
    makes_accounts: Maybe[bool] = about("Whether somebody new gets an account at the first sign-in.")
    replaces_second_factor: Maybe[bool] = about("Whether nobody is asked for a second factor here, too.")
    is_active: Maybe[bool] = about("Whether people sign in by it.")


@inputs
class CompleteProviderLogInInput:
    """What a page has when somebody came back from a provider."""

    code: str = about("The code behind the # of the address: signInCode. It is good once, for a minute.")
    verifier: str = about("The page's own secret, of which challenge was the hash.")


def _values(input: Any, values: dict[str, Any]) -> dict[str, Any]:
    if values.get("client_secret") is not None:
        values["client_secret"] = Secret(values["client_secret"])
    if values.get("role_map") is not None:
        values["role_map"] = {one.value: one.roles for one in values["role_map"]}
    return values


class Queries:
    """What clients may ask."""

    identity_provider: IdentityProvider | None = one("One provider.", permission=Permission.MANAGE_SECURITY)
    identity_providers: Connection[IdentityProvider] = many(
        "The providers by which your people sign in.",
        permission=Permission.MANAGE_SECURITY,
        filter=IdentityProviderFilter,
        order=IdentityProviderOrder,
    )

    @query(
        "The providers by which somebody with this mail address may sign in, by what stands behind its @. It does not say "
        "whether there is an account.",
        permission=ANYONE,
    )
    async def sign_in_providers(
        email: Annotated[str, arg("The mail address, or only its domain behind an @.")],
    ) -> list[SignInProvider]:
        found = await queries.providers_for(email)
        return [SignInProvider(name=one.name, start_url=links.link(f"/auth/oidc/{one.id}/start")) for one in found]


class Mutations:
    """What clients may do."""

    @mutation(
        IdentityProvider,
        "Lets another company's server say who your people are (OpenID Connect, code flow with PKCE).",
        permission=Permission.MANAGE_SECURITY,
        problems=(AlreadyExists, ConfirmationRequired),
    )
    async def create_identity_provider(actor: Actor, input: CreateIdentityProviderInput) -> str:
        values = {name: value for name, value in vars(input).items() if name != "id" and value is not None}
        return await commands.create_identity_provider(actor, id=input.id, **_values(input, values))

    @mutation(
        IdentityProvider,
        "Changes what is said of a provider, or puts it out of use.",
        permission=Permission.MANAGE_SECURITY,
        problems=(AlreadyExists, StaleVersion, ConfirmationRequired),
    )
    async def update_identity_provider(actor: Actor, input: UpdateIdentityProviderInput) -> str:
        values = _values(input, given(input))
        return await commands.update_identity_provider(actor, input.id, version=input.version, **values)

    @mutation(
        SignedIn,
        "Signs in whoever came back from a provider. Who has a second factor is asked for it as by logIn, unless the provider "
        "does that.",
        permission=ANYONE,
        problems=(SecondFactorRequired,),
    )
    async def complete_provider_log_in(context: Context, input: CompleteProviderLogInInput) -> SignedIn:
        session = await sign_in.complete_provider_log_in(
            input.code, input.verifier, address=context.address, user_agent=context.user_agent
        )
        return await signed_in(context, session)
