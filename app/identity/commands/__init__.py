"""What people do to accounts, sessions and keys. Signing in and staying signed in is in ``sign_in``."""

from app.identity.commands.access_requests import (
    approve_access_request,
    decline_access_request,
    request_access,
    request_roles,
)
from app.identity.commands.api_keys import (
    create_api_key,
    revoke_api_key,
    rotate_api_key,
    tell_of_keys_that_end,
    update_api_key,
)
from app.identity.commands.invitations import (
    accept_invitation,
    invite_user,
    require_open_invitation,
    resend_invitation,
    revoke_invitation,
)
from app.identity.commands.resets import (
    complete_password_reset,
    request_password_reset,
    require_open_reset,
    reset_password,
)
from app.identity.commands.roles import create_role, delete_role, update_role
from app.identity.commands.security import set_security_policy
from app.identity.commands.sessions import (
    end_session,
    end_sessions,
    log_out,
    require_person,
    revoke_all_sessions,
    revoke_session,
)
from app.identity.commands.users import (
    create_user,
    deactivate_user,
    reactivate_user,
    unlock_user,
    update_profile,
    update_user,
)

__all__ = [
    "accept_invitation",
    "approve_access_request",
    "complete_password_reset",
    "create_api_key",
    "create_role",
    "create_user",
    "deactivate_user",
    "decline_access_request",
    "delete_role",
    "end_session",
    "end_sessions",
    "invite_user",
    "log_out",
    "reactivate_user",
    "request_access",
    "request_password_reset",
    "request_roles",
    "require_open_invitation",
    "require_open_reset",
    "require_person",
    "resend_invitation",
    "reset_password",
    "revoke_all_sessions",
    "revoke_api_key",
    "revoke_invitation",
    "revoke_session",
    "rotate_api_key",
    "set_security_policy",
    "tell_of_keys_that_end",
    "unlock_user",
    "update_api_key",
    "update_profile",
    "update_role",
    "update_user",
]
