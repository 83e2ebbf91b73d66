"""One frozen settings object, read once where everything meets, from the environment (``TRUCKROLL_…``) or from files.

A secret may be given as a file: ``TRUCKROLL_DATABASE_URL_FILE=/run/secrets/database``. A setting that cannot be used stops
the start with one sentence.
"""

import os
from base64 import b64decode
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from app.kernel.addresses import Declared
from app.kernel.allowances import Allowance
from app.kernel.budgets import Caller, read_budgets
from app.kernel.errors import ConfigurationError
from app.kernel.field_keys import read_field_keys
from app.kernel.traffic import SlowHours, read_slow_hours

PREFIX = "TRUCKROLL_"
KEY_LENGTH_MIN = 32
SIGNING_KEY_BYTES = 32
NOT_SETTINGS = frozenset({"TRUCKROLL_REQUIRE_SERVICES", "TRUCKROLL_SETUP_PASSWORD"})


class Background(StrEnum):
    """Where followers, timers and jobs run."""

    INSIDE = "inside"
    WORKER = "worker"


class Switch(StrEnum):
    """Whether something is done."""

    ON = "on"
    OFF = "off"


class Introspection(StrEnum):
    """Who may ask for the schema."""

    EVERYBODY = "everybody"
    AUTHENTICATED = "authenticated"
    NOBODY = "nobody"


class Documents(StrEnum):
    """Which documents may be run."""

    ANY = "any"
    TRUSTED = "trusted"


class HttpStatuses(StrEnum):
    """Which edition of the GraphQL-over-HTTP specification decides about statuses."""

    OF_2025 = "2025"
    DRAFT = "draft"


