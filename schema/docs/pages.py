"""The pages themselves. Every page is whole without JavaScript; links are relative, so the site works from any folder."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    get_named_type,
    is_required_argument,
    is_required_input_field,
    print_ast,
)
from graphql.utilities.get_default_value_ast import get_default_value_ast

from app.kernel.pages import PAGE_SIZE_DEFAULT
from app.kernel.permissions import ROLES, Permission, Role
from schema.docs import rules_page
from schema.docs.catalogue import OPERATION_KINDS, PARTS, Catalogue, Entry, OperationEntry, TypeEntry, permission_of
from schema.docs.examples import Example, by_operation, least, written
from schema.docs.guides import Guide
from schema.docs.markup import Content, Markup, colored, html, prose, tag, words
from schema.kit.limits import COST_MAX
from schema.kit.measuring import MUTATION_COST, SCAN_COST, SCANS
from schema.kit.operations import ANYONE
from schema.rules import rules_of_the_api

TITLE = "Truckroll API"
RULES_PATH = "rules.html"
KIND_TITLES = {
    "query": "Queries", "mutation": "Mutations", "subscription": "Subscriptions", "type": "Types", "interface": "Interfaces",
    "union": "Unions", "input": "Inputs", "enum": "Enums", "scalar": "Scalars",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything that the pages draw from."""

    catalogue: Catalogue
    guides: Sequence[Guide]
    examples: dict[tuple[str, str], list[Example]]

    @classmethod
    def of(cls, catalogue: Catalogue, guides: Sequence[Guide]) -> "Reference":
        """With the examples that stand beside the schema."""
        return cls(catalogue, guides, by_operation(written()))

    def examples_of(self, entry: OperationEntry) -> list[Example]:
        """How to ask for it: as written by hand, or else the least."""
        return self.examples.get((entry.kind, entry.name)) or [least(entry.kind, entry.name, entry.field)]


# The frame


