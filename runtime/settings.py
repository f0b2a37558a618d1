"""Every setting of Stockbridge, read from the environment.

What other programs call by the same name has no prefix (`DATABASE_URL`, `TEMPORAL_ADDRESS` ...); all else begins with
`STOCKBRIDGE_`. `docs/deploying.md` has the table; a test keeps the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.egress import Egress
from domain.lot_numbers import LotPattern
from domain.window import Window
from ledger.proving.signing import key_bytes
from postgres.statements import Patience
from records.access.sealing import SealingKeys
from runtime.connection_limits import Limits
from runtime.errors import SettingMissingError, StartupError

_SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True)
class ApiKey:
    """A key that is made known at start. `source` is the ERP it speaks for; None for a scanner or an office."""

    tenant: str
    source: str | None
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `tenant:source:key`; an empty source is none."""
        tenant, source, key = (part.strip() for part in [*text.split(":", 2), "", ""][:3])
        if not tenant or not key:
            raise ValueError("an API key is written tenant:source:key (the source may be empty)")
        return cls(tenant, source or None, key)

    def __repr__(self) -> str:
        return f"ApiKey(tenant={self.tenant!r}, source={self.source!r}, key='**********')"

    def written(self) -> str:
        """Write it as the environment has it, with the key."""
        return f"{self.tenant}:{self.source or ''}:{self.key}"


