"""Forecasts through the API: figures with their error and a sentence, for those who plan and for nobody else."""

from collections.abc import Iterator

import pytest
import pytest_asyncio

from app.kernel.dialects import Dialect
from app.scheduling import queries
from schema.kit import problems
from tests.app.scheduling.test_forecasts import add_visits, add_work, daily, service
from tests.app.scheduling.world import Company, found
from tests.schema.asking import ask, codes

DURATION = """
query Duration($serviceType: ID, $model: ID, $technician: ID) {
  durationForecast(serviceTypeId: $serviceType, equipmentModelId: $model, technicianId: $technician) {
    expectedMinutes p80Minutes basis observations historyVisits historySince sentence
    error { visits meanAbsoluteMinutes biasMinutes plannedMeanAbsoluteMinutes plannedBiasMinutes p80Coverage beatsPlan }
  }
}
"""
DEMAND = """
query Demand($days: Int! = 14) {
  demandForecast(days: $days) {
    days { day expected low high isHoliday } method historyDays sentence
    error { origins days wape mase naiveWape coverage }
  }
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def company(sqlite_database: Dialect) -> Company:
    return await found("Acme")


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(problems, "STRICT", True)
    queries.forget_forecasts()
    yield
    queries.forget_forecasts()


async def test_a_duration_is_told_with_its_basis_and_its_error(company: Company) -> None:
    repair = await service(company, "repair")
    await add_visits(company, 60, 90, service_type_id=repair)
    await add_visits(company, 60, 20, service_type_id=await service(company, "check"))
    told = (await ask(company.dispatcher, DURATION, {"serviceType": repair}))["data"]["durationForecast"]
    assert (told["expectedMinutes"], told["basis"], told["observations"]) == (91, "SERVICE_TYPE", 60)
    assert told["expectedMinutes"] <= told["p80Minutes"] <= 95
    assert (told["historyVisits"], told["historySince"]) == (120, "2026-03-02T08:20:00+00:00")
    assert told["error"]["visits"] == 60 and told["error"]["beatsPlan"] is True
    assert told["error"]["plannedMeanAbsoluteMinutes"] == pytest.approx(35, abs=1.5)
    assert told["sentence"].startswith("Rests on 60 visits of this service type; such forecasts were wrong by ")
    anything = (await ask(company.dispatcher, DURATION))["data"]["durationForecast"]
    assert anything["basis"] == "ALL_VISITS"


async def test_demand_is_told_by_day_with_its_error(company: Company) -> None:
    await add_work(company, 3 * 120, submitted_at=daily(3))
    told = (await ask(company.dispatcher, DEMAND, {"days": 3}))["data"]["demandForecast"]
    assert [(one["expected"], one["isHoliday"]) for one in told["days"]] == [(3.0, False)] * 3
    assert (told["method"], told["historyDays"]) == ("SEASONAL_NAIVE", 120)
    assert (told["error"]["origins"], told["error"]["wape"]) == (8, 0.0)
    assert told["sentence"] == (
        "As on the same weekdays before, learned from 120 days; wrong by 0% of the work in the past, where as last week "
        "would have been by 0%."
    )


async def test_too_little_history_is_said_so(company: Company) -> None:
    await add_visits(company, 1, 90, submitted_at=daily(1))
    duration = (await ask(company.dispatcher, DURATION))["data"]["durationForecast"]
    assert (duration["expectedMinutes"], duration["basis"], duration["error"]) == (None, None, None)
    assert duration["sentence"] == "Too little is known: 1 visit was completed so far."
    demand = (await ask(company.dispatcher, DEMAND))["data"]["demandForecast"]
    assert (demand["days"], demand["method"], demand["error"]) == ([], None, None)
    assert demand["sentence"] == "Too little is known: a forecast needs four weeks of work."


async def test_who_does_not_plan_gets_no_forecast(company: Company) -> None:
    await add_visits(company, 30, 90)
    for actor in (company.ann, company.customer):
        for document in (DURATION, DEMAND):
            assert codes(await ask(actor, document)) == ["NOT_PERMITTED"]


async def test_a_forecast_about_too_many_days_is_refused(company: Company) -> None:
    assert codes(await ask(company.dispatcher, DEMAND, {"days": 91})) == ["INVALID_INPUT"]
