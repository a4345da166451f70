"""Enrollment's settings."""

from typing import ClassVar

from pydantic import Field

from shared.settings.common import Settings
from shared.settings.types import Issuers, LinkRing


class EnrollmentSettings(Settings):
    service: ClassVar[str] = "enrollment"

    http_port: int = Field(8001, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    internal_port: int = Field(9001, ge=0, le=65535, description="Port for them; 0 takes any free one")
    link_keys: LinkRing | None = Field(
        None,
        description="Keys that sign links in mails, newest first, one on each line; without it, one of KOMPETEN_SECRET",
    )
    bodies: Issuers = Field(
        {},
        description="Bodies that the register begins with, and who issues for each: CODE=agency, CODE=outside (of the "
        "city), or CODE alone, to be confirmed; separated by commas",
        examples=["DISKOMINFO=diskominfo,LAN RI=outside"],
    )
    unknown_body_days: int = Field(
        30, ge=1, le=60, description="Days that a completion waits for its body to be entered in the register"
    )
    pdf_workers: int = Field(
        1, ge=0, le=64, description="Processes that render certificates; 0 renders none here"
    )
    events_per_second: int = Field(
        500,
        ge=0,
        le=1_000_000,
        description="Events a second that each agency may POST to one process, 1,000 saved up; 0: no limit",
    )
    list_every_s: float = Field(
        900,
        gt=0,
        le=24 * 3600,
        description="Seconds after which a change is listed at the latest, so that a gap in other services' books shows",
    )
