"""The MQTT client of awsiotsdk, set up as this agent needs it."""

from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from awscrt import mqtt5
from awscrt.exceptions import AwsCrtError
from awsiot import mqtt5_client_builder

from device.network import reasons
from device.network.identity import Identity
from device.settings import IotSettings
from sightline.errors import ConfigError, TransportError

ACK_TIMEOUT_S = 10  # counted from when a packet is sent


def build(
    settings: IotSettings,
    identity: Identity,
    client_id: str,
    will_topic: str | None,
    will: bytes,
    **callbacks: Callable[[Any], None],
) -> Any:
    """Make a client that reconnects by itself and queues nothing. It is not started.

    Raises:
        ConfigError: It cannot use the certificate's files.
    """
    try:
        return mqtt5_client_builder.mtls_from_path(
            str(identity.certificate),
            str(identity.private_key),
            ca_filepath=str(identity.ca),
            endpoint=settings.endpoint,
            port=settings.port,
            client_id=client_id,
            will=_last_words(will_topic, will) if will_topic else None,
            keep_alive_interval_sec=settings.keep_alive_s,
            ping_timeout_ms=10_000,
            connack_timeout_ms=10_000,
            ack_timeout_sec=ACK_TIMEOUT_S,
            # The one behaviour whose session outlives this process.
            session_behavior=mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS,
            session_expiry_interval_sec=settings.session_expiry_s,
            # The client's own queue is unbounded and lost with the process; the spool is neither.
            offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
            # At most 100 publishes and 512 KiB a second leave this client: AWS disconnects who
            # sends more. What comes faster waits in it, and `publish` with it.
            extended_validation_and_flow_control_options=(
                mqtt5.ExtendedValidationAndFlowControlOptions.AWS_IOT_CORE_DEFAULTS
            ),
            retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.FULL,
            min_reconnect_delay_ms=500,
            max_reconnect_delay_ms=round(settings.reconnect_most_s * 1000),
            min_connected_time_to_reset_reconnect_delay_ms=10_000,
            **callbacks,
        )
    except AwsCrtError as err:
        raise ConfigError(
            f"{identity.certificate}, {identity.private_key} or {identity.ca}: "
            f"the MQTT client cannot use it: {err.name}"
        ) from err


def publish(client: Any, topic: str, payload: bytes, *, retain: bool) -> None:
    """Publish, and wait until the broker has acknowledged it.

    Raises:
        TransportError: It did not.
    """
    packet = mqtt5.PublishPacket(
        topic=topic,
        payload=payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        retain=retain,
        content_type="application/json",
        payload_format_indicator=mqtt5.PayloadFormatIndicator.AWS_MQTT5_PFI_UTF8,
    )
    try:
        # The client's own time-out begins when the packet is sent; ours is for the rest.
        completion = client.publish(packet).result(ACK_TIMEOUT_S + 5)
    except AwsCrtError as err:
        raise reasons.lost_operation(err.name, topic) from err
    except FutureTimeoutError as err:
        raise reasons.lost_operation("AWS_ERROR_MQTT_TIMEOUT", topic) from err
    reasons.check_puback(int(completion.puback.reason_code), topic)


def subscribe(client: Any, pattern: str) -> str | None:
    """Subscribe, and wait for the broker's word; None: granted, else why not.

    Raises:
        TransportError: It gave none.
    """
    packet = mqtt5.SubscribePacket(
        [mqtt5.Subscription(topic_filter=pattern, qos=mqtt5.QoS.AT_LEAST_ONCE)]
    )
    try:
        answer = client.subscribe(packet).result(ACK_TIMEOUT_S + 5)
    except (AwsCrtError, FutureTimeoutError) as err:
        raise TransportError(f"could not subscribe to {pattern}: {said(err)}") from err
    return reasons.refused_filters([int(code) for code in answer.reason_codes], [pattern])


def stop(client: Any) -> None:
    """Have it disconnect in good order, so that the last will is not said."""
    client.stop(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION))


def said(err: BaseException | None) -> str:
    """Name what the client says is wrong."""
    return err.name if isinstance(err, AwsCrtError) else type(err).__name__


def _last_words(topic: str, payload: bytes) -> mqtt5.PublishPacket:
    return mqtt5.PublishPacket(
        topic=topic,
        payload=payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        retain=True,
        content_type="application/json",
    )
