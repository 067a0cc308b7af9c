"""The lean client of S3 sends what botocore's whole one does, wherever S3 is."""

from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from device.network.s3_tables import S3Tables

Ask = Callable[[Any], Any]

# A region of each partition, the one that S3 once called global, and one that is not there yet.
REGIONS = (
    *("eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"),
    *("us-iso-east-1", "us-isob-east-1", "nowhere-1"),
)
PART = {"PartNumber": 1, "ETag": "e", "ChecksumSHA256": "c"}
REQUESTS: dict[str, Ask] = {
    "put": lambda s3: s3.put_object(
        Bucket="doors", Key="frames/a b.jpg", Body=b"x", IfNoneMatch="*", ChecksumSHA256="abc="
    ),
    "begin": lambda s3: s3.create_multipart_upload(
        Bucket="doors", Key="v.mp4", ContentType="video/mp4", ChecksumAlgorithm="SHA256"
    ),
    "part": lambda s3: s3.upload_part(
        Bucket="doors", Key="v.mp4", UploadId="u", PartNumber=1, Body=b"x", ChecksumSHA256="abc="
    ),
    "complete": lambda s3: s3.complete_multipart_upload(
        Bucket="doors", Key="v.mp4", UploadId="u", MultipartUpload={"Parts": [PART]}
    ),
    "head": lambda s3: s3.head_bucket(Bucket="doors"),
}
_BY_CHANCE = ("amz-sdk-invocation-id", "X-Amz-Date", "User-Agent")


def client(*, lean: bool, region: str, endpoint: str | None) -> Any:
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    if lean:
        session.register_component("data_loader", S3Tables())
    return session.create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="example",
        config=Config(
            s3={
                "addressing_style": "path" if endpoint else "virtual",
                "us_east_1_regional_endpoint": "regional",
            },
        ),
    )


def sent(s3: Any, ask: Ask) -> tuple[str, str, dict[str, str], Any]:
    """Have a request made, and give it; it goes nowhere."""
    caught: list[AWSPreparedRequest] = []

    def catch(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        caught.append(request)
        return AWSResponse(request.url, 200, {}, _Empty())

    s3.meta.events.register("before-send.s3", catch)
    ask(s3)
    [request] = caught
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
        if name not in _BY_CHANCE
    }
    # Who signs, for which region and service, over which headers: the rest is of this second.
    headers["Authorization"] = headers["Authorization"].partition("Signature=")[0]
    body = request.body
    return request.method, request.url, headers, body.read() if hasattr(body, "read") else body


class _Empty:
    """The raw body of an answer that has none."""

    def stream(self, **_: Any) -> list[bytes]:
        return []


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:4566"])
@pytest.mark.parametrize("region", REGIONS)
def test_the_lean_client_sends_what_the_whole_one_does(region: str, endpoint: str | None) -> None:
    whole = client(lean=False, region=region, endpoint=endpoint)
    lean = client(lean=True, region=region, endpoint=endpoint)

    for name, ask in REQUESTS.items():
        assert sent(lean, ask) == sent(whole, ask), name


def test_a_region_that_is_another_buckets_is_still_found() -> None:
    """botocore asks HeadBucket where a bucket is, and sends the request again, there."""
    s3 = client(lean=True, region="eu-central-1", endpoint=None)
    asked: list[str] = []

    def elsewhere(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        asked.append(request.url)
        status = 301 if "eu-central-1" in request.url else 200
        return AWSResponse(request.url, status, {"x-amz-bucket-region": "eu-west-1"}, _Empty())

    s3.meta.events.register("before-send.s3", elsewhere)
    REQUESTS["put"](s3)

    assert asked[-1] == "https://doors.s3.eu-west-1.amazonaws.com/frames/a%20b.jpg"
