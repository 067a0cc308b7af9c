"""Who may ask, for what and how often."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from cloud.http.authentication import FAILURES_PER_MINUTE, Authenticator, Credentials
from cloud.http.keys import ApiKey, issue, parse
from cloud.http.memory import MemoryKeys
from cloud.http.problems import Problem
from sightline.errors import ConfigError
from tests.cloud.fakes import NOON, Clock
from tests.cloud.http.world import PER_MINUTE, Client, World

ENROL = {"name": "Grace Hopper"}


@pytest.fixture
def asking(world: World) -> Client:
    """Somebody whose key is given with each request."""
    return Client(world.application())


def test_a_key_is_256_random_bits_of_which_only_the_digest_is_kept() -> None:
    key, text = issue("tests", ["read"], now=NOON)

    _, key_id, secret = text.split("_", 2)
    assert key.id == key_id
    assert len(secret) * 6 >= 256
    assert secret not in repr(key)
    assert "digest" not in repr(key)
    presented = parse(text)
    assert presented is not None
    assert (presented.id, presented.digest) == (key.id, key.digest)
    assert issue("tests", ["read"], now=NOON)[1] != text


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "},
        {"name": "x" * 101},
        {"name": "two\nlines"},
        {"scopes": []},
        {"scopes": ["write"]},
        {"valid_until": NOON - timedelta(seconds=1)},
    ],
)
def test_a_key_that_nobody_could_mean_is_not_made(changes: dict[str, object]) -> None:
    given: dict[str, object] = {"name": "tests", "scopes": ["read"], **changes}
    with pytest.raises(ConfigError):
        issue(now=NOON, **given)  # type: ignore[arg-type]


def test_without_a_key_nothing_is_told(asking: Client) -> None:
    answer = asking.ask("GET", "/v1/people", anonymous=True)

    assert (answer.status, answer.problem) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_is_taken_from_either_header(asking: Client, world: World) -> None:
    key = world.key("read")

    for headers in (
        {"authorization": f"Bearer {key}"},
        {"authorization": f"bearer  {key}"},
        {"x-api-key": key},
    ):
        answer = asking.ask("GET", "/v1/people", headers=headers, anonymous=True)
        assert answer.status == 200, headers


def test_another_way_to_sign_in_is_none(asking: Client, world: World) -> None:
    headers = {"authorization": f"Basic {world.key('read')}"}
    assert asking.ask("GET", "/v1/people", headers=headers, anonymous=True).status == 401


@pytest.mark.parametrize(
    "key",
    [
        "sl_aaaaaaaaaaaa_" + "A" * 43,
        "sl_AAAAAAAAAAAA_" + "A" * 43,
        "sl_x_y",
        "hunter2",
        "rate#1",
        "sl_" + "a" * 5000,
        "ä",
    ],
)
def test_what_is_no_key_here_opens_nothing(asking: Client, key: str) -> None:
    assert asking.ask("GET", "/v1/people", key=key).status == 401


def test_an_id_with_another_secret_opens_nothing(asking: Client, world: World) -> None:
    mine, other = world.key(), world.key()
    forged = mine.rpartition("_")[0][:15] + "_" + other.split("_", 2)[2]

    assert asking.ask("GET", "/v1/people", key=forged).status == 401


def test_no_client_can_say_that_iam_let_it_in(asking: Client) -> None:
    headers = {"x-amzn-authorizer": "iam", "requestContext": '{"authorizer": {"iam": {}}}'}
    answer = asking.ask("GET", "/v1/people?iam=1", headers=headers, anonymous=True)

    assert answer.status == 401


@pytest.mark.parametrize(
    ("scope", "method", "path", "others"),
    [
        ("read", "GET", "/v1/people", ("recognise", "enrol")),
        ("read", "GET", "/v1/people/ada-lovelace", ("recognise", "enrol")),
        ("read", "GET", "/v1/sightings?device=door", ("recognise", "enrol")),
        ("read", "GET", "/v1/devices", ("recognise", "enrol")),
        ("read", "GET", "/v1/videos/done", ("recognise", "enrol")),
        ("recognise", "POST", "/v1/frames", ("read", "enrol")),
        ("recognise", "POST", "/v1/videos", ("read", "enrol")),
        ("enrol", "POST", "/v1/people", ("read", "recognise")),
        ("enrol", "PATCH", "/v1/people/ada-lovelace", ("read", "recognise")),
        ("enrol", "DELETE", "/v1/people/ada-lovelace", ("read", "recognise")),
    ],
)
def test_each_operation_needs_its_scope_and_no_other(
    asking: Client, world: World, scope: str, method: str, path: str, others: tuple[str, str]
) -> None:
    refused = asking.ask(method, path, key=world.key(*others))  # type: ignore[arg-type]
    let_in = asking.ask(method, path, key=world.key(scope))  # type: ignore[arg-type]

    assert (refused.status, refused.problem) == (403, "scope")
    assert scope in refused.json["detail"]
    assert let_in.status not in (401, 403)


@pytest.mark.parametrize("path", ["/v1/health", "/v1/openapi.json"])
def test_health_and_the_document_need_no_key(asking: Client, path: str) -> None:
    assert asking.ask("GET", path, anonymous=True).status == 200
    assert asking.ask("GET", path, key="sl_wrong").status == 200


def test_a_revoked_key_opens_nothing_from_the_next_request_on(asking: Client, world: World) -> None:
    key, text = issue("tests", ["read"], now=NOON)
    world.keys.add(key)
    assert asking.ask("GET", "/v1/people", key=text).status == 200

    fields = {name: getattr(key, name) for name in ApiKey.__dataclass_fields__}
    world.keys.add(ApiKey(**{**fields, "revoked_at": NOON}))

    answer = asking.ask("GET", "/v1/people", key=text)
    assert answer.status == 401
    assert "revoked" in answer.json["detail"]
    wrong = asking.ask("GET", "/v1/people", key=text[:-4] + "AAAA")
    assert "revoked" not in wrong.json["detail"]  # only who has the key learns why


def test_a_key_ends_when_its_time_is_over(asking: Client, world: World) -> None:
    key = world.key("read", valid_for=timedelta(hours=1))
    assert asking.ask("GET", "/v1/people", key=key).status == 200

    world.clock.sleep(3600)

    answer = asking.ask("GET", "/v1/people", key=key)
    assert answer.status == 401
    assert "valid until" in answer.json["detail"]


def test_a_key_asks_so_often_in_a_minute_and_is_told_when_it_may_again(
    asking: Client, world: World
) -> None:
    key, other = world.key(), world.key()
    statuses = [asking.ask("GET", "/v1/people", key=key).status for _ in range(PER_MINUTE)]
    over = asking.ask("GET", "/v1/people", key=key)

    assert statuses == [200] * PER_MINUTE
    assert (over.status, over.problem) == (429, "too-many-requests")
    assert asking.ask("GET", "/v1/people", key=other).status == 200
    world.clock.sleep(float(over.headers["retry-after"]))
    assert asking.ask("GET", "/v1/people", key=key).status == 200


class CountedKeys(MemoryKeys):
    """Counts how often it is asked for what."""

    def __init__(self) -> None:
        super().__init__()
        self.found = self.taken = 0

    def find(self, key_id: str) -> ApiKey | None:
        self.found += 1
        return super().find(key_id)

    def take(self, *args: object, **kwargs: object) -> bool:
        self.taken += 1
        return super().take(*args, **kwargs)  # type: ignore[arg-type]


def test_an_unknown_key_takes_the_same_steps_as_a_good_one() -> None:
    keys = CountedKeys()
    authenticator = Authenticator(lambda: keys, per_minute=5, now=Clock().now)
    key, good = issue("tests", ["read"], now=NOON)
    keys.add(key)
    steps, statuses = [], []
    for text in (good, good[:-4] + "AAAA", "sl_aaaaaaaaaaaa_" + "A" * 43):
        keys.found = keys.taken = 0
        try:
            authenticator.identify(Credentials(key=text, by_iam=False, address="192.0.2.1"))
        except Problem as problem:
            statuses.append(problem.status)
        steps.append((keys.found, keys.taken))

    assert statuses == [401, 401]
    assert steps == [(1, 1)] * 3


def test_an_address_may_fail_so_often_and_then_costs_no_more_writes() -> None:
    keys, clock = CountedKeys(), Clock()
    authenticator = Authenticator(lambda: keys, per_minute=100, now=clock.now)
    key, good = issue("tests", ["read"], now=NOON)
    keys.add(key)

    def fail(address: str = "192.0.2.1") -> int:
        wrong = Credentials(key="sl_aaaaaaaaaaaa_" + "A" * 43, by_iam=False, address=address)
        with pytest.raises(Problem) as caught:
            authenticator.identify(wrong)
        return caught.value.status

    assert [fail() for _ in range(FAILURES_PER_MINUTE)] == [401] * FAILURES_PER_MINUTE
    assert fail() == 429
    taken = keys.taken
    assert fail() == 429
    assert keys.taken == taken
    assert fail("192.0.2.2") == 401
    good_one = Credentials(key=good, by_iam=False, address="192.0.2.1")
    assert authenticator.identify(good_one).id == key.id  # a good key there is not shut out
    clock.sleep(60)
    assert fail() == 401


def test_what_is_told_may_not_be_kept_and_no_other_site_may_read_it(client: Client) -> None:
    answer = client.ask("GET", "/v1/people", headers={"origin": "https://example.org"})

    assert answer.headers["cache-control"] == "no-store"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = client.ask("OPTIONS", "/v1/people", headers={"origin": "https://example.org"})
    assert preflight.status == 405


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/people/", "/v2/people", "/v1/videos/"])
def test_there_are_no_other_paths(client: Client, path: str) -> None:
    answer = client.ask("GET", path)

    assert answer.status == 404
    assert urlsplit(answer.json["type"]).scheme == "urn"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/people", "GET, POST, HEAD"),
        ("GET", "/v1/frames", "POST"),
        ("TRACE", "/v1/health", "GET, HEAD"),
        ("QUATSCH", "/v1/people/ada-lovelace", "DELETE, GET, PATCH, HEAD"),
    ],
)
def test_another_method_is_told_which_there_are(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = client.ask(method, path)

    assert (answer.status, answer.problem) == (405, "method-not-allowed")
    assert answer.headers["allow"] == allowed


def test_head_is_get_without_the_body(client: Client) -> None:
    answer = client.ask("HEAD", "/v1/people")

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
