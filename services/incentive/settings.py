"""Incentive's settings."""

from typing import ClassVar

from pydantic import Field

from shared.settings import Settings


class IncentiveSettings(Settings):
    service: ClassVar[str] = "incentive"

    http_port: int = Field(8002, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    epoch: int = Field(
        0, ge=0, description="Raise by one after restoring the database from a backup: part of every event id"
    )
