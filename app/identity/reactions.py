"""What identity does by the clock, and the word that people get when something happens to their accounts."""

from app.identity import events, models, notices, queries
from app.identity.commands import tell_of_keys_that_end
from app.identity.commands.privacy import expire_copy
from app.identity.data_copies import find_copies_to_expire
from app.identity.factors.methods import forget_old_challenges
from app.identity.providers.sign_in import forget_old
from app.identity.sign_in import forget_old_sign_ins
from app.infrastructure import journal, mail
from app.infrastructure.conditions import column
from app.infrastructure.followers import follows
from app.infrastructure.journal import Entry
from app.infrastructure.tables import find_rows
from app.infrastructure.timers import every
from app.kernel.actor import Actor, system_actor

# What is older is no news.
NEWS_HOURS = 24

EXPIRED_AT_ONCE = 200

every(seconds=6 * 3600, name="forget old sign-ins")(forget_old_sign_ins)
every(seconds=3600, name="tell of keys that end")(tell_of_keys_that_end)
every(seconds=6 * 3600, name="forget old challenges")(forget_old_challenges)
every(seconds=6 * 3600, name="forget old ways to providers")(forget_old)


@follows(events.SessionStarted, forget_after_hours=NEWS_HOURS)
async def note_unusual_sign_ins(actor: Actor, entry: Entry) -> None:
    """Who signs in as never before, or after many wrong passwords, is noted, and told by mail."""
    for session in await find_rows(models.Session, column("id") == entry.subject_id):
        oddities = await queries.find_oddities(session)
        if not oddities:
            continue
        words = tuple(one.value for one in oddities)
        journal.record(events.UnusualSignIn(subject_id=session.id, user_id=session.user_id, oddities=words))
        for user in await find_rows(models.User, column("id") == session.user_id):
            subject, text = notices.of_sign_in(session, oddities)
            await mail.send(actor, user.email, subject, text, effect_key=f"sign-in {entry.id}")


@follows(events.PasswordChanged, forget_after_hours=NEWS_HOURS)
async def mail_of_new_passwords(actor: Actor, entry: Entry) -> None:
    """Whose password changed is told by mail: it may have been somebody else."""
    for user in await find_rows(models.User, column("id") == entry.subject_id):
        subject, text = notices.of_password()
        await mail.send(actor, user.email, subject, text, effect_key=f"password {entry.id}")


@follows(events.UserUpdated, forget_after_hours=NEWS_HOURS)
async def mail_of_new_addresses(actor: Actor, entry: Entry) -> None:
    """Whose login address changed is told at both addresses: at the old one, because it may have been somebody else."""
    before, after = entry.payload["changes"].get("email", (None, None))
    subject, text = notices.of_address()
    for address in (before, after):
        if address is not None:
            await mail.send(actor, address, subject, text, effect_key=f"address {entry.id} {address == after}")


@every(seconds=600, name="identity.expire_copies")
async def expire_copies() -> None:
    """Let copies of people's data go whose time is over."""
    for row in await find_copies_to_expire(EXPIRED_AT_ONCE):
        await expire_copy(system_actor(row.organization_id), row.id)
