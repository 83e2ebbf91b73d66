"""A day as the followers see it: everybody is told what concerns them, and nothing is set aside or told twice."""

from app.identity.models import User
from app.infrastructure.followers import FOLLOWERS, Followers
from app.infrastructure.models import FollowerCursor, ParkedFact
from app.messaging import commands
from app.messaging.commands import About
from app.messaging.models import Alert, Notification
from app.process import REACTIONS
from app.scheduling import commands as scheduling
from app.scheduling.rules import AppointmentStatus, ReasonCode
from app.work_orders import commands as work_orders
from tests.app.scheduling.world import NINE, Company, assignments_of, booked, row_of, sent, visit


async def a_day(company: Company) -> None:
    """A visit that is declined, one without success, and one that is talked about and done."""
    declined = await booked(company)
    [assignment] = await assignments_of(declined)
    await scheduling.decline_assignment(company.ann, assignment.id, "My van broke down.")
    failed = await sent(company, company.bob_id)
    await scheduling.depart(company.bob, failed)
    await scheduling.complete_appointment(
        company.bob, failed, result=AppointmentStatus.CANNOT_COMPLETE, reason_code=ReasonCode.NO_ACCESS
    )
    order = (await row_of(await visit(company))).work_order_id
    await commands.send_message(company.customer, About(work_order_id=order), "When do you come?")
    await work_orders.cancel_work_order(company.dispatcher, order, reason="CUSTOMER_REQUEST")
    await scheduling.schedule_appointment(company.dispatcher, declined, [company.bob_id], NINE)


async def followed() -> None:
    """Everything is followed, and what that leads to."""
    for _ in range(3):
        await Followers(FOLLOWERS.values()).catch_up()


async def told() -> list[tuple[str, str]]:
    names = {user.id: user.legal_name for user in await User.all()}
    return sorted((names[one.user_id], one.kind) for one in await Notification.all())


async def test_a_day_is_told_to_whom_it_concerns_and_again_to_nobody(company: Company, stranger: Company) -> None:
    assert len(REACTIONS) >= 4
    await a_day(company)
    await followed()
    alerts = [(one.kind, one.status) for one in await Alert.all().order_by("kind")]
    assert alerts == [("VISIT_FAILED", "OPEN")]
    expected = [
        ("ann", "ASSIGNMENT_PROPOSED"),
        ("bob", "ASSIGNMENT_PROPOSED"),
        ("bob", "ASSIGNMENT_PROPOSED"),
        ("dispatcher", "ALERT_RAISED"),
        ("dispatcher", "MESSAGE_RECEIVED"),
        ("support", "MESSAGE_RECEIVED"),
    ]
    assert await told() == expected
    await FollowerCursor.all().update(seq=0)
    await followed()
    assert await told() == expected
    assert await Alert.all().count() == 1
    assert await ParkedFact.all().count() == 0
    assert await Notification.filter(organization_id=stranger.organization_id).count() == 0
