"""Forms as no browser sends them: refused as a whole, before anything is done."""

import pytest

from tests.cloud.fakes import GREEN, picture
from tests.cloud.http.world import Answer, Client, World, form


def send(client: Client, body: bytes, *, charset: str = "") -> Answer:
    kind = form({}, [])[0]["content-type"] + (f"; charset={charset}" if charset else "")
    return client.ask("POST", "/v1/people", headers={"content-type": kind}, body=body)


def grace(file_name: str = "1.png") -> bytes:
    return form({"name": "Grace Hopper"}, [("photos", file_name, picture(GREEN))])[1]


def test_a_form_that_is_cut_off_enrols_nobody_wherever_it_ends(
    client: Client, world: World
) -> None:
    whole = grace()
    last = len("--a-boundary--\r\n")
    in_photo, before_photo = len(whole) - last - 20, whole.index(b'name="photos"')

    for end in (0, before_photo - 60, before_photo, in_photo, len(whole) - last, len(whole) - 3):
        answer = send(client, whole[:end])
        assert (answer.status, answer.problem) == (400, "not-a-form"), end
    assert set(world.register.people()) == {"ada-lovelace"}
    assert send(client, whole[:-2]).status == 201  # RFC 2046: the line's end is not part of it


@pytest.mark.parametrize("charset", ["undefined", "punycode", "\0"])
def test_a_form_in_a_charset_that_nobody_can_read_is_no_form(
    client: Client, world: World, charset: str
) -> None:
    answer = send(client, grace("gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n.png"), charset=charset)

    assert (answer.status, answer.problem) == (400, "not-a-form")
    assert set(world.register.people()) == {"ada-lovelace"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("a+2AA-.png", "a.png"), ("+2D0-", "unnamed"), ("1.png", "1.png"), ("", "photo 1")],
)
def test_halves_of_characters_in_a_photos_name_are_dropped(
    client: Client, sent: str, kept: str
) -> None:
    answer = send(client, grace(sent), charset="utf-7")

    assert answer.status == 201
    assert [photo["photo"] for photo in answer.json["photos"]] == [kept]
