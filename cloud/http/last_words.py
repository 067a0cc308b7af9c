"""What devices said last, out of the messages that AWS IoT Core retains."""

from botocore.exceptions import ClientError

from cloud.aws import Client, calling, code
from sightline.errors import MessageError
from sightline.messages import DeviceStatus, decode
from sightline.topics import parse, topic


class LastWords:
    """See `cloud.http.devices.Statuses`."""

    def __init__(self, client: Client) -> None:
        """Take an `iot-data` client."""
        self._client = client

    def devices(self) -> list[str]:
        """See `Statuses.devices`."""
        found = set()
        with calling("list the retained messages"):
            for page in self._client.get_paginator("list_retained_messages").paginate():
                for each in page.get("retainedTopics", []):
                    try:
                        device, channel = parse(each["topic"])
                    except MessageError:
                        continue  # somebody else's in this account
                    if channel == "status":
                        found.add(device)
        return sorted(found)

    def of(self, device: str) -> DeviceStatus | None:
        """See `Statuses.of`."""
        with calling(f"read the status of {device}"):
            try:
                kept = self._client.get_retained_message(topic=topic(device, "status"))
            except ClientError as err:
                if code(err) == "ResourceNotFoundException":
                    return None  # it was taken back just now
                raise
        try:
            return decode(DeviceStatus, kept["payload"])
        except MessageError:
            return None  # a device's of another version
