"""A lifecycle is a table: from which state to which, and what must hold before. Rules and diagrams are read from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.kernel.errors import IllegalTransition

State = TypeVar("State", bound=str)
Guard = Callable[..., str | None]


@dataclass(frozen=True, slots=True)
class Transition(Generic[State]):
    """A step that the table allows; ``blocked_by`` says why it cannot be taken right now, or is empty."""

    to: State
    blocked_by: tuple[str, ...]


class Lifecycle(Generic[State]):
    """Steps between states. A guard is a pure function of the facts about a thing: a sentence if it refuses, or None."""

    def __init__(
        self,
        noun: str,
        steps: Mapping[State, frozenset[State]],
        guards: Mapping[State, tuple[Guard, ...]] | None = None,
    ) -> None:
        unknown = {to for targets in steps.values() for to in targets} - set(steps)
        if unknown:
            raise ValueError(f"{noun}: {sorted(unknown)} are reached but have no row of their own")
        self.noun = noun
        self.steps = dict(steps)
        self.guards = dict(guards or {})

    @property
    def states(self) -> tuple[State, ...]:
        """Every state, in the order of the table."""
        return tuple(self.steps)

    def is_final(self, state: State) -> bool:
        """Whether nothing leads out of a state."""
        return not self.steps[state]

    def blocked_by(self, to: State, facts: object = None) -> tuple[str, ...]:
        """The sentences of all guards that refuse the step to a state."""
        return tuple(reason for guard in self.guards.get(to, ()) if (reason := guard(facts)))

    def allowed(self, state: State, facts: object = None) -> list[Transition[State]]:
        """The steps out of a state, each with what blocks it, in the order of the table."""
        return [Transition(to, self.blocked_by(to, facts)) for to in self.steps if to in self.steps[state]]

    def require(self, state: State, to: State, facts: object = None) -> None:
        """Raise ``IllegalTransition`` unless the table has the step and no guard refuses it."""
        allowed = [str(step) for step in self.steps if step in self.steps[state]]
        if to not in self.steps[state]:
            raise IllegalTransition(self.noun, str(state), str(to), allowed)
        reasons = self.blocked_by(to, facts)
        if reasons:
            raise IllegalTransition(self.noun, str(state), str(to), allowed, because=" ".join(reasons))

    def as_mermaid(self) -> str:
        """The table as a Mermaid state diagram, for the documentation."""
        lines = [f"    {state} --> {to}" for state, targets in self.steps.items() for to in self.steps if to in targets]
        return "\n".join(["stateDiagram-v2", *lines])
