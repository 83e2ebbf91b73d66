"""Made-up operations, of every root field and for many roles: whatever comes, the answer is data or a documented code.

``make fuzz`` runs 20,000 cases on each database. TRUCKROLL_TEST_FUZZ_CASES says how many, TRUCKROLL_TEST_FUZZ_FROM with
which number to begin: a case that failed is found again by its number in a run of one case, if it does not live on what
cases before it did.
"""

import json
import os
import re
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from app.infrastructure import limits
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.kernel.permissions import Role
from schema.kit import Context, problems
from schema.kit.limits import BadRequest, read_body, request_of
from schema.kit.service import EVERYBODY, GraphQLService
from schema.schema import api
from tests.schema.fuzzing import Case, Pool, case_of
from tests.schema.listening import answers
from tests.schema.tenants import Tenant, found

CASES = int(os.environ.get("TRUCKROLL_TEST_FUZZ_CASES", "150"))
FIRST = int(os.environ.get("TRUCKROLL_TEST_FUZZ_FROM", "0"))
CPU_SECONDS_MAX = 2.0
ROLES = (None, *Role, Role.ADMINISTRATOR, Role.ADMINISTRATOR, Role.OPERATIONS_MANAGER, Role.DISPATCHER)
README = Path(__file__).resolve().parents[2] / "README.md"
# What only a database, a driver or Python says; and what a suggestion begins with.
FOREIGN = re.compile(
    r"Did you mean|sqlite|asyncpg|tortoise|postgres|Traceback|\bSELECT\b|constraint failed|syntax error at or near|object at 0x"
)


def documented_codes() -> frozenset[str]:
    """The codes that the README promises are all there are."""
    section = README.read_text(encoding="utf-8").partition("\n## Errors\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|([^|]+)\|", section, re.MULTILINE)
    return frozenset(re.findall(r"`([A-Z_]{4,})`", " ".join(rows)))


service = GraphQLService(api, introspection=EVERYBODY, once=frozenset())


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


async def answers_to(case: Case, actor: Actor | None) -> list[dict[str, Any]]:
    """What a case is answered, as clients parse it; the request is read as it comes in a body."""
    body = json.dumps({"query": case.document, "variables": case.variables}).encode()
    try:
        request = request_of(read_body(body))
    except BadRequest as bad:
        return [{"errors": [{"message": bad.message, "extensions": {"code": "BAD_REQUEST"}}]}]
    if case.kind == "subscription":
        return [
            orjson.loads(service.encode(one))
            async for one, _ in answers(service, request, lambda: Context(actor, address="192.0.2.1"), ends=True)
        ]
    return [orjson.loads(service.encode(await service.run(request, Context(actor, address="192.0.2.1"))))]


def errors_of(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """The codes and messages of all errors of an answer, those in payloads included."""
    found = [(str(one.get("extensions", {}).get("code")), one["message"]) for one in answer.get("errors", [])]
    for payload in (answer.get("data") or {}).values():
        if isinstance(payload, dict) and isinstance(payload.get("errors"), list):
            found += [(one.get("code", "INVALID_INPUT"), one.get("message", "")) for one in payload["errors"]]
    return found


def pool_of(*tenants: Tenant) -> Pool:
    """The ids of the companies, by prefix."""
    ids: dict[str, list[str]] = {}
    for tenant in tenants:
        for id in sorted(tenant.ids):
            if "_" in id:
                ids.setdefault(id.partition("_")[0], []).append(id)
    return Pool(ids)


async def run_cases(ours: Tenant, theirs: Tenant) -> tuple[list[str], Counter[str]]:
    """Everything that is not as it must be, and how often each code came."""
    known = documented_codes()
    pool = pool_of(ours, ours, theirs)
    wrong: list[str] = []
    came: Counter[str] = Counter()
    for number in range(FIRST, FIRST + CASES):
        case = case_of(number, pool)
        role = Random(-number - 1).choice(ROLES)
        started = time.process_time()
        try:
            answers = await answers_to(case, ours.actors[role] if role else None)
        except Exception as error:  # noqa: BLE001  # is what this looks for
            answers = [{"errors": [{"message": repr(error), "extensions": {"code": "RAISED"}}]}]
        taken = time.process_time() - started
        said = [
            f"{code}: {text}"
            for one in answers
            for code, text in errors_of(one)
            if code not in known or code == "INTERNAL"
        ]
        said += [f"foreign words: {text}" for one in answers for _, text in errors_of(one) if FOREIGN.search(text)]
        said += [f"{taken:.1f} s of CPU"] if taken > CPU_SECONDS_MAX else []
        said += ["neither data nor errors" for one in answers if not one.keys() & {"data", "errors"}]
        came.update(code for one in answers for code, _ in errors_of(one) or [("fine", "")])
        if said:
            wrong.append(f"case {number} as {role}: {said}\n{case.document}\n{json.dumps(case.variables)}")
        for one in answers:
            pool.harvest(one)
    return wrong, came


async def fuzz(ours: Tenant, theirs: Tenant) -> None:
    await limits.start()
    wrong, came = await run_cases(ours, theirs)
    print(dict(came.most_common()))
    assert wrong == [], f"{len(wrong)} of {CASES} cases:\n" + "\n\n".join(wrong[:10])
    # A run that is refused at the door throughout would prove nothing.
    assert came["fine"] > CASES / 8
    assert len(came) > 5


def test_the_codes_that_can_come_are_documented() -> None:
    assert {"INVALID_INPUT", "TOO_EXPENSIVE", "RATE_LIMITED", "INTERNAL"} <= documented_codes()
    assert "GET" not in documented_codes()


@pytest.mark.slow
async def test_whatever_comes_the_answer_is_data_or_a_documented_code(sqlite_database: Dialect) -> None:
    await fuzz(await found("a", 910_000), await found("b", 920_000))


@pytest.mark.slow
async def test_whatever_comes_the_answer_is_data_or_a_documented_code_on_postgres(postgres_database: Dialect) -> None:
    await fuzz(await found("a", 910_000), await found("b", 920_000))


@pytest.mark.slow
async def test_a_bug_and_a_code_that_nobody_knows_are_noticed(
    sqlite_database: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = await found("a", 910_000)

    async def broken(*_: Any, **__: Any) -> Any:
        return {"data": None, "errors": [{"message": "sqlite said no", "extensions": {"code": "ODD"}}]}

    monkeypatch.setattr(service, "run", broken)
    wrong, _ = await run_cases(ours, ours)
    assert any("ODD" in one and "foreign words" in one for one in wrong)
