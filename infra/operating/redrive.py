"""Send dead letters round again: what a function gave up, or what never reached it.

An event goes back to its function: a frame's, a video's that S3 told of. A chunk of a video goes
back to the queue that it came from, out of which its function gets as many at once as it may.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from infra.account import error_code, translated
from infra.deploying import stack as stacks
from infra.target import Target
from sightline.errors import ConfigError, TransportError

_BATCH = 10  # the most that SQS hands out at once
_HIDDEN_S = 600  # for as long nobody else gets what we look at; time to decide
_BASIC_INGEST = "$aws/rules/"
CHUNK_FIELDS = {"video", "job", "chunk", "frames"}  # cloud/videos/chunk.py
_BUSY = {"TooManyRequestsException", "ThrottlingException", "ServiceException"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter.

    Attributes:
        reason: Why it is here.
        event: What its function is to get again.
        function: Whose event it is.
        message: What the queue of videos' chunks is to get again. With neither an event nor a
            message, it is of no shape that we know.
    """

    id: str
    receipt: str = field(repr=False)
    reason: str
    function: str = ""
    event: Mapping[str, Any] | None = field(default=None, repr=False)
    message: str | None = field(default=None, repr=False)

    @property
    def is_known(self) -> bool:
        """Whether it is known where it is to go."""
        return self.event is not None or self.message is not None


