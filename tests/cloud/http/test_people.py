"""Who is enrolled, over HTTP."""

import json
from typing import Any

import pytest

from cloud.http.new_person import MAX_PHOTOS
from cloud.register import Change
from tests.cloud.fakes import BLUE, GREEN, GREY, RED, a_person, picture
from tests.cloud.http.world import JSON, Answer, Client, World, form


def enrol(client: Client, fields: dict[str, str], *photos: bytes, name: str = "photos") -> Answer:
    headers, body = form(fields, [(name, f"{i}.png", data) for i, data in enumerate(photos)])
    return client.ask("POST", "/v1/people", headers=headers, body=body)


def test_everybody_is_listed_by_id_page_by_page(client: Client, world: World) -> None:
    for number in range(5):
        person = a_person(f"p-{number}", name=f"Person {number}")
        world.register.write(Change(person_id=person.id, expected=None, person=person))

    first = client.ask("GET", "/v1/people?limit=4").json
    second = client.ask("GET", f"/v1/people?limit=4&cursor={first['cursor']}").json

    shown = [person["id"] for person in first["people"] + second["people"]]
    assert shown == ["ada-lovelace", "p-0", "p-1", "p-2", "p-3", "p-4"]
    assert second["cursor"] is None
    assert first["people"][0]["record"]["major"] == "Mathematics"


def test_one_person_is_shown_with_what_is_kept_of_each_photo(client: Client) -> None:
    answer = client.ask("GET", "/v1/people/ada-lovelace").json

    assert answer["name"] == "Ada Lovelace"
    [face] = answer["faces"]
    assert face["engine"] == "fake@1"
    assert not {"embedding", "photo_sha256"} & face.keys()


@pytest.mark.parametrize("id_", ["nobody", "NOBODY", "a%2Fb", "..", "%00", "a" * 100])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_nobody_is_not_found(client: Client, method: str, id_: str) -> None:
    sent = {"name": "X"} if method == "PATCH" else None
    answer = client.ask(method, f"/v1/people/{id_}", json=sent)

    assert answer.status == 404
    assert answer.problem in ("no-such-person", "no-such-path")


def test_somebody_is_enrolled_with_a_form_of_photos(client: Client, world: World) -> None:
    fields = {"name": "Grace  Hopper", "record": '{"room": 12}', "consent": "form 3"}
    answer = enrol(client, fields, picture(GREEN), picture(GREY))

    assert answer.status == 201
    assert answer.headers["location"] == "/v1/people/grace-hopper"
    person = answer.json["person"]
    assert (person["name"], person["record"], person["consent"]) == (
        "Grace Hopper",
        {"room": 12},
        "form 3",
    )
    assert [p["accepted"] for p in answer.json["photos"]] == [True, False]
    assert answer.json["photos"][1]["reason"] == "blurred"
    assert len(world.register.faces("grace-hopper")) == 1


def test_somebody_is_enrolled_with_json_alone_and_no_network_is_asked(
    client: Client, world: World
) -> None:
    sent = {"name": "Grace Hopper", "record": {"year": 2}}
    answer = client.ask("POST", "/v1/people", json=sent)

    assert answer.status == 201
    assert answer.json["photos"] == []
    assert world.recognizer.seen == 0


def test_somebody_is_enrolled_with_photos_that_lie_in_the_bucket(
    client: Client, world: World
) -> None:
    world.media.put("photos/grace/1.png", picture(GREEN))
    stored = client.ask(
        "POST", "/v1/frames", headers={"content-type": "image/png"}, body=picture(GREEN, width=80)
    ).headers["sightline-key"]

    sent = {"name": "Grace Hopper", "keys": ["photos/grace/1.png", stored]}
    answer = client.ask("POST", "/v1/people", json=sent)

    assert answer.status == 201, answer
    assert [p["accepted"] for p in answer.json["photos"]] == [True, True]


@pytest.mark.parametrize(
    "key",
    [
        "segments/door/x.mp4",
        "photos/../frames/x.jpg",
        "../x",
        "photos/",
        "photos",
        "/photos/x.jpg",
        "photos/a\0.jpg",
        r"photos/..\x",
        "photos/" + "ä" * 600,
        "models/x",
    ],
)
def test_no_other_object_is_taken_for_a_photo(client: Client, key: str) -> None:
    answer = client.ask("POST", "/v1/people", json={"name": "X", "keys": [key]})

    assert (answer.status, answer.problem) == (400, "bad-field")


def test_a_photo_that_is_not_there_is_named_and_nobody_is_enrolled(
    client: Client, world: World
) -> None:
    answer = client.ask("POST", "/v1/people", json={"name": "X", "keys": ["photos/none.jpg"]})

    assert (answer.status, answer.problem) == (422, "no-such-photo")
    assert "photos/none.jpg" in answer.json["detail"]
    assert set(world.register.people()) == {"ada-lovelace"}


def test_if_every_photo_is_refused_nobody_is_enrolled_and_each_reason_is_said(
    client: Client, world: World
) -> None:
    answer = enrol(client, {"name": "X"}, picture(BLUE), b"no picture", picture(RED))

    assert (answer.status, answer.problem) == (422, "photos-refused")
    reasons = [photo["reason"] for photo in answer.json["photos"]]
    assert reasons == ["several_faces", "not_an_image", "like_another"]
    assert set(world.register.people()) == {"ada-lovelace"}


