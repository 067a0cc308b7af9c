"""What the suite makes for itself on a stack, and takes away again, whatever happened."""

import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cloud.enrolment import Photo
from cloud.people import People
from cloud.register import EnrolledPerson
from infra.account import error_code, translated
from infra.demo.rehearsal import FILES, PORTRAITS
from infra.enrolling import open_people
from infra.operating.operator_client import Broker, OperatorClient
from infra.operating.watcher import Watcher
from infra.provision import OPERATOR_CLIENTS, Provisioned, deprovision, provision
from infra.provision import provision_operator as make_operator
from infra.provisioning import certificates
from infra.target import Target
from sightline.errors import ConfigError, SightlineError
from sightline.keys import FRAMES
from sightline.topics import topic
from sightline.wire import Json

Say = Callable[[str], None]


class Props:
    """Each thing is noted for removal before it is made, so that a crash between leaves nothing."""

    def __init__(self, where: Target, say: Say) -> None:
        """Use names that nobody else has, and a folder of its own."""
        self.where = where
        self.thing = f"verify-{secrets.token_hex(4)}"
        self.folder = Path(tempfile.mkdtemp(prefix="sightline-verify-"))
        self._say = say
        self._people: People | None = None
        self._names: list[str] = []  # of those enrolled
        self._removals: list[tuple[str, Callable[[], object]]] = []
        self._looks: list[Callable[[], list[str]]] = []
        self.remove_at_end("the folder of keys", lambda: shutil.rmtree(self.folder))

    @property
    def other(self) -> str:
        """A device that is not there, and not ours."""
        return f"{self.thing}-other"

    def enrol(self, name: str, portrait: str, record: dict[str, Json]) -> EnrolledPerson:
        """Enrol a shipped portrait under *name*.

        Raises:
            ConfigError: The photo is refused, such as when that face is enrolled already.
        """
        people = self._register()
        self._names.append(name)
        self.remove_at_end(f"the person {name}", lambda: self.forget(name))
        photo = Photo(name=portrait, data=(PORTRAITS / FILES[portrait]).read_bytes())
        added = people.add(name, [photo], record=record)
        if added.person is None:
            raise ConfigError(
                f"the portrait of {portrait} is refused: {added.outcomes[0].detail}; take that "
                "person off while the suite runs, or verify a stack where nobody is enrolled"
            )
        return added.person

    def forget(self, name: str) -> None:
        """Remove the people of that name; nobody is no error."""
        people = self._register()
        for person in people.find(name):
            people.remove(person.id)

    def provision(self) -> Provisioned:
        """Make the device."""
        self.remove_at_end(f"the rows of {self.thing}", lambda: self.remove_sightings(self.thing))
        self.remove_at_end(f"the frames of {self.thing}", lambda: self.remove_frames(self.thing))
        self.remove_at_end(f"the status of {self.thing}", self._clear_status)
        self.remove_at_end(f"the thing {self.thing}", self._deprovision)
        return provision(
            self.thing, target=self.where, folder=self.folder / self.thing, say=lambda _: None
        )

    @contextmanager
    def operator(self) -> Iterator[Watcher]:
        """Connect as an operator with a certificate of its own, who sees our device's answers."""
        made = make_operator(target=self.where, folder=self.folder / "operator", say=lambda _: None)
        self.remove_at_end("the operator", lambda: self._revoke(made.certificate_id))
        endpoints = self.where.endpoints()
        broker = Broker(
            host=endpoints.mqtt_host,
            port=endpoints.mqtt_port,
            ca=made.folder / "ca.pem",
            certificate=made.folder / "certificate.pem",
            private_key=made.folder / "private.key",
            client_id=f"{OPERATOR_CLIENTS}{self.thing}",
        )
        with (
            OperatorClient(broker) as client,
            Watcher(client).watching(
                topic(self.thing, "results"), topic(self.thing, "errors")
            ) as w,
        ):
            yield w

    def store(self, key: str, data: bytes, *, storage_class: str = "STANDARD") -> None:
        """Put a frame by the operator's own right."""
        with translated(f"storing {key}"):
            self.where.client("s3").put_object(
                Bucket=self.where.output("MediaBucket"),
                Key=key,
                Body=data,
                StorageClass=storage_class,
            )

    def fetch(self, key: str) -> bytes:
        """Get a frame."""
        with translated(f"reading {key}"):
            data: bytes = (
                self.where.client("s3")
                .get_object(Bucket=self.where.output("MediaBucket"), Key=key)["Body"]
                .read()
            )
        return data

    def revoke_device(self) -> None:
        """Take the device's certificate back; the thing stays for now."""
        iot = self.where.client("iot")
        with translated(f"revoking the certificate of {self.thing}"):
            for arn in iot.list_thing_principals(thingName=self.thing)["principals"]:
                iot.update_certificate(certificateId=arn.rpartition("/")[2], newStatus="REVOKED")

    def remove_at_end(
        self,
        what: str,
        removal: Callable[[], object],
        *,
        look: Callable[[], list[str]] = list,
    ) -> None:
        """Note what is to be taken away, before it is made, and how to *look* for what is left."""
        self._removals.append((what, removal))
        self._looks.append(look)

    def remove(self) -> list[str]:
        """Take all of it away, the newest first; what could not be is told."""
        left = []
        while self._removals:
            what, removal = self._removals.pop()
            try:
                with translated(f"removing {what}"):
                    removal()
            except (SightlineError, OSError) as err:
                left.append(f"{what}: {err}")
        return left

    def remains(self) -> list[str]:
        """Look for what should be gone, by listing it."""
        found = []
        iot = self.where.client("iot")
        with translated("looking for what is left"):
            try:
                iot.describe_thing(thingName=self.thing)
                found.append(f"thing {self.thing}")
            except ClientError as err:
                if error_code(err) != "ResourceNotFoundException":
                    raise
            found += self.traces_of(self.thing)
            for name in self._names:
                found += [f"person {each.id}" for each in self._register().find(name)]
            for look in self._looks:
                found += look()
        return found

    def traces_of(self, device: str) -> list[str]:
        """List frames and sightings of *device*."""
        listed = self.where.client("s3").list_objects_v2(
            Bucket=self.where.output("MediaBucket"), Prefix=f"{FRAMES}/{device}/"
        )
        frames = [each["Key"] for each in listed.get("Contents", [])]
        rows = sightings_of(self.where, device)
        return [*frames, *(f"sighting {row['seen']['S']}" for row in rows)]

    def remove_frames(self, device: str) -> None:
        """Delete the frames of *device*."""
        s3, bucket = self.where.client("s3"), self.where.output("MediaBucket")
        pages = s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=f"{FRAMES}/{device}/"):
            keys = [{"Key": each["Key"]} for each in page.get("Contents", [])]
            if keys:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    def remove_sightings(self, device: str) -> None:
        """Delete what was seen by *device*."""
        dynamo, table = self.where.client("dynamodb"), self.where.output("SightingsTable")
        for row in sightings_of(self.where, device):
            key = {"device": row["device"], "seen": row["seen"]}
            dynamo.delete_item(TableName=table, Key=key)

    def _register(self) -> People:
        if self._people is None:
            self._people = open_people(self.where, examine=True)
        return self._people

    def _deprovision(self) -> None:
        try:
            deprovision(self.thing, target=self.where, say=lambda _: None)
        except ConfigError as err:
            if "there is no thing" not in str(err):
                raise

    def _revoke(self, certificate_id: str) -> None:
        iot = self.where.client("iot")
        found = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
        certificates.revoke(iot, found["certificateArn"])

    def _clear_status(self) -> None:
        # An empty retained message takes the place of the one that is kept, and keeps nothing.
        self.where.client("iot-data").publish(
            topic=topic(self.thing, "status"), qos=1, retain=True, payload=b""
        )


def sightings_of(where: Target, device: str) -> list[dict[str, Any]]:
    """Give all rows of what *device* saw."""
    pages = where.client("dynamodb").get_paginator("query")
    return [
        row
        for page in pages.paginate(
            TableName=where.output("SightingsTable"),
            KeyConditionExpression="device = :device",
            ExpressionAttributeValues={":device": {"S": device}},
        )
        for row in page["Items"]
    ]


def dead_letters(where: Target, *, of: str) -> int:
    """Delete the dead letters that name the thing *of*, and count them; others are put back."""
    sqs, url = where.client("sqs"), where.output("DeadLetterQueueUrl")
    found = 0
    with translated("reading the dead letters"):
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2, VisibilityTimeout=10
        )
        for message in answer.get("Messages", []):
            handle = message["ReceiptHandle"]
            if json.dumps(topic(of, "frames"))[1:-1] in message["Body"]:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
                found += 1
            else:
                sqs.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0
                )
    return found
