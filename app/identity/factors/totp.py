"""Codes of an app on the phone (TOTP, RFC 6238): six digits that change every half minute."""

import hmac
from datetime import datetime

from app.identity import rules

ISSUER_LENGTH_MAX = 60


def new_secret() -> str:
    """A fresh secret of 160 bits, as apps want it: base32."""
    import pyotp  # heavy libraries of second factors are loaded when somebody has one

    return pyotp.random_base32(32)


def enrollment_uri(secret: str, login: str, issuer: str) -> str:
    """What an app reads from the picture: whose account where, and the secret."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer.replace(":", " ")[:ISSUER_LENGTH_MAX])


def picture_of(uri: str) -> str:
    """A QR code as SVG, to be put into a page."""
    import segno

    return segno.make(uri, error="m", micro=False).svg_inline(scale=4)


def fitting_step(secret: str, code: str, now: datetime, last_step: int | None) -> int | None:
    """The half minute whose code this is, when it is near enough and after the last one that was used; else None."""
    import pyotp

    generator, current = pyotp.TOTP(secret), int(now.timestamp()) // rules.TOTP_STEP_SECONDS
    fitting = None
    for step in range(current - rules.TOTP_STEPS_ASIDE, current + rules.TOTP_STEPS_ASIDE + 1):
        # All are compared, so that the time it takes says nothing.
        if hmac.compare_digest(generator.generate_otp(step).encode(), code.encode("utf-8", "replace")):
            fitting = step
    return fitting if fitting is not None and (last_step is None or fitting > last_step) else None
