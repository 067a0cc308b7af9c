"""A picture in, who is in it out."""

import json
from base64 import b64encode

import pytest

from cloud.http.bodies import MAX_BINARY_BYTES
from cloud.http.file_names import as_metadata, check_file_name, tidy_file_name
from cloud.http.media import FILE_NAME
from cloud.http.problems import Problem
from sightline.messages import FrameRecognized, decode, encode
from tests.cloud.fakes import GREEN, RED, picture
from tests.cloud.http.world import JSON, Answer, Client, World, form

ADA = picture(RED)
PNG = {"content-type": "image/png"}
BIDI = "\N{RIGHT-TO-LEFT OVERRIDE}"


def who(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [face["person"]["name"] for face in answer.json["faces"] if face["person"]]


def test_a_picture_is_answered_with_the_very_json_that_is_sent_on_mqtt(client: Client) -> None:
    answer = client.ask("POST", "/v1/frames", headers=PNG, body=ADA)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    result = decode(FrameRecognized, answer.body)
    assert encode(result) == answer.body
    assert result.device == "http-iam"
    [face] = result.faces
    assert face.person is not None
    assert face.person.record == {
        "major": "Mathematics",
        "year": 1833,
        "gpa": 3.9,
        "tags": [None, True],
    }


def test_it_is_stored_first_below_the_callers_own_device(world: World) -> None:
    key = world.key("recognise")
    client = Client(world.application(), key)

    answer = client.ask("POST", "/v1/frames", headers=PNG, body=ADA)

    [(stored_as, kept)] = world.media.kept.items()
    device = f"http-{key.split('_')[1]}"
    assert answer.json["device"] == device
    assert stored_as.startswith(f"frames/{device}/2026/11/21/")
    assert stored_as.endswith(f"/{answer.json['frame_id']}.jpg")
    assert answer.headers["sightline-key"] == stored_as
    assert (kept.data, kept.content_type) == (ADA, "image/png")


def test_what_was_answered_is_kept_as_a_sighting(client: Client, world: World) -> None:
    answer = client.ask("POST", "/v1/frames", headers=PNG, body=ADA)

    assert world.sightings.find("http-iam", answer.json["frame_id"]) is not None


def test_a_form_with_file_and_file_name_is_taken(client: Client, world: World) -> None:
    headers, body = form({"fileName": "Klasse 7b äöü.png"}, [("file", "x.png", ADA)])

    assert who(client.ask("POST", "/v1/frames", headers=headers, body=body)) == ["Ada Lovelace"]
    [kept] = world.media.kept.values()
    assert (kept.name, kept.data) == ("Klasse 7b äöü.png", ADA)


def test_a_form_without_file_name_keeps_what_the_browser_says_without_folders(
    client: Client, world: World
) -> None:
    headers, body = form({}, [("file", r"C:\\fakepath\\me.png", ADA)])

    assert who(client.ask("POST", "/v1/frames", headers=headers, body=body)) == ["Ada Lovelace"]
    [kept] = world.media.kept.values()
    assert kept.name == "me.png"


@pytest.mark.parametrize("before", ["", "data:image/png;base64,"])
def test_json_with_base64_is_taken(client: Client, before: str) -> None:
    folded = "\n".join(b64encode(ADA).decode()[i : i + 76] for i in range(0, 400, 76))
    text = b64encode(ADA).decode() if before else folded
    sent = {"imgStr": before + text, "imgName": "ada.png"}

    assert who(client.ask("POST", "/v1/frames", json=sent)) == ["Ada Lovelace"]


def test_a_stranger_is_answered_without_a_name(client: Client) -> None:
    assert who(client.ask("POST", "/v1/frames", headers=PNG, body=picture(GREEN))) == []


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"imgStr": "not base64!"}, "not-base64"),
        ({"imgStr": "äöü"}, "not-base64"),
        ({"imgStr": "abc"}, "not-base64"),
        ({"imgStr": ""}, "no-image"),
        ({"imgStr": "data:image/png;base64,"}, "no-image"),
        ({"imgStr": None}, "bad-field"),
        ({"imgName": "x.jpg"}, "no-image"),
        ({"imgStr": 12}, "bad-field"),
        ({"imgStr": "AAAA", "imgName": "../../etc/passwd"}, "bad-file-name"),
        ([], "not-json"),
    ],
)
def test_json_that_holds_no_picture_is_told_why(
    client: Client, world: World, sent: object, problem: str
) -> None:
    answer = client.ask("POST", "/v1/frames", json=sent)

    assert (answer.status, answer.problem) == (400, problem)
    assert world.media.kept == {}


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[" * 100_000, b'{"imgStr": NaN}', b'{"imgStr": "\\ud800"}', b""]
)
def test_what_is_no_json_is_a_bad_request(client: Client, body: bytes) -> None:
    answer = client.ask("POST", "/v1/frames", headers=JSON, body=body)

    assert answer.status == 400
    assert answer.problem in ("not-json", "bad-field")


def test_an_empty_body_and_an_empty_file_hold_no_image(client: Client) -> None:
    headers, body = form({}, [("file", "x.png", b"")])

    for given in ({"headers": PNG}, {"headers": headers, "body": body}):
        answer = client.ask("POST", "/v1/frames", **given)
        assert (answer.status, answer.problem) == (400, "no-image")


def test_of_two_files_in_a_form_none_is_left_out_in_silence(client: Client, world: World) -> None:
    headers, body = form({}, [("file", "a.png", ADA), ("file", "b.png", picture(GREEN))])

    answer = client.ask("POST", "/v1/frames", headers=headers, body=body)

    assert (answer.status, answer.problem) == (400, "bad-field")
    assert "2 files" in answer.json["detail"]
    assert world.media.kept == {}