def page(reference: Reference, path: str, title: str, *content: Content, within: str = "") -> str:
    """A whole page at a path, with its head, header and navigation, in which the page it is ``within`` is marked."""
    up = "../" * path.count("/")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{title} · {TITLE}" if title != TITLE else TITLE),
        tag("link", rel="icon", href=f"{up}assets/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href=f"{up}assets/docs.css"),
        tag("script", src=f"{up}assets/docs.js", type="module"),
    )
    search = tag(
        "form",
        tag("input", type="search", id="search", placeholder="Search  /", autocomplete="off", spellcheck="false",
            aria_label="Search the reference", aria_controls="found", role="combobox", aria_expanded="false"),
        tag("ol", id="found", hidden=True, role="listbox", aria_label="What was found"),
        role="search", hidden=True,
    )  # fmt: skip
    header = tag(
        "header", tag("a", tag("strong", "Truckroll"), " API reference", href=f"{up}index.html", class_="brand"), search
    )
    body = tag(
        "body",
        tag("a", "To the content", href="#content", class_="skip"),
        header,
        tag("div", _navigation(reference, within or path, up), tag("main", *content, id="content"), class_="frame"),
        data_root=up or "./",
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _navigation(reference: Reference, current: str, up: str) -> Markup:
    def item(target: str, text: str) -> Markup:
        here = "page" if target == current else None
        return tag("li", tag("a", text, href=up + target, aria_current=here))

    guides = tag("ul", [item(one.path, one.title) for one in reference.guides])
    rooms = tag("ul", [item(room_path(room), title) for room, title in reference.catalogue.rooms.items()])
    rules = tag("ul", item(RULES_PATH, rules_page.TITLE))
    inside = html([tag("h2", "Guides"), guides, tag("h2", "Reference"), rooms, rules])
    return tag("nav", tag("details", tag("summary", "Contents"), inside, open=True), aria_label="Contents")


def room_path(room: str) -> str:
    """Where a room's page is."""
    return f"room/{room.replace('_', '-')}.html"


def rules_of_who_may_do_what(reference: Reference) -> str:
    """The page with the table of who may do what."""
    return page(reference, RULES_PATH, rules_page.TITLE, *rules_page.content_of(rules_of_the_api()))


# The index, and a page for each room


def index_page(reference: Reference) -> str:
    """The way in: guides first, then everything by room and kind."""
    catalogue = reference.catalogue
    counts = ", ".join(f"{len(catalogue.operations[kind])} {KIND_TITLES[kind].lower()}" for kind in OPERATION_KINDS)
    guides = tag("ul", [tag("li", tag("a", tag("strong", one.title), tag("span", one.summary), href=one.path))
                        for one in reference.guides], class_="cards")  # fmt: skip
    rooms = [
        tag(
            "section",
            tag("h2", tag("a", title, href=room_path(room))),
            [
                _names(kind, entries)
                for kind, entries in _by_kind(catalogue, room)
                if kind in OPERATION_KINDS or kind == "type"
            ],
            class_="room",
        )
        for room, title in catalogue.rooms.items()
    ]
    return page(
        reference, "index.html", TITLE,
        tag("h1", "The Truckroll API"),
        tag("p", "One GraphQL endpoint for everything that a dispatch board, a technician’s phone or a partner does: "
            f"{counts}. This reference is made from the schema that the server answers by, and its examples are run by "
            "tests.", class_="lead"),
        guides, rooms,
    )  # fmt: skip


def room_page(reference: Reference, room: str) -> str:
    """Everything of one room, each with its first sentence."""
    title = reference.catalogue.rooms[room]
    sections: list[Content] = []
    for kind, entries in _by_kind(reference.catalogue, room):
        known = [one for one in entries if not one.part]
        if known:
            rows = [(tag("a", one.name, href=f"../{one.path}", class_="name"), _summary(one)) for one in known]
            sections.append([tag("h2", KIND_TITLES[kind], id=kind), _list(rows)])
    parts = [one for _, entries in _by_kind(reference.catalogue, room) for one in entries if one.part]
    for part in PARTS:
        some = [tag("a", one.name, href=f"../{one.path}") for one in parts if one.part == part]
        if some:
            sections.append(tag("details", tag("summary", f"{part.capitalize()}s ({len(some)})"), _chips(some)))
    return page(reference, room_path(room), title, tag("h1", title), sections)


def _by_kind(catalogue: Catalogue, room: str) -> list[tuple[str, list[Entry]]]:
    return [
        (
            kind,
            sorted(
                (one for one in catalogue.entries if one.room == room and one.kind == kind), key=lambda one: one.name
            ),
        )
        for kind in KIND_TITLES
    ]


def _names(kind: str, entries: list[Entry]) -> Markup:
    known = [tag("a", one.name, href=one.path, title=one.summary) for one in entries if not one.part]
    return html([tag("h3", KIND_TITLES[kind]), _chips(known)] if known else None)


def _chips(links: Iterable[Content]) -> Markup:
    return tag("ul", [tag("li", one) for one in links], class_="names")


def _list(rows: Iterable[tuple[Content, Content]]) -> Markup:
    return tag("dl", [[tag("dt", name), tag("dd", says)] for name, says in rows], class_="rows")


def _summary(entry: Entry) -> Markup:
    gone = entry.field.deprecation_reason if isinstance(entry, OperationEntry) else None
    return html([_badge("deprecated", "going") if gone else None, words(entry.summary)])


# Operations


def operation_page(reference: Reference, entry: OperationEntry) -> str:
    """A query, mutation or subscription: who may use it, what it takes, answers and refuses, what it costs, and how it looks."""
    named = get_named_type(entry.field.type)
    return page(
        reference, entry.path, entry.name,
        _head(reference, entry, entry.kind),
        _going(entry.field.deprecation_reason),
        prose(entry.description),
        tag("pre", tag("code", _signature(reference, entry)), class_="signature"),
        [_example(one) for one in reference.examples_of(entry)],
        tag("h2", "Who may use it", id="who"), _access(entry),
        _arguments(reference, entry.field.args),
        tag("h2", "Answer", id="answer"), _answer(reference, entry, reference.catalogue.types[named.name]),
        _problems(reference, entry),
        tag("h2", "Cost", id="cost"), _cost(reference, entry),
        within=room_path(entry.room),
    )  # fmt: skip


def _head(reference: Reference, entry: Entry, kind: str) -> Markup:
    room = tag("a", reference.catalogue.rooms[entry.room], href=f"../{room_path(entry.room)}")
    return html([tag("p", room, " · ", kind, class_="crumbs"), tag("h1", entry.name)])


def _going(reason: str | None) -> Markup:
    if reason is None:
        return Markup()
    return tag("p", tag("strong", "Deprecated. "), words(reason), class_="going")


def _signature(reference: Reference, entry: OperationEntry) -> Content:
    args = [
        [f"\n  {name}: ", _type(reference, argument.type), _default(argument)]
        for name, argument in entry.field.args.items()
    ]
    return [entry.name, ["(", args, "\n)"] if args else None, ": ", _type(reference, entry.field.type)]


def _type(reference: Reference, type: Any) -> Content:
    if isinstance(type, GraphQLNonNull):
        return [_type(reference, type.of_type), "!"]
    if isinstance(type, GraphQLList):
        return ["[", _type(reference, type.of_type), "]"]
    return _link(reference, type.name)


def _link(reference: Reference, name: str) -> Content:
    entry = reference.catalogue.types.get(name)
    return tag("a", name, href=f"../{entry.path}") if entry is not None else name


def _default(part: GraphQLArgument | GraphQLInputField) -> str:
    value = get_default_value_ast(part)
    return f" = {print_ast(value)}" if value is not None else ""


def _access(entry: OperationEntry) -> Markup:
    if isinstance(entry.access, Permission):
        holders = ", ".join(map(_word, entry.roles))
        return html([
            tag("p", "Whoever holds the permission ", tag("code", str(entry.access)), "."),
            tag("p", tag("strong", "Roles: "), holders or "none", ". An API key holds it when it is one of its scopes.", class_="soft"),
        ])  # fmt: skip
    if entry.access is ANYONE:
        return tag("p", "Anyone, signed in or not.")
    return tag("p", "Anyone who is signed in, and every API key. What one may not see is not in the answer.")


def _arguments(reference: Reference, arguments: dict[str, GraphQLArgument]) -> Markup:
    if not arguments:
        return Markup()
    rows: list[Content] = []
    for name, argument in arguments.items():
        rows.append(_row(reference, name, argument, required=is_required_argument(argument)))
        named = get_named_type(argument.type)
        if name == "input" and isinstance(named, GraphQLInputObjectType):
            rows.extend(_row(reference, f"input.{one}", part, required=is_required_input_field(part))
                        for one, part in named.fields.items())  # fmt: skip
    return html([tag("h2", "Arguments", id="arguments"), tag("dl", rows, class_="rows")])


def _row(reference: Reference, name: str, part: GraphQLArgument | GraphQLInputField | GraphQLField, *, required: bool = False,
         anchor: str | None = None, marks: Content = None) -> Content:  # fmt: skip
    default = _default(part) if not isinstance(part, GraphQLField) else ""
    shown = [
        tag("span", name, class_="name"),
        " ",
        tag("code", _type(reference, part.type), default, class_="type"),
        _badge("required", "needed") if required else None,
        marks,
    ]
    return [tag("dt", shown, id=anchor), tag("dd", _going(part.deprecation_reason), prose(part.description))]


def _badge(text: str, kind: str) -> Markup:
    return html([" ", tag("span", text, class_=f"badge {kind}")])


def _answer(reference: Reference, entry: OperationEntry, answered: TypeEntry) -> Content:
    said = tag("p", tag("code", _type(reference, entry.field.type), class_="type"), " ", words(answered.summary))
    if answered.part not in ("payload", "event", "connection") or not isinstance(answered.type, GraphQLObjectType):
        return said
    return [said, tag("dl", [_row(reference, name, one) for name, one in answered.type.fields.items()], class_="rows")]


def _problems(reference: Reference, entry: OperationEntry) -> Markup:
    if entry.kind != "mutation":
        return Markup()
    rows = []
    for kind in sorted(entry.problems, key=lambda one: one.code):
        shown = reference.catalogue.problem(kind)
        code = tag("code", kind.code)
        rows.append(
            tag("tr", tag("td", code), tag("td", _link(reference, shown.name)), tag("td", words(shown.summary)))
        )
    head = tag("tr", tag("th", "Code"), tag("th", "Type"), tag("th", "What is wrong"))
    text = tag("p", "Expected problems are data in ", tag("code", "errors"), "; then nothing was changed. ",
               tag("a", "How to handle them", href="../guide/errors.html"), ".")  # fmt: skip
    return html([tag("h2", "Problems", id="problems"), text, tag("div", tag("table", head, rows), class_="wide")])


def _cost(reference: Reference, entry: OperationEntry) -> Markup:
    if entry.kind == "mutation":
        rule = f"{MUTATION_COST} points, and those of its payload."
    elif "first" in entry.field.args:
        rule = f"1 point, and for each row of the page size ({PAGE_SIZE_DEFAULT} unless told) 1 and what is asked of a row."
    else:
        rule = "1 point for each object that is asked for; plain values are free."
    if entry.name in SCANS:
        rule += f" And {SCAN_COST} for a look at all rows."
    example = reference.examples_of(entry)[0].cost(reference.catalogue.schema)
    return tag("p", rule, f" The first example above costs {example} of the {COST_MAX} that one operation may. ",
               tag("a", "Limits", href="../guide/limits.html"), ".")  # fmt: skip


def _example(example: Example) -> Content:
    variables = example.shown_variables
    return tag(
        "section",
        [tag("h3", example.title), prose(example.purpose)] if example.written else None,
        tag("p", f"Asked as {_word(example.role)}.", class_="soft") if example.role is not Role.DISPATCHER else None,
        tag("pre", tag("code", colored(example.document)), tabindex="0"),
        [tag("p", "Variables", class_="soft caption"),
         tag("pre", tag("code", colored(json.dumps(variables, indent=2, ensure_ascii=False))), tabindex="0")]
        if variables else None,
        class_="example",
    )  # fmt: skip


# Types


def type_page(reference: Reference, entry: TypeEntry) -> str:
    """A named type: what it has, and where it is used."""
    type: Any = entry.type
    kind = "one-of input" if isinstance(type, GraphQLInputObjectType) and type.is_one_of else entry.kind
    return page(
        reference, entry.path, entry.name,
        _head(reference, entry, kind), prose(entry.description), _inside(reference, type), _uses(reference, entry),
        within=room_path(entry.room),
    )  # fmt: skip


def _inside(reference: Reference, type: Any) -> Content:
    match type:
        case GraphQLObjectType() | GraphQLInterfaceType():
            return _fields(reference, type)
        case GraphQLInputObjectType():
            rows = [_row(reference, name, part, required=is_required_input_field(part), anchor=name)
                    for name, part in type.fields.items()]  # fmt: skip
            only = tag("p", "Give exactly one of these.") if type.is_one_of else None
            return [tag("h2", "Fields"), only, tag("dl", rows, class_="rows")]
        case GraphQLEnumType():
            return [
                tag("h2", "Values"),
                tag("dl", [_value_row(name, value) for name, value in type.values.items()], class_="rows"),
            ]
        case GraphQLUnionType():
            return [tag("h2", "One of"), _chips(_link(reference, one.name) for one in type.types)]
        case GraphQLScalarType() if type.specified_by_url:
            return tag(
                "p", "Specified by ", tag("a", type.specified_by_url, href=type.specified_by_url, rel="noreferrer"), "."
            )
    return None


def _fields(reference: Reference, type: GraphQLObjectType | GraphQLInterfaceType) -> Content:
    rows = []
    for name, field in type.fields.items():
        needed = permission_of(field)
        marks = _badge(str(needed), "permission") if needed is not None else None
        shown = _row(reference, name, field, anchor=name, marks=marks)
        names = ", ".join(f"{one}: {argument.type}{_default(argument)}" for one, argument in field.args.items())
        takes = tag("p", "Takes ", tag("code", names), class_="soft") if names else None
        null = tag("p", "Null without the permission ", tag("code", str(needed)), ", which ",
                   _holders(needed), " have.", class_="soft") if needed is not None else None  # fmt: skip
        rows.append([shown, tag("dd", takes, null) if takes or null else None])
    implemented = [_link(reference, one.name) for one in type.interfaces]
    known = [_link(reference, one.name) for one in reference.catalogue.schema.get_possible_types(type)] if isinstance(type, GraphQLInterfaceType) else []  # fmt: skip
    return [
        tag("p", "Implements ", [[one, " "] for one in implemented]) if implemented else None,
        tag("h2", "Fields"),
        tag("dl", rows, class_="rows"),
        [tag("h2", "Implemented by"), _chips(known)] if known else None,
    ]


def _holders(permission: Permission) -> str:
    return ", ".join(_word(role) for role, held in ROLES.items() if permission in held)


def _word(role: Role) -> str:
    return role.lower().replace("_", " ")


def _value_row(name: str, value: Any) -> Content:
    return [
        tag("dt", tag("span", name, class_="name"), id=name),
        tag("dd", _going(value.deprecation_reason), prose(value.description)),
    ]


def _uses(reference: Reference, entry: TypeEntry) -> Content:
    if not entry.uses:
        return None
    shown = dict.fromkeys(
        (user.path, f"{user.name}.{place}" if place else user.name, place) for user, place in entry.uses
    )
    links = [tag("a", text, href=f"../{path}" + (f"#{place}" if place else "")) for path, text, place in shown]
    return [tag("h2", "Used by", id="used"), _chips(links)]


# Guides


def guide_page(reference: Reference, guide: Guide) -> str:
    """A guide, as it is written."""
    return page(reference, guide.path, guide.title, Markup(guide.html()))
