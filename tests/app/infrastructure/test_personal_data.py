"""Every table says what it holds of a person: a table that looks like it and says nothing is found."""

import pytest
from tortoise import fields
from tortoise.models import Model

from app.customers.models import Contact, Customer
from app.identity.models import Session, User
from app.infrastructure import personal_data
from app.infrastructure.personal_data import CONTACT, ERASED, RULES, Rule, missing_rules, of, personal, require_rules
from app.infrastructure.tables import OwnedTable
from app.kernel.dialects import Dialect
from app.kernel.ids import ID_LENGTH_MAX


class Guest(OwnedTable):
    """A table that nobody has said anything about."""

    prefix = "guest"
    noun = "guest"

    nick_name = fields.CharField(max_length=40)
    invited_by = fields.CharField(max_length=ID_LENGTH_MAX)
    remark = fields.TextField()
    extras: fields.JSONField[dict[str, str]] = fields.JSONField()
    seat_latitude = fields.FloatField()
    tables_count = fields.IntField()
    seen_at = fields.DatetimeField()
    code = fields.CharField(max_length=12)

    class Meta:
        table = "guest"


async def test_every_table_says_what_becomes_of_every_column_that_looks_personal(sqlite_database: Dialect) -> None:
    assert len(personal_data.all_models()) > 50
    assert missing_rules() == []
    require_rules()


def test_a_table_with_a_person_in_it_and_no_rule_is_found() -> None:
    columns = ["extras", "invited_by", "nick_name", "remark", "seat_latitude"]
    assert missing_rules([Guest]) == [f"guest.{name}" for name in columns]


@pytest.mark.parametrize("model", [User, Session, Contact, Customer])
def test_without_its_rule_a_table_of_people_is_found(model: type[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_rules([model]) == []
    monkeypatch.delitem(RULES, model)
    assert missing_rules([model])


async def test_a_column_that_is_added_without_a_word_stops_the_start(
    sqlite_database: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = RULES[Contact]
    monkeypatch.setitem(
        RULES, Contact, Rule(Contact, (of(CONTACT, "id", erase={"name": ERASED, "email": None}),), rule.keeps)
    )
    with pytest.raises(TypeError, match=r"what becomes of contact.phone when a person is erased\?"):
        require_rules()


def test_a_rule_for_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Contact has no columns \['fax'\]"):
        personal(Contact, of(CONTACT, "id", erase={"fax": None}))


def test_what_is_kept_says_why() -> None:
    for rule in RULES.values():
        assert all(len(why) > 2 for why in rule.keeps.values())
        assert rule.why or rule.holdings or rule.keeps or rule.mentions or rule.recipient
