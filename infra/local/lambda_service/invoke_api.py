"""AWS's Invoke API over HTTP, and the plain path on which MiniStack forwards events."""

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from infra.local.lambda_service.dispatcher import StoppingError, ThrottledError
from infra.local.lambda_service.invocation import (
    MAX_ASYNC_BYTES,
    MAX_SYNC_BYTES,
    VERSION,
    Invocation,
    Outcome,
)
from infra.local.lambda_service.listener import LoopbackHandler, LoopbackServer

_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_FORWARD = re.compile(r"/async/([A-Za-z0-9_-]+)")
_QUEUE = re.compile(r"/queue/([A-Za-z0-9_-]+)")
_NAME = re.compile(r"(?:.*:?function:)?([A-Za-z0-9_-]+)(?::[\w$-]+)?")
_THROTTLED = "ReservedFunctionConcurrentInvocationLimitExceeded"
# How long a message may wait for a worker: the poller fetches no more than there are workers, so it
# waits for one that another caller has, and gives up before the function's own time would end.
_QUEUE_PATIENCE_S = 60.0
_TRACE = re.compile(r"[\w=;:-]{1,256}")


class Invoker(Protocol):
    """What the API's requests are for."""

    def has(self, name: str) -> bool:
        """Whether there is such a function."""

    def invoke(self, name: str, invocation: Invocation, *, patience_s: float = 0) -> Outcome:
        """Run and wait."""

    def submit(self, name: str, invocation: Invocation, *, or_give_up: bool) -> None:
        """Queue."""


class InvokeApi(LoopbackServer):
    """Listens for invocations whose path begins with *secret*; to any other it says 403, no more.

    Source: AWS Lambda API reference, "Invoke"; MiniStack's proxy mode for functions.
    """

    def __init__(self, invoker: Invoker, *, port: int, secret: str) -> None:
        self.invoker = invoker
        self.secret = secret
        super().__init__(
            _InvokeHandler, port=port, purpose="the Lambda service", option="another Lambda port"
        )


class _RefusedError(Exception):
    """A request that is answered with one of AWS's errors."""

    def __init__(self, status: int, name: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.body = {"Type": "User" if status < 500 else "Service", "message": message, **more}


class _InvokeHandler(LoopbackHandler):
    server: InvokeApi
    timeout = 60  # of a peer that has stopped writing, or keeps an idle connection

    def do_POST(self) -> None:  # noqa: N802 - the base's name
        path = self.path_after(self.server.secret)
        if path is None:
            self.close_connection = True
            self.reply(403)
            return
        try:
            self._serve(path)
        except _RefusedError as err:
            # What is left of the request's body must not be read as the next request.
            self.close_connection = True
            self._send(err.status, err.body, X_Amzn_ErrorType=err.name)
        except ThrottledError as err:
            body = {"Type": "User", "message": str(err), "Reason": _THROTTLED}
            self._send(429, body, X_Amzn_ErrorType="TooManyRequestsException", Retry_After="1")
        except StoppingError as err:
            body = {"Type": "Service", "message": str(err)}
            self._send(503, body, X_Amzn_ErrorType="ServiceException")

    def _serve(self, path: str) -> None:
        if not self.is_from_here():
            raise _RefusedError(403, "AccessDeniedException", "only programs of this machine may")
        if (match := _FORWARD.fullmatch(path)) is not None:
            invocation = self._read(self._named(match[1]), MAX_ASYNC_BYTES)
            self.server.invoker.submit(match[1], invocation, or_give_up=True)
            self._send(200, {}, X_Amzn_RequestId=invocation.request_id)
        elif (match := _QUEUE.fullmatch(path)) is not None:
            self._work_off(self._named(match[1]))
        elif (match := _INVOKE.fullmatch(path)) is not None:
            self._invoke(self._named(unquote(match[1])))
        else:
            raise _RefusedError(404, "UnknownOperationException", f"there is nothing at {path}")

    def _invoke(self, name: str) -> None:
        match self.headers.get("X-Amz-Invocation-Type", "RequestResponse"):
            case "RequestResponse":
                invocation = self._read(name, MAX_SYNC_BYTES)
                self._answer(invocation, self.server.invoker.invoke(name, invocation))
            case "Event":
                invocation = self._read(name, MAX_ASYNC_BYTES)
                self.server.invoker.submit(name, invocation, or_give_up=False)
                self.reply(202, X_Amzn_RequestId=invocation.request_id)
            case "DryRun":
                self._read(name, MAX_SYNC_BYTES)
                self.reply(204)
            case other:
                text = f"X-Amz-Invocation-Type {other!r} is not RequestResponse, Event or DryRun"
                raise _RefusedError(400, "InvalidParameterValueException", text)

    def _work_off(self, name: str) -> None:
        """Run a message; a failure is a status, which is all that MiniStack's poller looks at."""
        invocation = self._read(name, MAX_SYNC_BYTES)
        outcome = self.server.invoker.invoke(name, invocation, patience_s=_QUEUE_PATIENCE_S)
        self.reply(
            200 if outcome.error is None else 500,
            outcome.payload,
            Content_Type="application/json",
            X_Amzn_RequestId=invocation.request_id,
        )

    def _answer(self, invocation: Invocation, outcome: Outcome) -> None:
        headers = {
            "Content_Type": "application/json",
            "X_Amz_Executed_Version": VERSION,
            "X_Amzn_RequestId": invocation.request_id,
        }
        if outcome.error is not None:
            headers["X_Amz_Function_Error"] = outcome.error
        self.reply(200, outcome.payload, **headers)

    def _named(self, text: str) -> str:
        """The function's name out of a name or an ARN, with or without a version."""
        match = _NAME.fullmatch(text)
        if match is None or not self.server.invoker.has(match[1]):
            text = f"Function not found: {text[:200]!r}"
            raise _RefusedError(404, "ResourceNotFoundException", text)
        return match[1]

    def _read(self, name: str, limit: int) -> Invocation:
        try:
            body = self.read_body(limit)
        except ValueError as err:
            text = "the request has no Content-Length"
            raise _RefusedError(411, "InvalidRequestContentException", text) from err
        if body is None:
            text = f"Request must be smaller than {limit} bytes for the Invoke operation on {name}"
            raise _RefusedError(413, "RequestTooLargeException", text)
        try:
            json.loads(body or b"{}")
        except (ValueError, RecursionError) as err:
            text = f"Could not parse request body into json: {type(err).__name__}"
            raise _RefusedError(400, "InvalidRequestContentException", text) from err
        trace = self.headers.get("X-Amzn-Trace-Id", "")
        if _TRACE.fullmatch(trace):
            return Invocation(payload=body or b"{}", trace_id=trace)
        return Invocation(payload=body or b"{}")

    def _send(self, status: int, body: Mapping[str, Any], **headers: str) -> None:
        self.reply(status, json.dumps(body).encode(), Content_Type="application/json", **headers)
