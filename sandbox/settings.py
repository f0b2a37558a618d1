"""What the sandbox is told from outside: ports, secrets, the hub's address, the speed of the carrier's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SandboxSettings(BaseSettings):
    """Settings of all servers, from the environment (`SANDBOX_...`) or given by the caller.

    The secrets have defaults because nothing here is worth stealing; they are kept out of `repr` all the same, so that
    whoever reads a log learns no bad habits.
    """

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", extra="forbid")

    host: str = "127.0.0.1"
    erp_port: int = Field(default=8901, ge=0, le=65535, description="0 takes any free port")
    carrier_port: int = Field(default=8902, ge=0, le=65535, description="0 takes any free port")
    data_dir: Path | None = Field(
        default=None, description="where both keep their databases; none keeps them in memory"
    )

    hub_url: str = "http://127.0.0.1:8900"
    api_key: str = Field(default="sandbox-api-key", repr=False, description="the hub's key of the ERP as a source")

    erp_user: str = "stockbridge"
    erp_password: str = Field(default="sandbox-erp-password", repr=False)
    erp_unknown_orders: Literal["refuse", "accept"] = Field(
        default="refuse", description="what the ERP does with a message of an order that it never pushed itself"
    )
    push_tries: int = Field(default=5, ge=1, le=20, description="how often the ERP's outbound job tries the hub")

    erp_rest_user: str = "stockbridge"
    erp_rest_password: str = Field(default="sandbox-erp-rest-password", repr=False)
    erp_rest_zone: ZoneInfo = Field(default=ZoneInfo("Europe/Berlin"), description="where the clock of that ERP hangs")
    erp_rest_session_calls: int = Field(default=500, ge=1, description="so many calls, then a session has lapsed")

    carrier_token: str = Field(default="sandbox-carrier-token", repr=False)
    carrier_secret: str = Field(default="sandbox-carrier-secret", repr=False, description="signs the callbacks")
    carrier_connection: str = "sandbox"
    scan_interval_s: float = Field(default=0.3, gt=0, description="between two scans of a parcel on the fast clock")
    auto_collect: bool = Field(default=False, description="parcels are collected without being told")
    auto_collect_after_s: float = Field(default=1.0, ge=0, description="so long after the booking")
    callback_backoff_s: float = Field(default=0.5, gt=0, description="before the first repeat; doubles each time")
    tracking_rate_per_s: int = Field(default=20, ge=1, description="tracking calls a second; more are 429")

    seed: int = Field(default=0, ge=0, le=999, description="where tracking numbers start")
