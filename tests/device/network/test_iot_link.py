"""The link's own rules, by the real client and a broker that does as it is told."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from awscrt import mqtt5
from awsiot import mqtt5_client_builder

from device.network import mqtt_client
from device.network.identity import Identity
from device.network.iot_link import IotLink
from device.settings import IotSettings
from sightline.errors import ConfigError, TransportError
from tests.device.authority import Authority, settings_of
from tests.device.fakes import until
from tests.device.network.scripted_broker import ScriptedBroker

THING = "front-door"
UNSEEN_S = 0.5  # for so long something that is not to come has not


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def device(authority: Authority) -> Identity:
    return authority.issue(THING)


@pytest.fixture
def broker(authority: Authority) -> Iterator[ScriptedBroker]:
    with ScriptedBroker(authority) as broker:
        yield broker


def settings(broker: ScriptedBroker, device: Identity) -> IotSettings:
    return dataclasses.replace(settings_of(device, port=broker.port), reconnect_most_s=1.0)


def link_of(broker: ScriptedBroker, device: Identity) -> IotLink:
    return IotLink(
        settings(broker, device), device, THING, will_topic="a/status", will=lambda: b"gone"
    )


def nothing(*_: object) -> None:
    return None


class Aside:
    """Something done in a thread of its own."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._work = work
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as err:
            self.error = err
        self.done.set()


class Greeter:
    """Counts how often the link was said to stand."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def test_a_connection_takes_the_session_up_keeps_it_for_as_long_as_set_and_leaves_a_will(
    broker: ScriptedBroker, device: Identity
) -> None:
    wanted = dataclasses.replace(settings(broker, device), session_expiry_s=77, keep_alive_s=33)
    with IotLink(wanted, device, THING, will_topic="a/status", will=lambda: b"gone") as link:
        until(lambda: link.trouble() is None)
        broker.hang_up()
        assert broker.await_(lambda: len(broker.connects) == 2)

    for each in broker.connects:
        assert each.client_id == THING
        assert not each.clean_start
        assert (each.session_expiry_s, each.keep_alive_s) == (77, 33)
        assert each.will == ("a/status", b"gone", True)


def test_when_the_broker_has_forgotten_the_session_each_pattern_is_subscribed_to_again(
    broker: ScriptedBroker, device: Identity
) -> None:
    patterns = ["a/results", "b/#", "c/+/d"]
    with link_of(broker, device) as link:
        for pattern in patterns:
            link.subscribe(pattern, nothing)
        assert broker.await_(lambda: broker.told("SUBACK") == patterns)
        broker.forget()

        broker.hang_up()

        assert broker.await_(lambda: len(broker.told("SUBACK")) == len(patterns))
        link.publish("a/frames", b"{}")
        assert sorted(broker.told("SUBSCRIBE")) == patterns


def test_when_the_broker_has_kept_the_session_nothing_is_subscribed_to_again(
    broker: ScriptedBroker, device: Identity
) -> None:
    greeter = Greeter()
    with link_of(broker, device) as link:
        link.subscribe("a/results", nothing)
        link.on_connected(greeter)
        assert broker.await_told("SUBACK", "a/results")
        until(lambda: greeter.times == 1)
        broker.forget()
        broker.session_present = True

        broker.hang_up()

        until(lambda: greeter.times == 2)
        link.publish("a/frames", b"{}")
        assert broker.told("SUBSCRIBE") == []

        link.subscribe("b/results", nothing)  # of this one the session does not know
        assert broker.await_told("SUBACK", "b/results")
        assert broker.told("SUBSCRIBE") == ["b/results"]


def test_who_wants_to_know_of_a_connection_hears_once_of_each_and_after_the_subscriptions(
    broker: ScriptedBroker, device: Identity
) -> None:
    greeter = Greeter()
    with link_of(broker, device) as link:
        link.subscribe("a/results", nothing)
        assert broker.await_told("SUBACK", "a/results")
        link.on_connected(greeter)
        until(lambda: greeter.times == 1)
        for pattern in ("b/results", "c/results"):  # they make no connection anew
            link.subscribe(pattern, nothing)
            assert broker.await_told("SUBACK", pattern)
        link.publish("a/frames", b"{}")
        assert greeter.times == 1

        broker.forget()
        broker.grants = False
        broker.hang_up()

        assert broker.await_told("SUBSCRIBE", "a/results")
        assert greeter.times == 1
        broker.grant()
        until(lambda: greeter.times == 2)
        link.publish("a/frames", b"{}")
        assert greeter.times == 2


def test_after_a_reconnect_a_publish_waits_for_the_subscriptions_an_answer_would_come_by(
    broker: ScriptedBroker, device: Identity
) -> None:
    with link_of(broker, device) as link:
        link.subscribe("a/results", nothing)
        assert broker.await_told("SUBACK", "a/results")
        broker.forget()
        broker.grants = False
        broker.hang_up()
        assert broker.await_told("SUBSCRIBE", "a/results")

        publish = Aside(lambda: link.publish("a/frames", b"{}"))

        assert not broker.await_told("PUBLISH", "a/frames", within_s=UNSEEN_S)
        broker.grant()
        assert broker.await_told("PUBLISH", "a/frames")
        assert publish.done.wait(10)
        assert publish.error is None
        words = [word for word, _ in broker.seen]
        assert words == ["SUBSCRIBE", "SUBACK", "PUBLISH"]


def test_a_publish_does_not_wait_for_ever_for_a_subscription_that_nobody_grants(
    broker: ScriptedBroker, device: Identity
) -> None:
    with link_of(broker, device) as link:
        link.subscribe("a/results", nothing)
        assert broker.await_told("SUBACK", "a/results")
        broker.forget()
        broker.grants = False
        broker.hang_up()
        assert broker.await_told("SUBSCRIBE", "a/results")

        link.publish("a/frames", b"{}")

        assert broker.told("SUBACK") == []
        assert broker.told("PUBLISH") == ["a/frames"]
        # Sooner than the client itself gives the subscription up.
        assert "could not subscribe" not in (link.trouble() or "")
        broker.grant()


def test_without_a_connection_a_publish_fails_at_once_and_is_not_sent_later(
    broker: ScriptedBroker, device: Identity
) -> None:
    greeter = Greeter()
    with link_of(broker, device) as link:
        link.on_connected(greeter)
        until(lambda: greeter.times == 1)
        broker.takes = False
        broker.hang_up()
        until(lambda: link.trouble() is not None)

        with pytest.raises(TransportError, match="there is no connection"):
            link.publish("a/frames", b"{}")

        broker.takes = True
        until(lambda: greeter.times == 2)
        link.publish("b/frames", b"{}")
        assert broker.told("PUBLISH") == ["b/frames"]


def test_a_broker_that_refuses_us_is_the_operators_to_mend_at_the_start(
    broker: ScriptedBroker, device: Identity
) -> None:
    broker.connack = 0x87
    with (
        pytest.raises(ConfigError, match="refuses to let this certificate connect"),
        link_of(broker, device),
    ):
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What awsiotsdk's builder is asked for, which does not give its options back."""
    options: dict[str, Any] = {}
    monkeypatch.setattr(
        mqtt5_client_builder, "mtls_from_path", lambda *_, **said: options.update(said)
    )
    return options


