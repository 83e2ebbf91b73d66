"""Who may do what, as a page: the same table that the engine goes by and that no server starts without."""

from collections.abc import Iterable

from app.kernel.permissions import REACHES, Permission, Role
from schema.docs.markup import Content, Markup, tag
from schema.rules import AS_ITS_LIST, AS_ITS_OBJECT, WRITABLE, Rules

TITLE = "Who may do what"
LEAD = (
    "A role holds permissions and reaches rows; an organization's own roles do the same within the same bounds. An operation, "
    "a field or an input that is not in this table does not exist: no server starts with one that has no rule."
)


def content_of(rules: Rules) -> list[Content]:
    """Permissions by role, rows by model, what operations ask for, fields that not every reader of a row may read, and what
    clients may say of a row although it is usually not theirs to say."""
    return [
        tag("h1", TITLE),
        tag("p", LEAD, class_="lead"),
        tag("h2", "Permissions by role", id="permissions"), _permissions(rules),
        tag("h2", "Whose rows", id="rows"),
        tag("p", "The condition under which somebody sees a row of a kind; whatever is not seen is as if it did not exist."),
        _rows(rules),
        tag("h2", "Operations", id="operations"),
        _table(("Operation", "Asks for"), ((f"{kind} {name}", rule) for (kind, name), rule in rules.operations.items())),
        tag("h2", "Fields", id="fields"),
        tag("p", "What reading a field asks for. Fields of plain objects come with the object."),
        _table(("Field", "Asks for"), (row for row in rules.fields.items() if row[1] != AS_ITS_OBJECT)),
        tag("h2", "Inputs", id="inputs"),
        tag("p", "Who may say what. Terms of filters and orders are for whoever may read the list, unless they ask for more."),
        _table(("Input", "For who may"), (row for row in rules.inputs.items() if row[1] != AS_ITS_LIST)),
        tag("h2", "Bounds", id="bounds"),
        tag("p", "No input says whose a row is, where it stands, what it costs or who made it, but for these."),
        _table(("Input", "What keeps it in bounds"), sorted(WRITABLE.items())),
    ]  # fmt: skip


def _permissions(rules: Rules) -> Markup:
    head = tag("tr", tag("th", "Permission"), [tag("th", _word(role)) for role in Role])
    reach = tag("tr", tag("th", "reaches"), [tag("td", _word(REACHES[role])) for role in Role])
    rows = [
        tag(
            "tr",
            tag("th", tag("code", str(one))),
            [tag("td", "✓" if one in rules.roles[role] else "") for role in Role],
        )
        for one in Permission
    ]
    return tag("div", tag("table", tag("thead", head), tag("tbody", reach, rows)), class_="wide")


def _rows(rules: Rules) -> Markup:
    rows = []
    for model, by_asker in rules.rows.items():
        for condition in dict.fromkeys(by_asker.values()):
            whose = ", ".join(_word(who) for who, one in by_asker.items() if one == condition)
            rows.append((model, whose, condition))
    return _table(("Rows", "For", "Seen where"), rows)


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Markup:
    head = tag("tr", [tag("th", name) for name in names])
    body = [tag("tr", [tag("td", tag("code", cell) if number != 1 or len(names) == 2 else cell)
                       for number, cell in enumerate(row)]) for row in rows]  # fmt: skip
    return tag("div", tag("table", tag("thead", head), tag("tbody", body)), class_="wide")


def _word(name: str) -> str:
    return name.replace("_", " ").capitalize()
