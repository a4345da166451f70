"""Incentive's settings."""

from typing import ClassVar

from pydantic import Field

from shared.settings.common import Settings


class IncentiveSettings(Settings):
    service: ClassVar[str] = "incentive"

    http_port: int = Field(8002, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    internal_port: int = Field(9002, ge=0, le=65535, description="Port for them; 0 takes any free one")
