"""What is known about a function before anything of it runs."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sightline.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HANDLER = re.compile(r"[\w/]+(\.\w+)+")
_NICENESS, _NICEST = ((60, 0), (300, 5)), 10  # of what may take up to so many seconds, or more


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A deployed function and how its invocations are to be treated.

    Attributes:
        handler: Module path and function, as in `cloud.recognize.handler`.
        folder: The unpacked code; first on the module path and the working directory.
        python: The interpreter that runs it, with `awslambdaric` installed.
        environment: The function's own variables. `AWS_REGION` among them names its region.
        memory_mb: Told to the function; not enforced.
        workers: How many invocations run at once, at most.
        warm: How many workers are started before the first event.
        retries: How often a failed asynchronous event is tried again, 0 to 2 on AWS.
        retry_delays_s: Pause before each retry; the last one repeats. AWS: a minute, then two.
        max_event_age_s: An event older than this is not tried (again).
        on_failure_arn: Where the records of given-up events go; without it they are only logged.
        queue_limit: How many events may wait; `queue_limit_bytes` bounds their payloads together.
        init_timeout_s: How long a worker may take to import its handler.
        refresh_environment: More variables, fetched whenever a worker starts: the role's
            credentials. A worker is replaced once these are `environment_lifetime_s` old.
        account: The account in the function's ARN.
    """

    name: str
    handler: str
    folder: Path
    python: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 30
    memory_mb: int = 2048
    workers: int = 1
    warm: int = 0
    retries: int = 2
    retry_delays_s: tuple[float, ...] = (60, 120)
    max_event_age_s: float = 21_600
    on_failure_arn: str | None = None
    queue_limit: int = 10_000
    queue_limit_bytes: int = 128 * 1024 * 1024
    init_timeout_s: float = 60
    refresh_environment: Callable[[], Mapping[str, str]] | None = field(default=None, repr=False)
    environment_lifetime_s: float = 2700
    account: str = "000000000000"

    def __post_init__(self) -> None:
        self._expect(_NAME.fullmatch(self.name) is not None, "name", "1 to 64 of A-Z a-z 0-9 _ -")
        self._expect(_HANDLER.fullmatch(self.handler) is not None, "handler", "module.function")
        self._expect(self.folder.is_dir(), "folder", "a folder with the function's code")
        self._expect(self.python.is_file(), "python", "an interpreter")
        self._expect(self.workers >= 1, "workers", "1 or more")
        self._expect(0 <= self.warm <= self.workers, "warm", "0 to workers")
        self._expect(self.retries >= 0, "retries", "0 or more")
        self._expect(self.queue_limit >= 1, "queue_limit", "1 or more")
        self._expect(self.queue_limit_bytes >= 1, "queue_limit_bytes", "1 or more")
        self._expect(
            len(self.retry_delays_s) > 0 and all(_is_span(s) for s in self.retry_delays_s),
            "retry_delays_s",
            "one or more numbers of seconds",
        )
        for name in ("timeout_s", "max_event_age_s", "init_timeout_s", "environment_lifetime_s"):
            seconds = getattr(self, name)
            self._expect(_is_span(seconds) and seconds > 0, name, "seconds above 0")

    @property
    def niceness(self) -> int:
        """How far its workers stand back on a busy machine, from 0 to 19.

        The longer they may take, the further: nobody waits for what may take minutes, and somebody
        does for a camera's frame.
        """
        return next((nice for most_s, nice in _NICENESS if self.timeout_s <= most_s), _NICEST)

    @property
    def region(self) -> str:
        """The region in the function's ARN and environment."""
        return self.environment.get("AWS_REGION", "us-east-1")

    @property
    def arn(self) -> str:
        """The function's own ARN, without a version."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    def retry_delay_s(self, attempts: int) -> float:
        """The pause after so many failed *attempts*, 1 or more."""
        return self.retry_delays_s[min(attempts, len(self.retry_delays_s)) - 1]

    def _expect(self, holds: bool, name: str, expected: str) -> None:
        if not holds:
            value = getattr(self, name)
            raise ConfigError(
                f"function {self.name!r}: {name} is {value!r}, but must be {expected}"
            )


def _is_span(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds >= 0
