"""What identity does by the clock."""

from app.identity.commands import tell_of_keys_that_end
from app.identity.factors.methods import forget_old_challenges
from app.identity.sign_in import forget_old_sign_ins
from app.infrastructure.timers import every

every(seconds=6 * 3600, name="forget old sign-ins")(forget_old_sign_ins)
every(seconds=3600, name="tell of keys that end")(tell_of_keys_that_end)
every(seconds=6 * 3600, name="forget old challenges")(forget_old_challenges)
