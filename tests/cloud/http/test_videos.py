"""Where to upload a video, and how far it is."""

import posixpath
import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from cloud.http import file_names
from cloud.videos.naming import name_of
from tests.cloud.fakes import NOON
from tests.cloud.http.world import Client, World, a_video

FOLDED = ("..mp4", "...mp4")  # whose jobs would end in /. and /..


def test_an_upload_gets_a_place_of_its_own_and_a_job_to_ask_after(client: Client) -> None:
    answers = [client.ask("POST", "/v1/videos", json={"fileName": "a b.ä.mp4"}) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 201]
    first, second = (answer.json for answer in answers)
    assert first["key"] != second["key"]
    assert first["key"].startswith("uploads/")
    assert first["key"].endswith("/a b.ä.mp4")
    assert first["name"] == name_of(first["key"])
    assert first["job"] == answers[0].headers["location"] == "/v1/videos/" + quote(first["name"])
    upload = first["upload"]
    assert (upload["method"], upload["headers"]) == ("PUT", {})
    assert quote(first["key"]) in upload["url"]
    assert upload["expires_at"] == "2026-11-21T13:00:00.512Z"


def test_the_sampling_is_sent_with_the_upload_as_its_metadata(client: Client) -> None:
    answer = client.ask("POST", "/v1/videos", json={"fileName": "a.mp4", "sampling": "0.25"})

    assert answer.json["upload"]["headers"] == {"x-amz-meta-sightline-sampling": "every:0.25"}


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({}, "bad-field"),
        ({"fileName": 1}, "bad-field"),
        ({"fileName": "../../a.mp4"}, "bad-file-name"),
        ({"fileName": "/a.mp4"}, "bad-file-name"),
        ({"fileName": "a\0.mp4"}, "bad-file-name"),
        ({"fileName": "..mp4"}, "bad-file-name"),
        ({"fileName": "...mp4"}, "bad-file-name"),
        ({"fileName": "a.mp4", "sampling": "sometimes"}, "bad-field"),
        ({"fileName": "a.mp4", "sampling": "first\r\nx-amz-acl: public-read"}, "bad-field"),
    ],
)
def test_what_cannot_be_uploaded_is_told_why(
    client: Client, sent: dict[str, object], problem: str
) -> None:
    answer = client.ask("POST", "/v1/videos", json=sent)

    assert (answer.status, answer.problem) == (400, problem)


@pytest.mark.parametrize("file_name", ["....mp4", "..a.mp4", ".mp4", "...", ". .mp4", "x..mp4"])
def test_other_dots_are_kept_and_clients_fold_no_job_away(client: Client, file_name: str) -> None:
    answer = client.ask("POST", "/v1/videos", json={"fileName": file_name})

    assert answer.status == 201
    job = answer.json["job"]
    assert posixpath.normpath(job) == job


@pytest.mark.parametrize("file_name", [*FOLDED, "....mp4", "..a.mp4", ".mp4", "...", "a.mp4"])
def test_the_published_pattern_refuses_the_same_names(client: Client, file_name: str) -> None:
    answer = client.ask("POST", "/v1/videos", json={"fileName": file_name})

    allowed = re.search(file_names.PUBLISHED_VIDEO_PATTERN, file_name) is not None
    assert (answer.status == 201) == allowed == (file_name not in FOLDED)


def test_the_job_is_the_same_path_whoever_says_it(client: Client, world: World) -> None:
    made = client.ask("POST", "/v1/videos", json={"fileName": "a b.ä.mp4"}).json
    world.ledger.write(a_video(made["key"]), expected=None)

    found = client.ask("GET", made["job"])

    assert found.status == 200
    assert found.json["job"] == made["job"]


def test_how_far_a_video_is_is_asked_by_its_name_with_slashes_or_without(client: Client) -> None:
    for target in ("/v1/videos/uploads/x/a%20b", "/v1/videos/uploads%2Fx%2Fa%20b"):
        answer = client.ask("GET", target)
        assert answer.status == 200
        assert (answer.json["state"], answer.json["outputs"]) == ("waiting", None)
        assert answer.json["device"].startswith("video-")


def test_a_finished_video_has_urls_of_its_outputs(client: Client) -> None:
    answer = client.ask("GET", "/v1/videos/done")

    assert answer.json["state"] == "done"
    outputs = answer.json["outputs"]
    assert list(outputs) == ["txt", "csv", "json"]
    assert outputs["csv"].startswith("memory://outputs/done.csv?")


def test_a_refused_video_has_its_reason_and_the_json_alone(client: Client, world: World) -> None:
    later = NOON + timedelta(seconds=1)
    refused = a_video("text.mp4").refused("not_a_video", "it is text", now=later)
    world.ledger.write(refused, expected=None)

    answer = client.ask("GET", "/v1/videos/text").json

    assert (answer["state"], answer["reason"], answer["detail"]) == (
        "refused",
        "not_a_video",
        "it is text",
    )
    assert list(answer["outputs"]) == ["json"]


@pytest.mark.parametrize("name", ["100%41", "a+b", "a&b=c", "a#b", "ä ö", "a.b.c", "=HYPERLINK(1)"])
def test_a_name_is_found_exactly(client: Client, world: World, name: str) -> None:
    world.ledger.write(a_video(f"{name}.mp4"), expected=None)

    answer = client.ask("GET", "/v1/videos/" + quote(name))

    assert (answer.status, answer.json["name"]) == (200, name)


@pytest.mark.parametrize("name", ["none", "uploads", "x" * 2000, "%00", "%ff"])
def test_what_was_not_uploaded_is_not_found(client: Client, name: str) -> None:
    answer = client.ask("GET", f"/v1/videos/{name}")

    assert (answer.status, answer.problem) == (404, "no-such-video")
