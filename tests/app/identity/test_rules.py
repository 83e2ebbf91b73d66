"""What a password, a wait, a refresh and a set of roles may be: tables of cases, no database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.identity import rules
from app.identity.common_passwords import common_passwords
from app.kernel.actor import Actor, ActorKind, system_actor
from app.kernel.errors import Conflict, InvalidInput, NotPermitted
from app.kernel.permissions import CUSTOMER_ROLES, Permission, Role, permissions_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "password",
    [
        "short-but-ok",
        "x" * 6 + "yzkqwu" * 2,
        "a kettle sings at noon",
        "Zug nach Überlingen um 7",
        "tr0mbone*gravel",
        "\U0001f69a tow the line \U0001f69a",
        "ladder under a wet cloud " * 4,
    ],
)
def test_takes_passwords_of_twelve_characters_and_more_whatever_they_are_made_of(password):
    assert rules.require_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "elevenchars",
        "x" * 129,
        "with a\x00null inside",
        "aaaaaaaaaaaaaaaa",
        "abababababab",
        "123456789012",
        "210987654321",
        "abcdefghijkl",
        "qwertyuiop12",
        "password1234",
        "Password2026!",
        "P@ssw0rd!P@ssw0rd!",
        "letmein-letmein",
        "welcome12345",
        "truckroll2026",
        "DispatcherDispatcher",
        "correct horse battery staple",
        "1qaz2wsx3edc",
        "ada@lamp.example",
        "AdaLovelace1815",
    ],
)
def test_refuses_what_is_too_short_too_long_or_tried_first(password):
    with pytest.raises(InvalidInput) as refused:
        rules.require_password(password, ["ada@lamp.example", "Ada Lovelace"])
    assert refused.value.path == ("password",)
    assert not password or password not in refused.value.message


def test_a_password_is_the_same_from_every_keyboard():
    assert rules.normal_password("Ube\u0301 \ufb01 \u2460") == rules.normal_password("Ub\u00e9 fi 1")


@given(st.text(max_size=200))
def test_any_text_is_judged_quickly_and_never_breaks_the_judge(text):
    rules.is_common(text or "x", ["someone@example.com"])


def tries(*outcomes, every=timedelta(seconds=1), ago=timedelta(seconds=1)):
    return [rules.Try(NOON - ago - index * every, outcome) for index, outcome in enumerate(outcomes)]


W, S, D, X = (
    rules.LoginOutcome.WRONG_PASSWORD,
    rules.LoginOutcome.SUCCEEDED,
    rules.LoginOutcome.SLOWED_DOWN,
    rules.LoginOutcome.STARTED,
)


@pytest.mark.parametrize(
    ("earlier", "wait"),
    [
        (tries(), 0),
        (tries(W, W, W, W), 0),
        (tries(W, W, W, W, W), 9),
        (tries(W, W, W, W, W, W), 19),
        (tries(*[W] * 7), 39),
        (tries(*[W] * 12), 899),
        (tries(*[W] * 60), 899),
        (tries(*[X] * 5), 9),
        (tries(*[rules.LoginOutcome.UNKNOWN_LOGIN] * 5), 9),
        (tries(*[rules.LoginOutcome.DEACTIVATED] * 5), 9),
        (tries(W, W, S, W, W, W), 0),
        (tries(W, W, rules.LoginOutcome.CONFIRMED, W, W, W), 0),
        (tries(D, D, D, W, W, W, W, W), 6),
        (tries(*[D] * 9), 0),
        (tries(*[W] * 5, ago=timedelta(seconds=10)), 0),
        (tries(*[W] * 5, ago=timedelta(hours=25)), 0),
    ],
)
def test_five_failures_are_free_then_the_wait_doubles_up_to_a_quarter_of_an_hour(earlier, wait):
    assert rules.seconds_to_wait(earlier, NOON) == wait


REFRESHES = [
    # current, previous, rotated ago, ends in, revoked → verdict
    (True, False, None, 60, False, "CURRENT"),
    (True, False, 5, 60, False, "CURRENT"),
    (True, False, None, 0, False, "ENDED"),
    (True, False, None, -60, False, "ENDED"),
    (True, False, None, 60, True, "ENDED"),
    (False, True, 0, 60, False, "REPEATED"),
    (False, True, 10, 60, False, "REPEATED"),
    (False, True, 11, 60, False, "REUSED"),
    (False, True, None, 60, False, "REUSED"),
    (False, True, 5, 60, True, "ENDED"),
    (False, False, 5, 60, False, "REUSED"),
    (False, False, None, 60, False, "REUSED"),
    (False, False, 5, 60, True, "ENDED"),
]


@pytest.mark.parametrize(("is_current", "is_previous", "ago", "left", "is_revoked", "verdict"), REFRESHES)
def test_a_refresh_token_is_current_repeated_reused_or_too_late(
    is_current, is_previous, ago, left, is_revoked, verdict
):
    assert (
        rules.judge_refresh(
            is_current=is_current,
            is_previous=is_previous,
            rotated_at=None if ago is None else NOON - timedelta(seconds=ago),
            ends_at=NOON + timedelta(seconds=left),
            is_revoked=is_revoked,
            now=NOON,
        )
        == verdict
    )


@pytest.mark.parametrize(
    ("roles", "customer", "technician", "path"),
    [
        ([], None, None, "roles"),
        (["KING"], None, None, "roles"),
        (["DISPATCHER", "CUSTOMER_USER"], "cus", None, "roles"),
        (["CUSTOMER_USER"], None, None, "customerId"),
        (["DISPATCHER"], "cus", None, "customerId"),
        (["DISPATCHER"], None, "tech", "technicianId"),
    ],
)
def test_roles_that_do_not_fit_together_are_refused(roles, customer, technician, path):
    with pytest.raises(InvalidInput) as refused:
        rules.require_roles(roles, customer_id=customer, technician_id=technician)
    assert refused.value.path == (path,)


def test_roles_that_fit_come_sorted_and_once():
    assert rules.require_roles(["TECHNICIAN", "DISPATCHER", "TECHNICIAN"], customer_id=None, technician_id="t") == [
        "DISPATCHER", "TECHNICIAN",
    ]  # fmt: skip
    for role in CUSTOMER_ROLES:
        assert rules.require_roles([role], customer_id="cus", technician_id=None) == [role.value]


def test_nobody_grants_more_than_they_hold():
    limited = Actor(
        "org", ActorKind.API_KEY, "key", frozenset({Role.PARTNER}),
        permissions_of({Role.SUPPORT}) | {Permission.MANAGE_USERS},
    )  # fmt: skip
    for role in Role:
        allowed = permissions_of({role}) - {Permission.REPORT_OWN_STATUS} <= limited.permissions
        if allowed:
            rules.require_may_grant(limited, [role])
        else:
            with pytest.raises(NotPermitted):
                rules.require_may_grant(limited, [role])
        rules.require_may_grant(system_actor("org"), [role])
    rules.require_may_grant(
        Actor("org", ActorKind.USER, "usr", frozenset(), permissions_of({Role.ADMINISTRATOR})), list(Role)
    )


def test_one_administrator_always_stays():
    rules.require_an_administrator_stays(1)
    with pytest.raises(Conflict):
        rules.require_an_administrator_stays(0)


def test_a_key_holds_some_of_its_makers_permissions_and_ends_within_two_years():
    maker = Actor("org", ActorKind.USER, "usr", frozenset(), permissions_of({Role.SUPPORT}))
    assert rules.require_scopes(maker, ["VIEW_USERS", "VIEW_CUSTOMERS", "VIEW_USERS"]) == [
        "VIEW_CUSTOMERS",
        "VIEW_USERS",
    ]
    for scopes, problem in (([], InvalidInput), (["FLY"], InvalidInput), (["MANAGE_USERS"], NotPermitted)):
        with pytest.raises(problem):
            rules.require_scopes(maker, scopes)
    assert rules.require_key_end(None, NOON) is None
    assert rules.require_key_end(NOON + timedelta(days=730), NOON)
    for end in (NOON, NOON - timedelta(days=1), NOON + timedelta(days=731)):
        with pytest.raises(InvalidInput):
            rules.require_key_end(end, NOON)


@pytest.mark.parametrize("password", ["finalfantasy", "FinalFantasy2026!", "needforspeed", "1Qaz2wsx3edc"])
def test_passwords_of_the_bundled_list_are_common_whatever_is_put_behind_them(password):
    assert rules.is_common(password)


def test_the_bundled_list_has_thousands_and_leaves_whole_sentences_alone():
    assert len(common_passwords()) > 5000
    assert not {"#", ""} & common_passwords()
    assert not rules.is_common("a kettle sings at noon")


def test_kinds_of_characters_are_counted():
    assert [rules.count_classes(one) for one in ("abc", "aB", "aB1", "aB1 ", "ÄÖ", "")] == [1, 2, 3, 4, 1, 0]
