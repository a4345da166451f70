"""stub"""

from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import Response


class LinkExpired(Exception):
    pass


class LinkUnknown(Exception):
    pass


class BeingPrepared(Exception):
    pass


class Revoked(Exception):
    pass


class OpenedPdf(NamedTuple):
    content: bytes
    sha256: str
    number: str


def pdf_response(pdf: OpenedPdf) -> Response:
    return Response(pdf.content, media_type="application/pdf")


def verification_router(find: object) -> APIRouter:
    return APIRouter()


def download_router(find: object) -> APIRouter:
    return APIRouter()
