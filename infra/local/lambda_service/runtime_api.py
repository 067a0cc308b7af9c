"""The Lambda Runtime API of one worker, as `awslambdaric` speaks it.

A listener a worker, so that the port tells workers apart. Paths begin with a secret that only the
worker has: otherwise another account of the machine could take its events, and what is in them.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".
"""

import json
import re
import secrets

from infra.local.lambda_service.function import Function
from infra.local.lambda_service.handover import Handover
from infra.local.lambda_service.invocation import MAX_SYNC_BYTES, Invocation, Outcome, failure
from infra.local.lambda_service.listener import LoopbackHandler, LoopbackServer

_BASE = "/2018-06-01/runtime"
_INIT_ERROR = f"{_BASE}/init/error"
_SETTLED = re.compile(rf"{_BASE}/invocation/([0-9a-f-]+)/(response|error)")


class RuntimeApi(LoopbackServer):
    """Serves one worker's process from its `Handover`."""

    def __init__(self, function: Function, handover: Handover, *, guarded: bool = True) -> None:
        """Serve; not *guarded*, without a secret, for a runtime client that nobody boots."""
        self.function = function
        self.handover = handover
        self.secret = secrets.token_urlsafe() if guarded else ""
        super().__init__(_RuntimeHandler, purpose=f"runtime API of {function.name}")

    @property
    def endpoint(self) -> str:
        """What the runtime client is told: host, port, and the first part of every path."""
        return f"{self.address}/{self.secret}" if self.secret else self.address

    def close(self, *, grace_s: float = 2) -> None:
        """Stop serving; the process, if it lives, is sent away from its wait."""
        self.handover.end()
        super().close(grace_s=grace_s)


class _RuntimeHandler(LoopbackHandler):
    server: RuntimeApi

    def do_GET(self) -> None:  # noqa: N802 - the base's names
        path = self._path()
        if not self.is_from_here() or path != f"{_BASE}/invocation/next":
            self.reply(404)
            return
        taken = self.server.handover.take()
        if taken is None:
            self.close_connection = True  # the runtime client takes this for its end
            return
        invocation, deadline_ms = taken
        self._hand_out(invocation, deadline_ms)

    def do_POST(self) -> None:  # noqa: N802
        path = self._path()
        if self.path == _INIT_ERROR:
            path = self.path  # boot.py says why it is without; it can do no more than spoil a start
        if path is None or not self.is_from_here():
            self.close_connection = True
            self.reply(403)
            return
        try:
            body = self.read_body(MAX_SYNC_BYTES)
        except ValueError:
            self.close_connection = True
            self._say(411, errorType="LengthRequired")
            return
        if path == _INIT_ERROR:
            self.server.handover.fail_init(body or b"{}")
            self._say(202, status="OK")
        elif (match := _SETTLED.fullmatch(path)) is not None:
            self._settle(match[1], body, failed=match[2] == "error")
        else:
            self._say(404, errorType="NotFound")

    def _path(self) -> str | None:
        """The path behind the secret; None: it is not there."""
        return self.path_after(self.server.secret) if self.server.secret else self.path

    def _hand_out(self, invocation: Invocation, deadline_ms: int) -> None:
        self.reply(
            200,
            invocation.payload,
            Content_Type="application/json",
            Lambda_Runtime_Aws_Request_Id=invocation.request_id,
            Lambda_Runtime_Deadline_Ms=str(deadline_ms),
            Lambda_Runtime_Invoked_Function_Arn=self.server.function.arn,
            Lambda_Runtime_Trace_Id=invocation.trace_id,
        )

    def _settle(self, request_id: str, body: bytes | None, *, failed: bool) -> None:
        if body is None:
            text = f"Response payload size exceeded maximum allowed ({MAX_SYNC_BYTES} bytes)."
            self.server.handover.answer(request_id, failure("Function.ResponseSizeTooLarge", text))
            self._say(413, errorType="RequestEntityTooLarge", errorMessage=text)
            return
        outcome = Outcome(payload=body, error="Unhandled" if failed else None)
        if self.server.handover.answer(request_id, outcome):
            self._say(202, status="OK")
        else:
            self._say(400, errorType="InvalidRequestID", errorMessage="not the one in hand")

    def _say(self, code: int, **fields: str) -> None:
        self.reply(code, json.dumps(fields).encode(), Content_Type="application/json")
