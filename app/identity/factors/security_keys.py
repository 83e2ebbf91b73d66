"""Security keys and passkeys (WebAuthn): what the browser is asked, and whether its answer is good."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.identity import models
from app.infrastructure import links

TIMEOUT_MILLISECONDS = 120_000
CHALLENGE_BYTES = 32
ANSWER_LENGTH_MAX = 20_000


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is kept of a key: its name and its public half."""

    credential_id: str
    public_key: str
    sign_count: int


def new_challenge() -> str:
    """What the key has to sign this time, base64url."""
    return secrets.token_urlsafe(CHALLENGE_BYTES)


def registration_options(challenge: str, user: models.User, known: Sequence[str]) -> dict[str, Any]:
    """What a page passes to ``navigator.credentials.create``. The key must be none of those that are known."""
    from webauthn import base64url_to_bytes, generate_registration_options  # it takes most of a second to load
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=links.host(),
        rp_name="Truckroll",
        user_id=user.id.encode(),
        user_name=user.email,
        user_display_name=user.legal_name,
        challenge=base64url_to_bytes(challenge),
        timeout=TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in known],
    )
    return options_to_json_dict(options)


def assertion_options(challenge: str, known: Sequence[str]) -> dict[str, Any]:
    """What a page passes to ``navigator.credentials.get``."""
    from webauthn import base64url_to_bytes, generate_authentication_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=links.host(),
        challenge=base64url_to_bytes(challenge),
        timeout=TIMEOUT_MILLISECONDS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in known],
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return options_to_json_dict(options)


def registered_key(challenge: str, answer: object) -> NewKey | None:
    """The key of an answer to ``registration_options``; None when the answer is not good."""
    from webauthn import base64url_to_bytes, verify_registration_response
    from webauthn.helpers import bytes_to_base64url

    if not _is_plausible(answer):
        return None
    try:
        verified = verify_registration_response(
            credential=answer,  # type: ignore[arg-type]  # a dictionary, as looked at above
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=links.host(),
            expected_origin=links.origins(),
        )
    except Exception:  # noqa: BLE001  # whatever a made-up answer makes of the library: it is not good
        return None
    return NewKey(
        bytes_to_base64url(verified.credential_id),
        bytes_to_base64url(verified.credential_public_key),
        verified.sign_count,
    )


def asserted_count(challenge: str, answer: object, method: models.MfaMethod) -> int | None:
    """How often the key says it was used, when it signed this challenge; None when the answer is not good, or its counter
    went back, as that of a copy would."""
    from webauthn import base64url_to_bytes, verify_authentication_response

    if not _is_plausible(answer) or method.public_key is None:
        return None
    try:
        verified = verify_authentication_response(
            credential=answer,  # type: ignore[arg-type]  # a dictionary, as looked at above
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=links.host(),
            expected_origin=links.origins(),
            credential_public_key=base64url_to_bytes(method.public_key),
            credential_current_sign_count=method.sign_count,
        )
    except Exception:  # noqa: BLE001  # as above
        return None
    return verified.new_sign_count


def credential_id_of(answer: object) -> str | None:
    """Which key an answer says it is of."""
    found = answer.get("id") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None


def _is_plausible(answer: object) -> bool:
    return isinstance(answer, dict) and len(repr(answer)) <= ANSWER_LENGTH_MAX
