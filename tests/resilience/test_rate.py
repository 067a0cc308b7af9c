"""What leaves a device in a second, and that the rest waits in it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.fleet.small_ground import SmallGround
from sightline.topics import topic
from tests.resilience.test_certificates import link_of

SECONDS = 3


@pytest.mark.parametrize(
    ("size", "a_second"), [(10, 100), (64 * 1024, 512 // 64)], ids=["publishes", "bytes"]
)
def test_no_more_leaves_a_device_than_aws_takes_without_disconnecting_it(
    ground: SmallGround, size: int, a_second: int
) -> None:
    # The limit is the client's own, in C. What it did not send it may send later, but not more than
    # a second's worth, and it begins with nothing saved: so from before it connects on there is no
    # burst to allow for. A slow machine sends less; nothing makes it too fast but the limit.
    begun_s = time.monotonic()
    with link_of(ground, "door") as link, ThreadPoolExecutor(40) as threads:
        sent = [
            threads.submit(link.publish, topic("door", "status"), b"x" * size)
            for _ in range(SECONDS * a_second)
        ]
        for each in sent:
            each.result()  # and none is lost for it
        took_s = time.monotonic() - begun_s

    assert SECONDS * a_second <= a_second * took_s
