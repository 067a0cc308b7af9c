"""When MiniStack invokes the functions, and how many at once. Runs inside MiniStack.

- Nothing is invoked before the functions run: what an upload, a schedule or a queue would start
  waits for them. MiniStack would find nobody at their address, and count that against the message.
- A mapping has no more batches in hand than there are workers; MiniStack takes a limit that comes
  from a parameter, which is text, for no limit, and stumbles over it.
- A message whose function failed comes again after two seconds, as a failed event does here. On AWS
  it is the queue's visibility timeout, minutes in which whoever looks on would see nothing happen.
- A message that somebody had in hand when the last stack ended comes again at once: no function of
  that stack is alive.
- A queue's address has the gateway's port in it. After a start on another one MiniStack's poller
  looks for the queue at an address that it never had.
- An address is a secret, and MiniStack names the one it could not reach in its error, which goes to
  the caller, the dead letters and the disk; ours says that it was the function's.
- Towards the end no message is taken any more, and what is refused goes to the dead letters at
  once, while there is time.
"""

import threading
import time
from typing import Any

RETRY_AFTER_S = 2.0
PATIENCE_S = 60.0  # the stack has come up by then, or never will


class Invocations:
    """Holds back what MiniStack would invoke until `begin`, and its queues again from `end` on."""

    def __init__(self, *, workers: int) -> None:
        """Admit no more than *workers* batches of a mapping at once."""
        self._workers = workers
        self._begun = threading.Event()
        self._ended = False

    def install(self) -> None:
        """Take MiniStack's own ways over."""
        from ministack.services import lambda_svc, sqs

        forward, poll = lambda_svc._execute_function_proxy, lambda_svc._poll_sqs
        limit, run = lambda_svc._sqs_esm_concurrency, lambda_svc._run_sqs_batch

        address = sqs._queue_url

        def known_address(name: str) -> str:
            return str(sqs._queue_name_to_url.get(name) or address(name))

        def forward_when_begun(func: Any, event: Any, url: str, request_id: str) -> Any:
            self._begun.wait(PATIENCE_S)
            return _without(url, forward(func, event, url, request_id))

        def poll_when_begun() -> bool:
            return self._begun.is_set() and not self._ended and bool(poll())

        def limit_to_workers(mapping: Any, *rest: Any) -> int:
            scaling = dict(mapping.get("ScalingConfig") or {})
            if scaling.get("MaximumConcurrency"):
                scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
            most: int = limit({**mapping, "ScalingConfig": scaling}, *rest)
            return min(most, self._workers)

        def run_and_hurry(mapping: Any, func: Any, event: Any, batch: Any, *rest: Any) -> None:
            run(mapping, func, event, batch, *rest)
            _give_again(batch, RETRY_AFTER_S)  # those that succeeded are gone from the queue

        lambda_svc._execute_function_proxy = forward_when_begun
        lambda_svc._poll_sqs = poll_when_begun
        lambda_svc._sqs_esm_concurrency = limit_to_workers
        lambda_svc._run_sqs_batch = run_and_hurry
        sqs._queue_url = known_address

    def begin(self) -> None:
        """Let functions be invoked, first of all for what nobody has in hand any more."""
        from ministack.services import lambda_svc, sqs

        fed = {mapping.get("EventSourceArn") for *_, mapping in lambda_svc._iter_all_esms()}
        for queue in list(sqs._queues._data.values()):
            if queue.get("attributes", {}).get("QueueArn") in fed:
                _give_again(queue["messages"], 0)
        self._begun.set()
        lambda_svc.esm_wake.set()

    def end(self) -> None:
        """Take no more messages, and have refused events given up without a pause."""
        from ministack.services import lambda_svc

        self._ended = True
        lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS = 0


def _without(url: str, result: Any) -> Any:
    """Take *url* out of the error that a *result* may be."""
    body = result.get("body")
    if result.get("error") and isinstance(body, dict) and isinstance(body.get("errorMessage"), str):
        said = body["errorMessage"].replace(url, "of the function")
        return {**result, "body": {**body, "errorMessage": said}}
    return result


def _give_again(messages: list[dict[str, Any]], after_s: float) -> None:
    from ministack.services import sqs

    due = time.time() + after_s
    with sqs._queues_lock:
        for message in messages:
            if message.get("receive_count"):  # one that is delayed was never in hand
                message["visible_at"] = min(message.get("visible_at", due), due)
