"""`/v1/health`: that the function answers; no key is needed, and nothing else is asked."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cloud.http.authentication import Caller
from sightline import __version__


async def get(_request: Request, _caller: Caller | None) -> Response:
    """Answer."""
    return JSONResponse({"status": "ok", "version": __version__})
