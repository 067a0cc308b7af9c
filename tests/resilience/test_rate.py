"""What leaves a device in a second, and that the rest waits in it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.fleet.small_ground import SmallGround
from sightline.topics import topic
from tests.resilience.test_certificates import link_of

SECONDS = 2  # that it takes at least, beyond the first, which may begin with all it has


@pytest.mark.parametrize(
    ("size", "a_second"), [(10, 100), (64_000, 512 * 1024 // 64_000)], ids=["publishes", "bytes"]
)
def test_no_more_leaves_a_device_than_aws_takes_without_disconnecting_it(
    ground: SmallGround, size: int, a_second: int
) -> None:
    with link_of(ground, "door") as link, ThreadPoolExecutor(40) as threads:
        begun_s = time.monotonic()
        sent = [
            threads.submit(link.publish, topic("door", "status"), b"x" * size)
            for _ in range((SECONDS + 1) * a_second)
        ]
        for each in sent:
            each.result()  # and none is lost for it
        took_s = time.monotonic() - begun_s

    assert took_s >= SECONDS - 0.5  # a limit keeps a slow machine, too; it cannot be too fast
