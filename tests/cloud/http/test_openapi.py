"""The document holds of the API, and the API of the document.

schemathesis reads the document, makes requests that it allows and requests that it does not, and
checks each response against it.
"""

import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks

from cloud.http.schemas import SAMPLING
from cloud.videos.sampling import Sampling
from sightline.errors import ConfigError
from tests.cloud.fakes import GREEN, RED, picture
from tests.cloud.http.world import Client, World

PROJECT = Path(__file__).parents[3]

STRANGERS = st.sampled_from([picture(GREEN), picture(GREEN, width=33)])
PICTURES = STRANGERS | st.just(picture(RED))

# What only a person could read out of a description: the document names it by a format.
schemathesis.openapi.media_type("image/png", PICTURES)
schemathesis.openapi.media_type("image/jpeg", PICTURES)
schemathesis.openapi.format("binary", STRANGERS)
schemathesis.openapi.format("byte", PICTURES.map(lambda data: b64encode(data).decode()))
schemathesis.openapi.format(
    "printable-text",
    st.text(
        st.characters(categories=["L", "N", "P", "S"], codec="utf-8"), min_size=1, max_size=200
    ),
)
schemathesis.openapi.format("json-object", st.just('{"year": 2}'))
schemathesis.openapi.format("photo-key", st.just("photos/grace.png"))
schemathesis.openapi.format("cursor", st.just(""))
# The bounds of its numbers are no part of the pattern.
SAMPLINGS = (
    st.sampled_from(["first", "all", "scenes", "Every:2", " .5 "])
    | st.builds("{}{}".format, st.sampled_from(["", "every:"]), st.integers(1, 86_400))
    | st.decimals("0.01", 1, places=6).map("scenes:{}".format)
)
schemathesis.openapi.format("sampling", SAMPLINGS)


def a_world() -> World:
    world = World()
    world.media.put("photos/grace.png", picture(GREEN))
    return world


WORLD = a_world()
KEY = WORLD.key()
# Each request finds Ada alone: who was enrolled by the last one would be taken for the next.
APP = WORLD.application(
    per_minute=1_000_000,
    people=lambda: a_world().services().people(),
    register=lambda: World().register,  # as the services' people see it
)
schema = schemathesis.openapi.from_asgi("/v1/openapi.json", APP)
load_all_checks()


@schema.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_does_what_the_document_says(case: schemathesis.Case[Any]) -> None:
    if case.operation.path == "/v1/sightings":
        ask_for_one(case)
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"})


def ask_for_one(case: schemathesis.Case[Any]) -> None:
    """Ask for a device's or a person's sightings: that it is one, OpenAPI cannot say."""
    if not {"device", "person"} & case.query.keys():
        case.query["device"] = "door"


def allows_sampling(text: str) -> bool:
    """Tell whether the document has *text* for a sampling."""
    return re.search(SAMPLING["pattern"], text) is not None


def is_a_sampling(text: str) -> bool:
    """Tell whether *text* is read as one, be its number out of bounds or not."""
    try:
        Sampling.parse(text)
    except ConfigError as err:
        return "there is no sampling" not in str(err)
    return True


def samplings_that_are_shown() -> set[str]:
    """Give all samplings that the pages have, and that the tests of the whole send."""
    pages = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]
    pages += (PROJECT / "tests" / "end_to_end").glob("*.py")
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    said = re.findall(r"""sampling["']?(?:: ?|=)["']?([a-z0-9.:]+)""", text)
    typed = re.findall(r"""--sampling[" ,=]+([a-z0-9.:]+)""", text)
    in_table = re.findall(r"`((?:every|scenes):[^`]+|first|scenes)`", text)
    return {*said, *typed, *in_table}


def test_the_document_allows_every_sampling_that_the_pages_and_tests_send() -> None:
    shown = samplings_that_are_shown()

    assert {"every:1", "every:2", "every:0.5", "scenes:0.3", "first", "all"} <= shown
    assert {text for text in shown if not allows_sampling(text)} == set()


@pytest.mark.parametrize(
    "text",
    ["every:1", "every:10", "every:1.5", "every:0.05", "1", ".5", "scenes:1", "FIRST", " every:2 "],
)
def test_a_sampling_that_the_api_takes_is_one_of_the_documents(text: str) -> None:
    sent = {"fileName": "a.mp4", "sampling": text}

    assert Client(WORLD.application()).ask("POST", "/v1/videos", json=sent).status == 201
    assert allows_sampling(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sometimes",
        "every",
        "every:-1",
        "every 1",
        "every:1234567",
        "0.1234567",
        "1.",
        "1e3",
        "first:1",
        "scenes:",
        "first\r\nx-amz-acl: public-read",
        "\u0663",
    ],
)
def test_a_sampling_that_the_api_refuses_is_none_of_the_documents(text: str) -> None:
    sent = {"fileName": "a.mp4", "sampling": text}

    assert Client(WORLD.application()).ask("POST", "/v1/videos", json=sent).status == 400
    assert not allows_sampling(text)


@pytest.mark.parametrize("text", ["every:0", "every:0.001", "86401", "scenes:0", "scenes:1.1"])
def test_a_number_out_of_its_bounds_is_told_them(text: str) -> None:
    sent = {"fileName": "a.mp4", "sampling": text}

    answer = Client(WORLD.application()).ask("POST", "/v1/videos", json=sent)

    assert (answer.status, answer.problem) == (400, "bad-field")
    assert "there is no sampling" not in answer.json["detail"]


@given(st.from_regex(SAMPLING["pattern"]) | st.text("firstalevyn:.01 ", max_size=8) | SAMPLINGS)
@settings(deadline=None)
def test_the_documents_grammar_of_samplings_is_the_true_one(text: str) -> None:
    assert allows_sampling(text) == is_a_sampling(text)
