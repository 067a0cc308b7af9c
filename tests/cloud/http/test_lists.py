"""Sightings and devices, and what stands behind the `?`."""

from dataclasses import replace

import pytest

from cloud.http.sightings import MOST
from cloud.sightings import Listing, Page
from sightline.messages import FrameRecognized, decode
from tests.cloud.fakes import GREEN, RED, picture
from tests.cloud.http.world import Client, World

PNG = {"content-type": "image/png"}


@pytest.fixture
def seen(client: Client, world: World) -> list[str]:
    """Three frames of Ada, a minute apart; their ids."""
    ids = []
    for width in (60, 61, 62):
        answer = client.ask("POST", "/v1/frames", headers=PNG, body=picture(RED, width=width))
        ids.append(answer.json["frame_id"])
        world.clock.sleep(60)
    return ids


def ids_in(client: Client, query: str) -> list[str]:
    answer = client.ask("GET", f"/v1/sightings?{query}")
    assert answer.status == 200, answer
    return [sighting["frame_id"] for sighting in answer.json["sightings"]]


@pytest.mark.parametrize(
    "whose",
    ["device=http-iam", "person=ada-lovelace", "device=http-iam&person=ada-lovelace"],
)
def test_sightings_are_listed_newest_first_page_by_page(
    client: Client, seen: list[str], whose: str
) -> None:
    assert ids_in(client, whose) == seen[::-1]
    first = client.ask("GET", f"/v1/sightings?{whose}&limit=2").json
    assert [s["frame_id"] for s in first["sightings"]] == [seen[2], seen[1]]
    assert ids_in(client, f"{whose}&limit=2&cursor={first['cursor']}") == [seen[0]]


def test_of_a_person_at_a_device_only_what_it_saw_of_them_is_listed(
    client: Client, world: World, seen: list[str]
) -> None:
    answer = client.ask("POST", "/v1/frames", headers=PNG, body=picture(GREEN))
    assert answer.status == 200
    key = world.key()
    by_another = Client(world.application(), key)
    answer = by_another.ask("POST", "/v1/frames", headers=PNG, body=picture(RED))
    other = answer.json["device"]

    assert other != "http-iam"
    assert ids_in(client, "person=ada-lovelace&device=http-iam") == seen[::-1]
    assert ids_in(client, f"person=ada-lovelace&device={other}") == [answer.json["frame_id"]]
    assert ids_in(client, "person=ada-lovelace&device=door") == []


def test_a_question_for_nobody_and_no_device_is_told_to_name_one(client: Client) -> None:
    answer = client.ask("GET", "/v1/sightings?limit=3")

    assert (answer.status, answer.problem) == (400, "bad-query")
    assert answer.json["detail"] == "give a device, a person, or both"


def test_a_sighting_is_the_json_that_was_answered(client: Client, seen: list[str]) -> None:
    answer = client.ask("GET", "/v1/sightings?device=http-iam&limit=1")

    result = decode(FrameRecognized, answer.body[len(b'{"sightings":[') :].rpartition(b"],")[0])
    assert result.frame_id == seen[2]


def test_since_and_until_take_any_offset_and_a_plus_that_became_a_space(
    client: Client, seen: list[str]
) -> None:
    assert ids_in(client, "device=http-iam&since=2026-11-21T12:01:00Z") == seen[:0:-1]
    assert ids_in(client, "device=http-iam&until=2026-11-21T12:01:00Z") == seen[:1]
    assert ids_in(client, "device=http-iam&until=2026-11-21T13:01:00+01:00") == seen[:1]
    assert ids_in(client, "device=http-iam&until=2026-11-21T13:01:00%2B01:00") == seen[:1]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "person=ada-lovelace&device=",
        "person=&device=door",
        "device=",
        "person=",
        "person=Nobody%20At%20All",
        "device=a/b",
        "device=a&device=b",
        "device=door&limit=0",
        f"device=door&limit={MOST + 1}",
        "device=door&limit=many",
        "device=door&limit=1e1",
        "device=door&since=yesterday",
        "device=door&since=2026-11-21T12:00:00",
        "device=door&cursor=%22",
        "device=door&cursor=abc",
        "device=%ff",
    ],
)
def test_a_question_that_cannot_be_meant_is_told_what_is_wrong(client: Client, query: str) -> None:
    answer = client.ask("GET", f"/v1/sightings?{query}")

    assert (answer.status, answer.problem) == (400, "bad-query")


def test_a_cursor_of_another_list_is_refused(client: Client, seen: list[str]) -> None:
    cursor = client.ask("GET", "/v1/sightings?device=http-iam&limit=1").json["cursor"]

    answer = client.ask("GET", f"/v1/sightings?person=ada-lovelace&cursor={cursor}")

    assert (answer.status, answer.problem) == (400, "bad-query")


def test_a_page_that_lambda_could_not_answer_with_is_made_shorter(
    client: Client, world: World, seen: list[str]
) -> None:
    result = world.sightings.find("http-iam", seen[0])
    assert result is not None
    [face] = result.faces
    assert face.person is not None
    person = replace(face.person, record={"all": "x" * 4000})
    crowd = replace(result, device="square", faces=(replace(face, person=person),) * 25)
    asked: list[int] = []

    class Crowded:
        def page(self, _: Listing, *, limit: int = 100, cursor: str | None = None) -> Page:
            asked.append(limit)
            return Page(results=(crowd,) * limit, cursor="more")

    app = world.application(sightings=Crowded)
    answer = Client(app).ask("GET", "/v1/sightings?device=square")

    assert answer.status == 200
    assert len(answer.body) < 6_000_000
    assert asked[0] == MOST
    assert len(answer.json["sightings"]) == asked[-1] < MOST


def test_devices_are_listed_with_their_last_words(client: Client) -> None:
    answer = client.ask("GET", "/v1/devices").json

    assert [(d["device"], d["state"]) for d in answer["devices"]] == [
        ("door", "online"),
        ("gate", "offline"),
    ]
    assert answer["devices"][0]["counters"]["captured"] == 3
    assert answer["cursor"] is None


def test_devices_are_listed_page_by_page(client: Client) -> None:
    first = client.ask("GET", "/v1/devices?limit=1").json
    second = client.ask("GET", f"/v1/devices?limit=1&cursor={first['cursor']}").json

    assert [d["device"] for d in first["devices"] + second["devices"]] == ["door", "gate"]
    assert second["cursor"] is None