class _Ids(TypedDict):
    id: str
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """Those that were taken out of the queue to look at."""

    known: Sequence[Letter]
    unknown: Sequence[Letter]

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Each reason with how often it is given, the most frequent first."""
        return Counter(letter.reason for letter in self.known).most_common()


def collect(target: Target, *, most: int) -> Letters:
    """Take up to *most* letters; until `send` or `put_back` they are hidden from others.

    Raises:
        ConfigError: AWS does not let us.
        TransportError: AWS is out of reach.
    """
    with translated("reading the dead letters"):
        functions = {
            each.physical_id
            for each in stacks.resources(target.account, target.stack, "AWS::Lambda::Function")
        }
        letters = {letter.id: letter for letter in _receive(target, most, functions)}
    known = [letter for letter in letters.values() if letter.is_known]
    return Letters(known=known, unknown=[each for each in letters.values() if not each.is_known])


def send(
    target: Target, letters: Letters, *, tell: Callable[[Letter], None] = lambda _: None
) -> int:
    """Have each event worked on again, and delete its letter once that is accepted.

    What comes twice is answered from the store: a frame is recognised once.

    Args:
        tell: Told of each that was accepted.

    Returns:
        How many were accepted; the others are back in the queue.

    Raises:
        ConfigError: The function refuses; what was not sent is back in the queue.
        TransportError: AWS is out of reach, or the function takes no more for now; likewise.
    """
    sent: set[str] = set()
    try:
        for letter in letters.known:
            if letter.message is None:
                _invoke(target, letter)
            else:
                _requeue(target, letter.message)
            with translated("deleting a dead letter"):
                target.client("sqs").delete_message(
                    QueueUrl=target.output("DeadLetterQueueUrl"), ReceiptHandle=letter.receipt
                )
            sent.add(letter.id)
            tell(letter)
    finally:
        left = [each for each in letters.known if each.id not in sent]
        put_back(target, Letters(known=left, unknown=letters.unknown))
    return len(sent)


def put_back(target: Target, letters: Letters) -> None:
    """Let others have the letters again.

    Raises:
        ConfigError: AWS does not let us.
        TransportError: AWS is out of reach.
    """
    sqs, url = target.client("sqs"), target.output("DeadLetterQueueUrl")
    with translated("putting dead letters back"):
        for letter in (*letters.known, *letters.unknown):
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )


def _receive(target: Target, most: int, functions: set[str]) -> Iterator[Letter]:
    sqs, url = target.client("sqs"), target.output("DeadLetterQueueUrl")
    frames = target.output("RecognizeFunction")
    left = most
    while left > 0:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(_BATCH, left),
            VisibilityTimeout=_HIDDEN_S,
            WaitTimeSeconds=1,  # asks all of SQS's servers: without, some letters are not seen
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        if not messages:
            return
        for message in messages:
            yield _read(message, frames, functions)
        left -= len(messages)


def _read(message: Mapping[str, Any], frames: str, functions: set[str]) -> Letter:
    """Read a shape of three: Lambda's record, what a rule's error action writes, a chunk."""
    made: _Ids = {"id": message["MessageId"], "receipt": message["ReceiptHandle"]}
    try:
        body = json.loads(message["Body"])
    except (ValueError, RecursionError):
        return Letter(**made, reason="it is not JSON")
    if not isinstance(body, dict):
        return Letter(**made, reason="it is no JSON object")
    if isinstance(body.get("requestPayload"), dict):
        return _of_lambda(body, made, functions)
    if isinstance(body.get("base64OriginalPayload"), str) and isinstance(body.get("topic"), str):
        sent_ms = int(message.get("Attributes", {}).get("SentTimestamp", 0))
        return _of_rule(body, made, frames, sent_ms)
    if body.keys() >= CHUNK_FIELDS:
        return Letter(**made, reason="a chunk of a video failed 3 times", message=message["Body"])
    fields = ", ".join(sorted(map(str, body))[:6]) or "none"
    return Letter(**made, reason=f"of no known shape, with the fields {fields}")


def _of_lambda(body: dict[str, Any], made: _Ids, functions: set[str]) -> Letter:
    """Source: AWS Lambda developer guide, "Capturing records of asynchronous invocations"."""
    context = body.get("requestContext")
    context = context if isinstance(context, dict) else {}
    arn = str(context.get("functionArn", ""))
    function = (arn.split(":") + [""] * 7)[6]
    if function not in functions:
        return Letter(**made, reason=f"it is of {function or 'no function'}, not of this stack's")
    answer = body.get("responsePayload")
    error = answer if isinstance(answer, dict) else {}
    said = f"{error.get('errorType', '')}: {error.get('errorMessage', '')}".strip(": ")
    condition = str(context.get("condition", "no reason given"))
    reason = f"{condition}, {said[:120]}" if said else condition
    return Letter(**made, reason=reason, function=function, event=body["requestPayload"])


def _of_rule(body: dict[str, Any], made: _Ids, frames: str, sent_ms: int) -> Letter:
    """Source: AWS IoT Core developer guide, "Error handling (error action)", message format."""
    topic = body["topic"]
    if topic.startswith(_BASIC_INGEST):  # what the rule's topic() leaves out
        topic = topic.removeprefix(_BASIC_INGEST).partition("/")[2]
    failures = body.get("failures")
    first = failures[0] if isinstance(failures, list) and failures else {}
    said = str(first.get("errorMessage", "")) if isinstance(first, dict) else ""
    event = {
        "payload": body["base64OriginalPayload"],
        "topic": topic,
        "client": str(body.get("clientId", "n/a")),
        "received_ms": sent_ms,
    }
    reason = f"the rule could not hand it over: {said[:120] or 'no reason given'}"
    return Letter(**made, reason=reason, function=frames, event=event)


def _requeue(target: Target, message: str) -> None:
    with translated("putting a chunk of a video back into its queue"):
        target.client("sqs").send_message(
            QueueUrl=target.output("VideoQueueUrl"), MessageBody=message
        )


def _invoke(target: Target, letter: Letter) -> None:
    doing = f"invoking {letter.function}"
    client = target.client("lambda")
    if target.facts is not None:  # functions run beside MiniStack, not in it
        client = target.session.client("lambda", endpoint_url=target.facts.lambda_url)
    try:
        answer = client.invoke(
            FunctionName=letter.function,
            InvocationType="Event",
            Payload=json.dumps(letter.event).encode(),
        )
    except ClientError as err:
        kind = TransportError if error_code(err) in _BUSY else ConfigError
        raise kind(f"{doing}: {error_code(err)}; what is left is back in the queue") from err
    except BotoCoreError as err:
        # Its text names the address, which on one machine is a secret.
        kind_of = type(err).__name__
        raise TransportError(f"{doing}: {kind_of}; what is left is back in the queue") from err
    if answer["StatusCode"] != 202:
        raise TransportError(f"{doing}: status {answer['StatusCode']}")