@pytest.mark.parametrize("most_s", [1.0, 15.0, 3600.0])
def test_the_client_comes_back_with_jitter_between_half_a_second_and_what_is_set(
    asked: dict[str, Any], device: Identity, most_s: float
) -> None:
    wanted = dataclasses.replace(settings_of(device), reconnect_most_s=most_s)
    mqtt_client.build(wanted, device, THING, None, b"")

    assert asked["retry_jitter_mode"] == mqtt5.ExponentialBackoffJitterMode.FULL
    assert asked["min_reconnect_delay_ms"] == 500
    assert asked["max_reconnect_delay_ms"] == most_s * 1000
    # One that connects and is thrown out at once does not begin anew each time.
    assert asked["min_connected_time_to_reset_reconnect_delay_ms"] == 10_000


def test_the_client_rejoins_fails_fast_and_keeps_to_what_aws_allows(
    asked: dict[str, Any], device: Identity
) -> None:
    mqtt_client.build(settings_of(device), device, THING, None, b"")

    assert asked["session_behavior"] == mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS
    assert asked["session_expiry_interval_sec"] == 3600
    assert (
        asked["offline_queue_behavior"]
        == mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT
    )
    assert (
        asked["extended_validation_and_flow_control_options"]
        == mqtt5.ExtendedValidationAndFlowControlOptions.AWS_IOT_CORE_DEFAULTS
    )
    assert asked["will"] is None
