"""The Lambda Runtime API of one worker, as `awslambdaric` speaks it.

A listener a worker: the runtime client takes a host and a port and nothing more, so the port is
what tells workers apart.

Source: AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".
"""

import json
import re

from infra.local.lambda_service.function import Function
from infra.local.lambda_service.handover import Handover
from infra.local.lambda_service.invocation import MAX_SYNC_BYTES, Invocation, Outcome, failure
from infra.local.lambda_service.listener import LoopbackHandler, LoopbackServer

_BASE = "/2018-06-01/runtime"
_SETTLED = re.compile(rf"{_BASE}/invocation/([0-9a-f-]+)/(response|error)")


class RuntimeApi(LoopbackServer):
    """Serves one worker's process from its `Handover`."""

    def __init__(self, function: Function, handover: Handover) -> None:
        self.function = function
        self.handover = handover
        super().__init__(_RuntimeHandler, purpose=f"runtime API of {function.name}")

    def close(self, *, grace_s: float = 2) -> None:
        """Stop serving; the process, if it lives, is sent away from its wait."""
        self.handover.end()
        super().close(grace_s=grace_s)


class _RuntimeHandler(LoopbackHandler):
    server: RuntimeApi

    def do_GET(self) -> None:  # noqa: N802 - the base's names
        if not self.is_from_here() or self.path != f"{_BASE}/invocation/next":
            self.reply(404)
            return
        taken = self.server.handover.take()
        if taken is None:
            self.close_connection = True  # the runtime client takes this for its end
            return
        invocation, deadline_ms = taken
        self._hand_out(invocation, deadline_ms)

    def do_POST(self) -> None:  # noqa: N802
        if not self.is_from_here():
            self.close_connection = True
            self.reply(403)
            return
        try:
            body = self.read_body(MAX_SYNC_BYTES)
        except ValueError:
            self.close_connection = True
            self._say(411, errorType="LengthRequired")
            return
        if self.path == f"{_BASE}/init/error":
            self.server.handover.fail_init(body or b"{}")
            self._say(202, status="OK")
        elif (match := _SETTLED.fullmatch(self.path)) is not None:
            self._settle(match[1], body, failed=match[2] == "error")
        else:
            self._say(404, errorType="NotFound")

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
