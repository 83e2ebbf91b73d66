"""What is on board when it is needed, and which stock could give what is not."""

from collections.abc import Iterable, Mapping, Sequence

from optimizer.model import Model
from optimizer.problem import Technician, Visit
from optimizer.timing import Fetch, Timeline

Amounts = dict[str, int]


def lacking_on_board(technician: Technician, visit: Visit) -> Amounts:
    """What the visit needs and a technician who has used nothing yet does not have."""
    short = {name: amount - technician.parts.get(name, 0) for name, amount in visit.parts.items()}
    return {name: amount for name, amount in short.items() if amount > 0}


def ways_to_supply(lacking: Mapping[str, int], left: Sequence[Mapping[str, int]]) -> list[Fetch | None]:
    """Nothing to fetch where nothing lacks; else a way by each stock that has all of it."""
    if not lacking:
        return [None]
    parts = tuple(sorted(lacking.items()))
    return [Fetch(stock, parts) for stock, there in enumerate(left) if has_all(there, lacking)]


def has_all(there: Mapping[str, int], lacking: Mapping[str, int]) -> bool:
    return all(there.get(name, 0) >= amount for name, amount in lacking.items())


def surplus(model: Model, timelines: Sequence[Timeline], vehicle: int, position: int, names: Iterable[str]) -> Amounts:
    """How many of each part could be used by a visit put before `position` without a stop lacking them, there or
    later in any shift: nothing below zero."""
    technician = model.vehicles[vehicle].technician
    balance = {name: model.technicians[technician].parts.get(name, 0) for name in names}
    least: Amounts | None = None
    for number in model.vehicles_of[technician]:
        timeline = timelines[number]
        for at in range(len(timeline.visits) + 1):
            if number == vehicle and at == position:
                least = dict(balance)
            if at < len(timeline.visits):
                change(balance, model, timeline, timeline.visits[at])
                if least is not None:
                    least = {name: min(amount, balance[name]) for name, amount in least.items()}
    assert least is not None
    return {name: max(0, amount) for name, amount in least.items()}


def change(balance: Amounts, model: Model, timeline: Timeline, number: int) -> None:
    """What one stop does to what is on board: loading first, then work; of the parts in the balance alone."""
    fetch = timeline.fetches.get(number)
    for name, amount in () if fetch is None else fetch.parts:
        if name in balance:
            balance[name] += amount
    for name, amount in model.visits[number].parts.items():
        if name in balance:
            balance[name] -= amount


def first_shortage(model: Model, timelines: Sequence[Timeline], technician: int) -> tuple[int, int, Amounts] | None:
    """The vehicle and number of the first stop that lacks parts, and what it lacks."""
    names = {
        name
        for vehicle in model.vehicles_of[technician]
        for number in timelines[vehicle].visits
        for name in model.visits[number].parts
    }
    balance = {name: model.technicians[technician].parts.get(name, 0) for name in sorted(names)}
    for vehicle in model.vehicles_of[technician]:
        for number in timelines[vehicle].visits:
            change(balance, model, timelines[vehicle], number)
            lacking = {name: -amount for name, amount in balance.items() if amount < 0}
            if lacking:
                return vehicle, number, lacking
    return None
