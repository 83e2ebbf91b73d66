"""What identity does by the clock."""

from app.identity.sign_in import forget_old_sign_ins
from app.infrastructure.timers import every

every(seconds=6 * 3600, name="forget old sign-ins")(forget_old_sign_ins)