@dataclass(frozen=True)
class LotNumbering:
    """How lots of a tenant are numbered that come without a number."""

    tenant: str
    pattern: LotPattern

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `tenant:pattern`."""
        tenant, _, pattern = (part.strip() for part in text.partition(":"))
        if not tenant or not pattern:
            raise ValueError("a lot pattern is written tenant:pattern")
        return cls(tenant, LotPattern(pattern))

    def __str__(self) -> str:
        return f"{self.tenant}:{self.pattern.text}"


class Settings(BaseSettings):
    """The settings of one process. Make one with `Settings.load()`, which says in words what is wrong."""

    model_config = SettingsConfigDict(
        env_prefix="STOCKBRIDGE_",
        env_ignore_empty=True,  # compose files pass what is unset as an empty variable
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    database_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        repr=False,
        description="PostgreSQL as the limited role, which API, worker and relay use",
    )
    database_admin_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_ADMIN_URL",
        repr=False,
        description="PostgreSQL as the owner of the schema; migrations only",
    )
    database_connections: int = Field(
        default=8,
        ge=2,
        le=200,
        description="Most connections of a process to PostgreSQL, and as many again for single reads",
    )
    answer_timeout_s: float = Field(
        default=15,
        ge=0.1,
        le=3600,
        description="Longest that PostgreSQL works on a statement of the API, in seconds",
    )
    report_timeout_s: float = Field(
        default=300,
        ge=0.1,
        le=86_400,
        description="The same for reports and metrics of the API, and for worker and relay",
    )
    lock_timeout_s: float = Field(
        default=10, ge=0.1, le=3600, description="Longest that a statement waits for a lock, in seconds"
    )
    idle_transaction_timeout_s: float = Field(
        default=60,
        ge=1,
        le=3600,
        description="Longest that a transaction is left open without a statement, in seconds",
    )
    temporal_address: str | None = Field(
        default=None,
        validation_alias="TEMPORAL_ADDRESS",
        description="host:port of a Temporal server; without it `up` and `demo` start one of their own",
    )
    temporal_namespace: str = Field(
        default="default", validation_alias="TEMPORAL_NAMESPACE", description="Temporal namespace"
    )

    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on")
    api_port: int = Field(default=8900, ge=1, le=65_535, description="Port that the API listens on")
    body_limit_bytes: int = Field(default=1_048_576, ge=1024, description="Longest request body taken, in bytes")
    connections: int = Field(default=1000, ge=1, le=100_000, description="Most connections to the API at once")
    head_limit_bytes: int = Field(
        default=32 * 1024, ge=1024, le=1_048_576, description="Longest head of a request taken, in bytes"
    )
    head_time_s: float = Field(default=10, gt=0, description="How long the head of a request may take, in seconds")
    body_time_s: float = Field(
        default=30, gt=0, description="How long a body, or the taking of an answer, may be slower than the rate"
    )
    body_bytes_per_second: int = Field(
        default=8 * 1024, ge=1, description="How fast a body must come, or an answer be taken, that takes longer"
    )
    idle_time_s: float = Field(
        default=60, gt=0, description="How long a connection is kept without a request, in seconds"
    )
    key_requests_per_second: float = Field(
        default=1000, ge=0, description="Most requests of a key, by the mean of 10 s; 0 is no limit"
    )
    address_requests_per_second: float = Field(
        default=2000, ge=0, description="Most requests from an address, by the mean of 10 s; 0 is no limit"
    )
    wrong_keys_per_minute: float = Field(
        default=60, ge=0, description="Wrong keys from an address, until it is answered 429 and slowly; 0 is no limit"
    )
    worker_queues: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("orders", "stock", "erp", "carriers"),
        description="What a worker works on, by commas: orders, stock, erp, carriers (all connections of a kind)",
    )
    worker_build_id: str | None = Field(
        default=None,
        max_length=100,
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Build of a versioned worker, which gets work once its build is current; unversioned without it",
    )
    worker_metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="Port of the worker's Prometheus page; none without it"
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address that the worker serves metrics on")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged")
    log_format: Literal["console", "json"] = Field(default="console", description="Log lines for people or machines")
    ready_file: str | None = Field(default=None, description="File made once the process does its work; none without")
    debug: bool = Field(default=False, description="Show tracebacks of errors that are otherwise told in one line")

    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = Field(
        default=(), repr=False, description="Keys made known at start: tenant:source:key, separated by commas"
    )
    well_known_keys: bool = Field(
        default=False,
        description="Take keys that everybody knows, as `up` and `demo` do; refused where other machines may call",
    )

    lot_patterns: Annotated[tuple[LotNumbering, ...], NoDecode] = Field(
        default=(),
        description="How lots that come without a number get one: tenant:pattern, separated by commas",
    )

    sealing_keys: SecretStr | None = Field(
        default=None,
        description="Seals the secrets of connections (AES-GCM): id:base64-of-32-bytes, separated by commas; the first "
        "seals, all open",
    )
    connections_look_s: float = Field(
        default=1, gt=0, le=60, description="How often a process looks for connections that changed, in seconds"
    )
    egress_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Networks inside that connections may reach all the same: CIDRs, separated by commas",
    )

    clock_tolerance_s: float = Field(
        default=120, ge=0, description="How far ahead of PostgreSQL's clock what happened may be dated, in seconds"
    )
    past_horizon_days: int = Field(
        default=1826, ge=1, le=36_500, description="How long ago what happened may be dated, in days"
    )
    silent_parcel_s: float = Field(
        default=3600, gt=0, description="How long a parcel may be silent before its carrier is asked"
    )
    missing_workflows_s: float = Field(
        default=30, gt=0, description="How often open orders are compared with running workflows, in seconds"
    )
    expired_backorders_s: float = Field(
        default=30,
        gt=0,
        description="How often orders are looked for that wait for stock past their deadline, in seconds",
    )
    expired_stock_s: float = Field(
        default=30, gt=0, description="How often sites are looked for at which a day has begun, in seconds"
    )
    payload_key: SecretStr | None = Field(
        default=None,
        description="Encrypts what Temporal keeps, failures too (its UI then shows `Encoded failure`; the order's view "
        "says why): base64 of 32 bytes; off without it",
    )

    checkpoint_key: SecretStr | None = Field(
        default=None,
        description="Signs the ledger's checkpoints (Ed25519): base64 of 32 bytes; none are taken without it",
    )
    checkpoint_trusted_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Public keys, in base64, that are trusted besides our own: the one before a change of key",
    )
    checkpoint_interval_s: float = Field(default=300, ge=1, description="How often a checkpoint is taken, in seconds")
    ledger_check_cron: str = Field(default="0 3 * * *", description="When the whole ledger is checked, in UTC")

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        """Read the keys from one line of text."""
        if isinstance(value, str):
            return tuple(ApiKey.parse(part) for part in value.split(",") if part.strip())
        return value

    @field_validator("lot_patterns", mode="before")
    @classmethod
    def _split_lot_patterns(cls, value: Any) -> Any:
        """Read the patterns from one line of text."""
        if isinstance(value, str):
            return tuple(LotNumbering.parse(part) for part in value.split(",") if part.strip())
        return value

    @field_validator("worker_queues", mode="before")
    @classmethod
    def _split_queues(cls, value: Any) -> Any:
        """Read the queues from one line of text, and know each of them."""
        queues = tuple(q.strip() for q in value.split(",") if q.strip()) if isinstance(value, str) else value
        unknown = [queue for queue in queues if queue not in {"orders", "stock", "erp", "carriers"}]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: there are orders, stock, erp and carriers")
        return queues

    @field_validator("checkpoint_trusted_keys", "egress_allow", mode="before")
    @classmethod
    def _split_texts(cls, value: Any) -> Any:
        """Read several from one line of text."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("egress_allow")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Take networks only."""
        Egress.parse(value)
        return value

    @field_validator("sealing_keys")
    @classmethod
    def _check_sealing_keys(cls, value: SecretStr | None) -> SecretStr | None:
        """Take keys of the right length only."""
        if value is not None:
            SealingKeys.parse(value.get_secret_value())
        return value

    @field_validator("checkpoint_key", "checkpoint_trusted_keys")
    @classmethod
    def _check_keys(cls, value: SecretStr | tuple[str, ...] | None) -> SecretStr | tuple[str, ...] | None:
        """Take keys of the right length only."""
        for key in value if isinstance(value, tuple) else (value.get_secret_value(),) if value else ():
            key_bytes(key)
        return value

    @field_validator("database_url", "database_admin_url")
    @classmethod
    def _check_scheme(cls, value: str | None) -> str | None:
        """Take plain PostgreSQL addresses only: which driver is used is our business."""
        if value is not None and not value.startswith(_SCHEMES):
            raise ValueError("must begin with postgresql://")
        return value

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment; `overrides` come first. Raises `StartupError` with one line about each fault."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            faults = "; ".join(f"{_variable(fault['loc'])}: {fault['msg']}" for fault in error.errors())
            raise StartupError(f"The settings do not work. {faults}") from error

    def need(self, name: str) -> str:
        """Return the setting `name` as text, or say which environment variable is missing."""
        value = getattr(self, name)
        if value is None:
            field = type(self).model_fields[name]
            raise SettingMissingError(f"{variable_of(name)} is not set ({field.description}).")
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    def environment(self) -> dict[str, str]:
        """Return the environment that makes another process load these settings; what is unset is empty."""
        return {variable_of(name): _as_text(getattr(self, name)) for name in type(self).model_fields}

    @property
    def sealing(self) -> SealingKeys:
        """The keys that seal the secrets of connections; none where none are set."""
        return SealingKeys.parse(self.sealing_keys.get_secret_value()) if self.sealing_keys else SealingKeys()

    @property
    def egress(self) -> Egress:
        """Where connections may go: to public addresses, and into networks that are allowed."""
        return Egress.parse(self.egress_allow)

    @property
    def window(self) -> Window:
        """The times that are believed of what happened."""
        return Window(timedelta(seconds=self.clock_tolerance_s), timedelta(days=self.past_horizon_days))

    @property
    def answering(self) -> Patience:
        """How long the API lets PostgreSQL take for an answer."""
        return Patience(self.answer_timeout_s, self.lock_timeout_s, self.idle_transaction_timeout_s)

    @property
    def working(self) -> Patience:
        """How long worker and relay let it take: nobody waits on the telephone."""
        return Patience(self.report_timeout_s, self.lock_timeout_s, self.idle_transaction_timeout_s)

    @property
    def connection_limits(self) -> Limits:
        """What connections to the API may cost."""
        return Limits(
            connections=self.connections,
            head_bytes=self.head_limit_bytes,
            head_s=self.head_time_s,
            body_s=self.body_time_s,
            body_rate=self.body_bytes_per_second,
            idle_s=self.idle_time_s,
        )

    @property
    def database_sqlalchemy_url(self) -> str:
        """`DATABASE_URL` as SQLAlchemy wants it."""
        return sqlalchemy_url(self.need("database_url"))

    @property
    def database_admin_sqlalchemy_url(self) -> str:
        """`DATABASE_ADMIN_URL` as SQLAlchemy wants it."""
        return sqlalchemy_url(self.need("database_admin_url"))


def sqlalchemy_url(url: str) -> str:
    """Name the driver in a plain PostgreSQL address: `postgresql://` becomes `postgresql+psycopg://`."""
    _, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}"


def variable_of(name: str) -> str:
    """Return the environment variable that the setting `name` is read from."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"STOCKBRIDGE_{name.upper()}"


def variables() -> dict[str, str]:
    """Return every environment variable that is read, and what it means."""
    return {variable_of(name): field.description or "" for name, field in Settings.model_fields.items()}


def _as_text(value: object) -> str:
    """Write a setting as its environment variable has it."""
    match value:
        case None:
            return ""
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(part.written() if isinstance(part, ApiKey) else str(part) for part in value)
        case _:
            return str(value)


def _variable(location: tuple[int | str, ...]) -> str:
    """Name the variable that a fault of validation is about."""
    name = str(location[0]) if location else ""
    return variable_of(name) if name in Settings.model_fields else name
