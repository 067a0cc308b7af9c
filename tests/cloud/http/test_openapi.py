"""The document holds of the API, and the API of the document.

schemathesis reads the document, makes requests that it allows and requests that it does not, and
checks each response against it.
"""

from base64 import b64encode
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks

from tests.cloud.fakes import GREEN, RED, picture
from tests.cloud.http.world import World

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
