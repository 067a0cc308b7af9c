"""The split function, as other functions call it."""

import json

from cloud.aws import Client, calling
from cloud.videos.handover import Continuation, write_continuation
from sightline.errors import TransportError


class LambdaSplitters:
    """See `cloud.videos.handover.Splitters`."""

    def __init__(self, client: Client, function: str) -> None:
        self._client = client
        self._function = function

    def go_on(self, continuation: Continuation) -> None:
        """See `Splitters.go_on`."""
        with calling(f"invoke the function {self._function}"):
            answer = self._client.invoke(
                FunctionName=self._function,
                InvocationType="Event",
                Payload=json.dumps(write_continuation(continuation)).encode(),
            )
        if answer["StatusCode"] >= 300:
            raise TransportError(f"the function {self._function} did not take it")