def test_a_form_without_file_or_that_is_none_is_told_so(client: Client) -> None:
    headers, body = form({"fileName": "x"}, [])
    assert client.ask("POST", "/v1/frames", headers=headers, body=body).problem == "no-image"
    broken = client.ask("POST", "/v1/frames", headers=headers, body=b"--other\r\n")
    assert (broken.status, broken.problem) == (400, "not-a-form")
    no_boundary = {"content-type": "multipart/form-data"}
    broken = client.ask("POST", "/v1/frames", headers=no_boundary, body=body)
    assert (broken.status, broken.problem) == (400, "not-a-form")


@pytest.mark.parametrize("kind", ["", "text/plain", "image/gif", "image/jpegx", "application/xml"])
def test_another_content_type_is_told_which_are_taken(client: Client, kind: str) -> None:
    answer = client.ask("POST", "/v1/frames", headers={"content-type": kind}, body=ADA)

    assert (answer.status, answer.problem) == (415, "unsupported-media-type")
    assert "image/jpeg" in answer.json["detail"]


@pytest.mark.parametrize("kind", ["image/jpeg", "application/json", "multipart/form-data"])
def test_a_body_of_7_mb_is_told_how_large_one_may_be(client: Client, kind: str) -> None:
    answer = client.ask("POST", "/v1/frames", headers={"content-type": kind}, body=b"x" * 7_000_000)

    assert (answer.status, answer.problem) == (413, "too-large")
    assert "at most" in answer.json["detail"]


def test_a_body_that_lies_about_its_length_is_counted(client: Client) -> None:
    headers = {**PNG, "content-length": "5"}
    answer = client.ask("POST", "/v1/frames", headers=headers, body=b"x" * (MAX_BINARY_BYTES + 1))

    assert answer.status == 413


def test_bytes_that_are_no_image_are_rejected_with_the_word_that_mqtt_has(client: Client) -> None:
    answer = client.ask("POST", "/v1/frames", headers=PNG, body=b"hello, I am no picture")

    assert (answer.status, answer.problem) == (422, "frame-rejected")
    assert answer.json["reason"] == "not_an_image"


@pytest.mark.parametrize(
    "name",
    [
        "../x.jpg",
        "/etc/passwd",
        "a/b.jpg",
        r"..\x.jpg",
        r"C:\x.jpg",
        "x\0.jpg",
        "x\n.jpg",
        f"x{BIDI}gpj.exe",
        "..",
        ".",
        "",
        "x" * 201,
        "\U0001f600" * 166,
        "is it?.jpg",
        "half \ud800",
        "\uffff",
    ],
)
def test_a_file_name_with_tricks_is_refused(client: Client, name: str) -> None:
    with pytest.raises(Problem, match="no file's name") as caught:
        check_file_name(name)
    assert caught.value.status == 400
    if name.isprintable() and name.isascii():
        headers, body = form({"fileName": name}, [("file", "x.png", ADA)])
        assert client.ask("POST", "/v1/frames", headers=headers, body=body).status == 400
    assert check_file_name(tidy_file_name(name))


@pytest.mark.parametrize(
    "name",
    [
        "a.b.mp4",
        "ä b.mov",
        "李小龍.jpg",
        "=HYPERLINK(1).mp4",
        "...",
        "%41.mp4",
        "👩‍🚀.png",
        "李" * 200,
        "\U0001f600" * 165,
    ],
)
def test_any_other_name_is_kept_exactly(name: str) -> None:
    assert check_file_name(name) == name
    assert as_metadata(name).isascii()


@pytest.mark.parametrize("letter", ["a", '"', "ä", "李", "\U0001f600"])
def test_the_longest_name_fits_into_the_metadata_of_s3(client: Client, letter: str) -> None:
    taken = []
    for length in range(150, 203):
        sent = {"imgStr": b64encode(ADA).decode(), "imgName": letter * length}
        answer = client.ask("POST", "/v1/frames", json=sent)
        if answer.status == 200:
            taken.append(letter * length)
        else:
            assert (answer.status, answer.problem) == (400, "bad-file-name")
            assert "at most" in answer.json["detail"]

    assert len("x-amz-meta-" + FILE_NAME + as_metadata(taken[-1])) <= 2048


def test_what_a_browser_calls_a_file_is_cut_to_what_s3_can_keep() -> None:
    assert tidy_file_name("\U0001f600" * 200) == "\U0001f600" * 165
    assert tidy_file_name("ab" + "\U0001f600" * 200) == "ab" + "\U0001f600" * 164


def test_no_picture_and_no_key_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    key = world.key()
    client = Client(world.application(), key)
    with caplog.at_level("DEBUG"):
        text = b64encode(ADA).decode()
        client.ask("POST", "/v1/frames", json={"imgStr": text, "imgName": "x"})
        client.ask("POST", "/v1/frames", json={"imgStr": text[:-3] + "!"})

    _, key_id, secret = key.split("_", 2)
    assert secret not in caplog.text
    assert text[:40] not in caplog.text
    lines = [r.getMessage() for r in caplog.records if r.name == "cloud.http.application"]
    assert [line.rpartition(", ")[0].split(",")[0] for line in lines] == [
        "POST /v1/frames 200",
        "POST /v1/frames 400",
    ]
    assert all(line.endswith(f"key {key_id}") for line in lines)


def test_json_of_problems_is_ascii_whatever_was_sent(client: Client) -> None:
    answer = client.ask("POST", "/v1/frames", headers={"content-type": "tëxt/x"}, body=b"x")

    assert answer.body.isascii()
    assert json.loads(answer.body)["status"] == 415
