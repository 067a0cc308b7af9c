"""S3's objects and uploads in parts, over HTTP in this process: as much of it as a device uses."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from device.network.s3_bucket import S3Bucket
from device.settings import StorageSettings


class FakeS3:
    """What lies in the bucket, and what was asked for; it answers with errors as told."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.asked: list[str] = []
        self.shown: list[str] = []  # the access key of each request
        self.fail: dict[str, str] = {}  # by what is asked: the code, once
        self.port = 0

    def bucket(self) -> S3Bucket:
        return S3Bucket(self.settings(), _credentials)

    def settings(self) -> StorageSettings:
        return StorageSettings(
            region="us-east-1",
            bucket="media",
            credentials_endpoint="127.0.0.1:1",
            role_alias="alias",
            s3_endpoint=f"http://127.0.0.1:{self.port}",
        )

    def answer(self, method: str, path: str, body: bytes, once: bool) -> tuple[int, str, str]:
        """Give the status, the body and the ETag."""
        key, query = urlsplit(path).path.removeprefix("/media/"), parse_qs(urlsplit(path).query)
        part = query.get("partNumber", [""])[0]
        upload_id = query.get("uploadId", [""])[0]
        begins = method == "POST" and not upload_id
        what = f"part {part}" if part else "begin" if begins else "end" if upload_id else "put"
        self.asked.append(what)
        if what in self.fail:
            code = self.fail.pop(what)
            return 503 if code == "SlowDown" else 404, f"<Error><Code>{code}</Code></Error>", ""
        if once and key in self.objects:
            return 412, "<Error><Code>PreconditionFailed</Code></Error>", ""
        if begins:
            upload_id = f"upload-{len(self.asked)}"
            self.uploads[upload_id] = {}
            return 200, f"<Result><UploadId>{upload_id}</UploadId></Result>", ""
        if upload_id and upload_id not in self.uploads:
            return 404, "<Error><Code>NoSuchUpload</Code></Error>", ""
        if part:
            self.uploads[upload_id][int(part)] = body
            return 200, "", f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if upload_id:
            given = self.uploads.pop(upload_id)
            named = [int(each) for each in re.findall(rb"<PartNumber>(\d+)<", body)]
            body = b"".join(given[number] for number in named)
        self.objects[key] = body
        return 200, "<Result/>", '"tag"'


@contextmanager
def fake_s3() -> Iterator[FakeS3]:
    fake = FakeS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.shown += re.findall(r"Credential=(\w+)/", self.headers["Authorization"])
            once = self.headers.get("If-None-Match") == "*"
            status, text, tag = fake.answer(self.command, self.path, body, once)
            self.send_response(status)
            if tag:
                self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_POST = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _credentials() -> dict[str, str]:
    return {
        "access_key": "key",
        "secret_key": "secret",
        "token": "token",
        "expiry_time": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
