"""The models as the migrations so far describe them, made into classes only when someone asks for one, with just
the models it needs.

Tortoise makes every class anew after every operation, which takes minutes for a hundred tables.
"""

from collections.abc import Iterable
from typing import Any

from tortoise.fields.relational import ForeignKeyFieldInstance, ManyToManyFieldInstance
from tortoise.migrations.schema_generator.state import ModelState, State
from tortoise.migrations.schema_generator.state_apps import StateApps
from tortoise.models import Model

Key = tuple[str, str]
RELATIONS = (ForeignKeyFieldInstance, ManyToManyFieldInstance)


class LazyApps(StateApps):
    def __init__(self, default_connections: dict[str, str] | None = None, connections: Any = None) -> None:
        super().__init__(default_connections, connections)
        self.states: dict[Key, ModelState] = {}
        self._stale = False
        self._singles: dict[Key, type[Model]] = {}

    @property
    def stale(self) -> bool:
        return self._stale

    def change(self) -> None:
        """Forget the classes. They may be shared with an earlier state, so they are replaced and never changed."""
        self._stale = True
        self._singles = {}

    def get_model(self, app_label: str, model_name: str | None = None) -> type[Model]:
        if not self._stale:
            return super().get_model(app_label, model_name)
        key = (app_label, model_name) if model_name else self.split_reference(app_label)
        if key not in self._singles:
            few = StateApps(dict(self._default_connections), self._connections)
            _render({one: self.states[one] for one in self._needed(key)}, few)
            self._singles[key] = few.get_model(*key)
        return self._singles[key]

    def unregister_model(self, app_label: str, model_name: str) -> None:
        self.change()

    def complete(self) -> None:
        """Make every class: for code that asks for many, or follows relations in any direction."""
        if self._stale:
            self.apps = {}
            _render(self.states, self)
            self._stale = False

    def copy_for(self, states: dict[Key, ModelState]) -> "LazyApps":
        copied = LazyApps(dict(self._default_connections), self._connections)
        copied.states, copied.apps = states, self.apps
        copied._stale, copied._singles = self._stale, self._singles
        return copied

    def _needed(self, key: Key) -> set[Key]:
        """A model and all that it points to, directly or not."""
        needed: set[Key] = set()
        waiting = [key]
        while waiting:
            current = waiting.pop()
            if current in needed or (current not in self.states and current != key):
                continue
            needed.add(current)
            fields = self.states[current].fields.values()
            waiting += [self.split_reference(one.model_name) for one in fields if isinstance(one, RELATIONS)]
        return needed


def _render(states: dict[Key, ModelState], apps: StateApps) -> None:
    for (app_label, _), state in states.items():
        apps.register_model(app_label, state.render(apps))
    apps._init_relations()
    apps._build_initial_querysets()


class LazyState(State):
    apps: LazyApps

    @classmethod
    def empty(cls, default_connections: dict[str, str] | None = None) -> "LazyState":
        state = cls(models={}, apps=LazyApps(default_connections))
        state.apps.states = state.models
        return state

    def reload_model(self, app_label: str, model_name: str) -> None:
        if (app_label, model_name) not in self.models:
            raise LookupError(f"the model {app_label}.{model_name} is unknown")
        self.apps.change()

    def reload_models(self, model_tuples: Iterable[Key]) -> None:
        self.apps.change()

    def validate_relations_initialized(self) -> None:
        if not self.apps.stale:
            super().validate_relations_initialized()

    def clone(self) -> "LazyState":
        models = {key: model.clone() for key, model in self.models.items()}
        return LazyState(models=models, apps=self.apps.copy_for(models))