class TravelProvider(StrEnum):
    """Who knows how long the way is."""

    ESTIMATE = "estimate"
    OSRM = "osrm"
    VALHALLA = "valhalla"


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class Settings(BaseModel):
    """What can be set. Every field is the environment variable ``TRUCKROLL_`` and its name in capitals."""

    # A default is checked like anything else: an address without a kind of server must not go unnoticed.
    model_config = ConfigDict(frozen=True, validate_default=True)

    database_url: str = Field("sqlite:///var/truckroll.db", description="sqlite:///file or postgres://user@host/name")
    database_pool_max: int = Field(
        10, ge=2, le=200, description="connections to PostgreSQL, per process; half of them only read"
    )
    broadcast_url: str = Field("memory://", description="memory:// or redis://host:port/number")
    data_folder: Path = Field(Path("var"), description="where files and outboxes are kept")
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="the port to listen on; 0 takes any free one")
    public_url: str | None = Field(
        None,
        description="the address under which people reach the server, without a path: https://service.example",
    )
    row_level_security: Switch = Field(
        Switch.OFF, description="on: PostgreSQL itself keeps organizations apart as well; run `truckroll migrate` after"
    )
    worker_port: int | None = Field(
        None, ge=0, le=65535, description="a port on which a worker answers /healthz, /readyz and /metrics"
    )
    background: Background | None = Field(
        None, description="inside: this process does the background work; worker: `truckroll worker` does"
    )
    allowed_origins: tuple[str, ...] = Field((), description="other origins whose pages may call the API, with commas")
    outbound_allowed: tuple[str, ...] = Field(
        (),
        description="hosts and networks that may be reached though they are not public: idp.internal,10.1.0.0/16",
    )
    introspection: Introspection = Field(Introspection.AUTHENTICATED, description="everybody, authenticated or nobody")
    cost_budget: str = Field(
        "",
        description="off, or points and points per second by kind of caller: people=20000/500,keys=20000/1000",
    )
    trusted_documents: Path | None = Field(None, description="a manifest file of GraphQL documents and their ids")
    documents: Documents = Field(Documents.ANY, description="any, or trusted: only those of the manifest")
    http_statuses: HttpStatuses = Field(HttpStatuses.OF_2025, description="2025 or draft")
    trusted_proxies: int = Field(0, ge=0, le=5, description="how many proxies in front add X-Forwarded-For")
    planner_processes: int = Field(1, ge=1, le=64, description="days that are planned at the same time")
    planner_parts_from: int = Field(
        600,
        ge=2,
        le=1_000_000,
        description="visits from which on a plan is made in parts, which other workers take too",
    )
    travel_url: str | None = Field(
        None, description="the address of the road server: http://host:port, with a path if any"
    )
    travel_provider: TravelProvider = Field(
        TravelProvider.ESTIMATE, description="estimate, or the kind of the road server: osrm or valhalla"
    )
    travel_profile: str | None = Field(
        None,
        pattern="^[A-Za-z0-9_-]{1,40}$",
        description="OSRM's profile (driving unless set) or Valhalla's costing (auto unless set)",
    )
    travel_timeout_seconds: float = Field(
        5.0, gt=0, le=60, description="the seconds that one request may take, up to 60"
    )
    travel_places_max: int = Field(
        50, ge=1, le=1000, description="the places on each side of a table that the road server allows, 1 to 1000"
    )
    travel_concurrency: int = Field(
        4, ge=1, le=32, description="the requests that one process has under way at the same time, 1 to 32"
    )
    travel_cache_days: int = Field(
        30, ge=0, le=366, description="the days for which ways by road are kept, 0 to 366; 0: not at all"
    )
    travel_kilometres_per_hour: float = Field(
        45.0, ge=5, le=150, description="the speed of estimates, 5 to 150 kilometres per hour by road"
    )
    travel_slow_hours: str = Field(
        "mo-fr 07:00-09:00 1.3, mo-fr 16:00-18:00 1.3",
        description="none, or when drives take longer and by what factor: mo-fr 07:00-09:00 1.3, sa 10:00-12:00 1.2",
    )
    export_megabytes_max: int = Field(1024, ge=1, le=2047, description="the largest bulk export, in megabytes")
    field_keys: str | None = Field(
        None,
        description="the keys of encrypted fields, id:base64 each, with commas; the first writes, the others still read",
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING, ERROR")
    log_format: LogFormat = Field(LogFormat.AUTO, description="auto, json or text")
    journal_key: str | None = Field(
        None,
        description="a secret of at least 32 characters that seals the journal; earlier ones behind it, with commas",
    )
    audit_key: str | None = Field(
        None, description="an Ed25519 private key, 32 bytes in base64, that signs the heads of the journal"
    )
    audit_heads: Path | None = Field(None, description="the folder to which the journal's heads are written every day")
    journal_days: int = Field(
        0,
        ge=0,
        le=36500,
        description="the days for which facts stay in the journal before they go to the archive; 0: all",
    )
    journal_archive: Path | None = Field(None, description="the folder of the journal's archive, one for all workers")
    metrics_token: str | None = Field(None, min_length=16, description="bearer token that /metrics asks for, if set")

    @field_validator("database_url", "broadcast_url")
    @classmethod
    def _has_a_scheme(cls, value: str) -> str:
        if "://" not in value:
            raise ValueError("it must be a URL such as sqlite:///var/truckroll.db or redis://localhost:6379/0")
        return value

    @field_validator("journal_key")
    @classmethod
    def _is_secret_enough(cls, value: str | None) -> str | None:
        if value is not None and any(len(one.strip()) < KEY_LENGTH_MIN for one in value.split(",")):
            raise ValueError(f"a key has at least {KEY_LENGTH_MIN} characters")
        return value

    @field_validator("audit_key")
    @classmethod
    def _signs(cls, value: str | None) -> str | None:
        try:
            if value is not None and len(b64decode(value.strip(), validate=True)) != SIGNING_KEY_BYTES:
                raise ValueError
        except ValueError:
            raise ValueError("it must be what `truckroll audit key` prints: 32 bytes in base64") from None
        return value

    @field_validator("field_keys")
    @classmethod
    def _are_keys(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                read_field_keys(value)
            except ConfigurationError as problem:
                raise ValueError(str(problem)) from None
        return value

    @field_validator("documents")
    @classmethod
    def _has_a_manifest(cls, value: Documents, info: ValidationInfo) -> Documents:
        if value is Documents.TRUSTED and info.data.get("trusted_documents") is None:
            raise ValueError("no documents are trusted; set TRUCKROLL_TRUSTED_DOCUMENTS to their manifest, too")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        address = urlsplit(value)
        if address.scheme not in ("http", "https") or not address.hostname or address.port == 0:
            raise ValueError("it must be a URL such as https://service.example")
        if address.path not in ("", "/") or address.query or address.fragment or address.username:
            raise ValueError("it ends behind the name or the port")
        return value.rstrip("/")

    @field_validator("travel_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is None:
            return None
        address = urlsplit(value)
        # Asking for the port refuses one that is none.
        if address.scheme not in ("http", "https") or not address.hostname or address.port == 0:
            raise ValueError("it must be a URL such as http://127.0.0.1:5000")
        return value

    @field_validator("travel_provider")
    @classmethod
    def _has_a_server(cls, value: TravelProvider, info: ValidationInfo) -> TravelProvider:
        has_url = info.data.get("travel_url") is not None
        if value is not TravelProvider.ESTIMATE and not has_url and "travel_url" in info.data:
            raise ValueError("there is no road server; set TRUCKROLL_TRAVEL_URL to its address, too")
        if value is TravelProvider.ESTIMATE and has_url:
            raise ValueError("nobody would ask the road server of TRUCKROLL_TRAVEL_URL")
        return value

    @field_validator("travel_slow_hours")
    @classmethod
    def _are_hours(cls, value: str) -> str:
        try:
            read_slow_hours(value)
        except ConfigurationError as problem:
            raise ValueError(str(problem)) from None
        return value

    @field_validator("allowed_origins", "outbound_allowed", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value

    @field_validator("outbound_allowed")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            Declared.read(value)
        except ConfigurationError as problem:
            raise ValueError(str(problem)) from None
        return value

    @field_validator("cost_budget")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        try:
            read_budgets(value)
        except ConfigurationError as problem:
            raise ValueError(str(problem)) from None
        return value

    @property
    def budgets(self) -> Mapping[Caller, Allowance] | None:
        """What each kind of caller may ask for; None when nobody keeps count."""
        return read_budgets(self.cost_budget)

    @property
    def slow_hours(self) -> tuple[SlowHours, ...]:
        """When drives take longer."""
        return read_slow_hours(self.travel_slow_hours)

    @property
    def journal_keys(self) -> tuple[str, ...]:
        """The keys of the journal, first the one that seals; none when it is sealed without."""
        return () if self.journal_key is None else tuple(one.strip() for one in self.journal_key.split(","))

    @property
    def public_address(self) -> str:
        """Where people reach the server: what is set, else where it listens."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def encryption_keys(self) -> Mapping[str, bytes] | None:
        """The keys of encrypted fields by their ids, the one that writes first; None when the data folder has them."""
        return None if self.field_keys is None else read_field_keys(self.field_keys)

    @property
    def embedded(self) -> bool:
        """Whether the database is the embedded one."""
        return urlsplit(self.database_url).scheme.startswith("sqlite")

    @property
    def runs_background_inside(self) -> bool:
        """Whether the server process also follows the journal and works off jobs; the default when embedded."""
        if self.background is None:
            return self.embedded
        return self.background is Background.INSIDE


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of an environment, else ``ConfigurationError`` that names the first variable that is wrong."""
    env = dict(os.environ if environment is None else environment)
    values: dict[str, Any] = {}
    known = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    for variable, text in env.items():
        if not variable.startswith(PREFIX) or variable.startswith(PREFIX + "TEST_"):
            continue
        if variable in known:
            values[known[variable]] = text
        elif variable.endswith("_FILE") and variable.removesuffix("_FILE") in known:
            values[known[variable.removesuffix("_FILE")]] = _read_secret(variable, text)
        elif variable not in NOT_SETTINGS:
            raise ConfigurationError(
                f"{variable} is not a setting of Truckroll; unset it, or set one of {', '.join(sorted(known))}."
            )
    try:
        return Settings.model_validate(values)
    except ValidationError as problem:
        first = problem.errors()[0]
        name = str(first["loc"][0])
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(
            f"{PREFIX}{name.upper()} cannot be used: {said[0].lower()}{said[1:]}. "
            f"Set it to {Settings.model_fields[name].description}."
        ) from None


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{variable} names {path}, which cannot be read; set it to a readable file.") from None
