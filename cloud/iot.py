"""Answers to devices, through AWS IoT Core's HTTPS data endpoint."""

from cloud.answer import answer_topic
from cloud.aws import Client, calling
from sightline.messages import FrameRecognized, FrameRejected, encode


class IotResults:
    """See `cloud.recognition.Results`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def publish(self, message: FrameRecognized | FrameRejected) -> None:
        """See `Results.publish`; a missing right is a ConfigError."""
        topic = answer_topic(message)
        with calling(f"publish on {topic}"):
            self._client.publish(topic=topic, qos=1, payload=encode(message))