def test_a_face_like_anothers_is_taken_by_force(client: Client) -> None:
    assert enrol(client, {"name": "Twin"}, picture(RED)).status == 422
    assert enrol(client, {"name": "Twin", "force": "true"}, picture(RED)).status == 201


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": None},
        {"name": 7},
        {"name": "x" * 201},
        {"name": "bi\N{RIGHT-TO-LEFT OVERRIDE}di"},
        {"name": "nul\0"},
        {"name": "X", "record": []},
        {"name": "X", "record": "{}"},
        {"name": "X", "record": {"a": "x" * 5000}},
        {"name": "X", "record": {"a": "\ud800"}},
        {"name": "X", "consent": "\n"},
        {"name": "X", "consent": "x" * 1001},
        {"name": "X", "force": "true"},
        {"name": "X", "keys": "photos/x.jpg"},
        {"name": "X", "keys": [1]},
        {"name": "X", "photos": ["photos/x.jpg"]},
        {"name": "X", "keys": ["photos/x.jpg"] * (MAX_PHOTOS + 1)},
    ],
)
def test_what_cannot_be_kept_of_somebody_is_a_bad_field(
    client: Client, world: World, sent: dict[str, Any]
) -> None:
    answer = client.ask("POST", "/v1/people", json=sent)

    assert (answer.status, answer.problem) == (400, "bad-field")
    assert set(world.register.people()) == {"ada-lovelace"}


@pytest.mark.parametrize("levels", [17, 64, 65, 600, 20_000])
@pytest.mark.parametrize("way", ["PATCH", "POST", "form"])
def test_a_record_that_is_nested_too_deeply_is_refused_however_deep_it_is(
    client: Client, world: World, way: str, levels: int
) -> None:
    record = '{"a": ' + "[" * levels + "]" * levels + "}"
    if way == "form":
        answer = enrol(client, {"name": "X", "record": record})
    else:
        path = "/v1/people/ada-lovelace" if way == "PATCH" else "/v1/people"
        body = f'{{"name": "X", "record": {record}}}'.encode()
        answer = client.ask(way, path, headers=JSON, body=body)

    assert answer.status == 400, answer
    assert answer.problem in ("bad-field", "not-json")
    assert "nested" in answer.json["detail"]
    assert set(world.register.people()) == {"ada-lovelace"}
    assert world.register.people()["ada-lovelace"].revision == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "X", "record": "{"},
        {"name": "X", "force": "1"},
        {"name": "X", "keys": '["photos/x.jpg"]'},
    ],
)
def test_a_form_that_says_what_cannot_be_is_a_bad_field(
    client: Client, fields: dict[str, str]
) -> None:
    assert enrol(client, fields).problem == "bad-field"


@pytest.mark.parametrize(
    "name", ["Robert'); DROP TABLE people;--", '=HYPERLINK("http://x")', "李小龍", '{"$ne": 1}']
)
def test_a_name_is_kept_as_it_is_whatever_it_means_to_others(client: Client, name: str) -> None:
    answer = client.ask("POST", "/v1/people", json={"name": name})

    assert answer.json["person"]["name"] == name
    shown = client.ask("GET", answer.headers["location"]).json
    assert shown["name"] == name


def test_what_is_given_is_changed_and_the_rest_stays(client: Client, world: World) -> None:
    answer = client.ask("PATCH", "/v1/people/ada-lovelace", json={"record": {"year": 1}})

    assert answer.status == 200
    person = world.register.people()["ada-lovelace"]
    assert (person.name, person.record, person.revision) == ("Ada Lovelace", {"year": 1}, 2)
    client.ask("PATCH", "/v1/people/ada-lovelace", json={"name": "Ada", "consent": "form 1"})
    person = world.register.people()["ada-lovelace"]
    assert (person.name, person.consent, person.record) == ("Ada", "form 1", {"year": 1})
    assert len(world.register.faces("ada-lovelace")) == 1


@pytest.mark.parametrize("sent", [{}, {"name": ""}, {"record": []}, {"id": "x"}, {"consent": "\0"}])
def test_a_change_of_nothing_or_to_what_cannot_be_is_refused(
    client: Client, world: World, sent: dict[str, Any]
) -> None:
    answer = client.ask("PATCH", "/v1/people/ada-lovelace", json=sent)

    assert (answer.status, answer.problem) == (400, "bad-field")
    assert world.register.people()["ada-lovelace"].revision == 1


def test_who_is_deleted_is_gone_with_every_face(client: Client, world: World) -> None:
    answer = client.ask("DELETE", "/v1/people/ada-lovelace")

    assert (answer.status, answer.body) == (204, b"")
    assert world.register.people() == {}
    assert world.register.faces() == []
    assert client.ask("DELETE", "/v1/people/ada-lovelace").status == 404


def test_who_is_enrolled_is_recognised_by_the_next_frame(client: Client) -> None:
    enrol(
        client, {"name": "Grace Hopper", "record": json.dumps({"rank": "admiral"})}, picture(GREEN)
    )

    answer = client.ask(
        "POST", "/v1/frames", headers={"content-type": "image/png"}, body=picture(GREEN)
    )

    [face] = answer.json["faces"]
    assert face["person"]["record"] == {"rank": "admiral"}
