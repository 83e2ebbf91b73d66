"""What an organization asks of its people: its own business, and the built-in rules until it says otherwise."""

import pytest

from app.identity import commands, models
from app.identity.policy import DEFAULT_SESSION_LIMIT, SecurityPolicy, SessionLimit, policy_of
from app.kernel.errors import InvalidInput, NotPermitted, StaleVersion
from app.kernel.permissions import Permission, Role

ADMINISTRATOR, TECHNICIAN = Role.ADMINISTRATOR, Role.TECHNICIAN


async def test_the_built_in_rules_hold_until_an_organization_sets_its_own(lamp, rival):
    assert await policy_of(lamp.id) == SecurityPolicy()
    await commands.set_security_policy(
        lamp.someone(ADMINISTRATOR), version=0, password_length_min=16, mfa_roles=[TECHNICIAN]
    )
    known = await policy_of(lamp.id)
    assert (known.password_length_min, known.mfa_roles, known.password_history) == (16, {TECHNICIAN}, 5)
    assert known.mfa_methods == SecurityPolicy().mfa_methods
    assert await policy_of(rival.id) == SecurityPolicy()
    assert (await lamp.facts())[1:] == ["SecurityPolicyChanged"]


async def test_setting_the_same_again_is_no_change(lamp):
    boss = lamp.someone(ADMINISTRATOR)
    for _ in range(2):
        await commands.set_security_policy(boss, password_history=9)
    assert (await lamp.facts())[1:] == ["SecurityPolicyChanged"]
    assert await models.SecurityPolicy.all().count() == 1


async def test_a_stale_view_of_the_rules_is_refused(lamp):
    boss = lamp.someone(ADMINISTRATOR)
    await commands.set_security_policy(boss, version=0, password_history=9)
    for version in (0, 1):
        with pytest.raises(StaleVersion):
            await commands.set_security_policy(boss, version=version, password_history=3)
    assert (await policy_of(lamp.id)).password_history == 9


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"password_length_min": 7}, "passwordLengthMin"),
        ({"password_classes_min": 5}, "passwordClassesMin"),
        ({"password_history": 25}, "passwordHistory"),
        ({"password_days_max": 0}, "passwordDaysMax"),
        ({"mfa_methods": []}, "mfaMethods"),
        ({"stale_after_days": 6}, "staleAfterDays"),
        ({"reauthentication_minutes": 0}, "reauthenticationMinutes"),
        ({"session_limits": [("TECHNICIAN", 60, 30)]}, "sessionLimits"),
        ({"session_limits": [("TECHNICIAN", 4, 30)]}, "sessionLimits"),
        ({"session_limits": [("TECHNICIAN", 30, 60), ("TECHNICIAN", 30, 60)]}, "sessionLimits"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused_and_the_others_with_it(lamp, changes, path):
    with pytest.raises(InvalidInput) as refused:
        await commands.set_security_policy(lamp.someone(ADMINISTRATOR), **({"username_convention": "EMAIL"} | changes))
    assert refused.value.path == (path,)
    assert await models.SecurityPolicy.all().count() == 0
    assert await lamp.facts() == ["OrganizationCreated"]


async def test_nobody_but_the_administrator_sets_the_rules(lamp):
    for role in Role:
        if role is not ADMINISTRATOR:
            with pytest.raises(NotPermitted) as refused:
                await commands.set_security_policy(lamp.someone(role), password_history=0)
            assert refused.value.permission == Permission.MANAGE_SECURITY
    assert await models.SecurityPolicy.all().count() == 0


async def test_of_several_roles_the_strictest_limit_counts(lamp):
    await commands.set_security_policy(
        lamp.someone(ADMINISTRATOR), session_limits=[("ADMINISTRATOR", 30, 6000), ("FINANCE", 60, 480)]
    )
    known = await policy_of(lamp.id)
    assert known.limit_of([ADMINISTRATOR, Role.FINANCE]) == SessionLimit(30, 480)
    assert known.limit_of([TECHNICIAN]) == DEFAULT_SESSION_LIMIT
    assert known.limit_of([]) == DEFAULT_SESSION_LIMIT
