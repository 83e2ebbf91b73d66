"""Imports through the API."""

import pytest

from app.kernel.permissions import Role
from app.work_orders.models import WorkOrder
from schema.kit import problems
from tests.app.company.api import data, refused, sent
from tests.app.integrations.test_imports import as_csv, request

REPORT = """report { created updated unchanged failed rows { row line externalId outcome errors { column message } }
    record { fileName dryRun status rowCount failedCount failedRows { row errors { column } } } }"""


@pytest.fixture(autouse=True)
def strict(monkeypatch):
    monkeypatch.setattr(problems, "STRICT", True)


async def test_a_file_comes_in_by_pieces_and_its_report_tells_of_every_row(lamp):
    text = as_csv(request(1), request(2, Latitude="")).decode()
    wanted = {"mapping": "nyc-311", "fileName": "june.csv", "text": [text[:100], text[100:]]}
    dispatcher = lamp.someone(Role.DISPATCHER)
    for dry_run in (True, False):
        payload = await sent(dispatcher, "importWorkOrders", wanted | {"dryRun": dry_run}, REPORT)
        assert payload["errors"] == []
        assert payload["report"] == {
            "created": 1, "updated": 0, "unchanged": 0, "failed": 1,
            "rows": [
                {"row": 2, "line": 2, "externalId": "1", "outcome": "CREATED", "errors": []},
                {"row": 3, "line": 3, "externalId": "2", "outcome": "FAILED", "errors": [
                    {"column": "Latitude", "message": "There is no latitude, so nobody could be sent there."}]},
            ],
            "record": {
                "fileName": "june.csv", "dryRun": dry_run, "status": "FINISHED", "rowCount": 2, "failedCount": 1,
                "failedRows": [{"row": 3, "errors": [{"column": "Latitude"}]}],
            },
        }  # fmt: skip
        assert await WorkOrder.all().count() == (0 if dry_run else 1)
    imports = await data(
        dispatcher, "{ imports { nodes { dryRun createdCount } } importMappings { name requiredColumns } }"
    )
    assert imports["imports"]["nodes"] == [{"dryRun": False, "createdCount": 1}, {"dryRun": True, "createdCount": 1}]
    assert [mapping["name"] for mapping in imports["importMappings"]] == ["nyc-311", "generic"]


async def test_what_is_no_file_of_ours_is_one_problem(lamp):
    dispatcher = lamp.someone(Role.DISPATCHER)
    payload = await sent(
        dispatcher, "importWorkOrders", {"mapping": "nyc-311", "text": ["a,b\n1,2\n"]}, "report { created }"
    )
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [("INVALID_INPUT", ["file", "1"])]
    assert payload["report"] is None
    assert await refused(dispatcher, "importWorkOrders", {"mapping": "x", "text": [""]}) == "INVALID_INPUT"
    assert (
        await refused(lamp.someone(Role.SUPPORT), "importWorkOrders", {"mapping": "nyc-311", "text": [""]})
        == "NOT_PERMITTED"
    )
