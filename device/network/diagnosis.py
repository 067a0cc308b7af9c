"""Why a TLS connection does not stand, in words that an operator can act on.

The MQTT client says little ("TLS negotiation failed"), and for a wrong authority says it only
after 15 to 23 s. Python's own TLS knows the reason, at once.
"""

import socket
import ssl

from device.network import portal
from device.network.identity import Identity
from device.time_of_day import TimeOfDay
from sightline.errors import ConfigError, SightlineError, TransportError

_REFUSED_CERTIFICATE = {
    "UNKNOWN_CA": "was issued by an authority it does not know",
    "CERTIFICATE_EXPIRED": "has expired",
    "CERTIFICATE_REVOKED": "has been revoked",
    "CERTIFICATE_REQUIRED": "is missing",
    "BAD_CERTIFICATE": "is not valid",
    "CERTIFICATE_UNKNOWN": "is unknown to it, or was revoked or deactivated",
    "UNSUPPORTED_CERTIFICATE": "is of a kind it does not take",
    "HANDSHAKE_FAILURE": "is perhaps unknown to it, or was revoked or deactivated",
    "ACCESS_DENIED": "may not connect",
}

# OpenSSL's X509_V_ERR_
_NOT_YET_VALID, _EXPIRED, HOST_MISMATCH, _ADDRESS_MISMATCH = 9, 10, 62, 64


def probe(
    identity: Identity, host: str, port: int, *, timeout_s: float = 5.0, listen_s: float = 0.0
) -> None:
    """Make a TLS connection, and break it off.

    Args:
        listen_s: How long to wait for the broker's word on our certificate. With TLS 1.3 it
            comes after the handshake.

    Raises:
        ConfigError: The broker is not who it should be, or does not take our certificate.
        TransportError: It cannot be reached now.
    """
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            identity.context().wrap_socket(plain, server_hostname=host) as secured,
        ):
            if listen_s and _hangs_up(secured, listen_s):
                raise ConfigError(
                    f"{host}:{port} ends the connection when it has seen the certificate "
                    f"{identity.certificate}: it seems not to know it, or that was revoked or "
                    "deactivated; `./run doctor` with this device's folder, or AWS's console, "
                    "shows which: activate it, or provision the device anew"
                )
    except OSError as err:
        raise explain(err, identity, host, port) from err


def _hangs_up(secured: ssl.SSLSocket, within_s: float) -> bool:
    secured.settimeout(within_s)
    try:
        return secured.recv(1) == b""
    except TimeoutError:
        return False  # it waits for our word: that much it thinks of our certificate


def explain(
    err: OSError,
    identity: Identity | None,
    host: str,
    port: int,
    *,
    time_of_day: TimeOfDay | None = None,
    http_port: int = portal.HTTP_PORT,
) -> SightlineError:
    """Say what *err*, of a connection to *host*, means and how to mend it.

    Args:
        identity: Whom we are there; None: nobody, and we trust whom this machine trusts.
        time_of_day: Whether this machine knows it; else every certificate looks wrong.
        http_port: Where a captive portal would answer in the host's place.
    """
    where = f"{host}:{port}"
    if isinstance(err, ssl.SSLCertVerificationError):
        return _explain_server(err, identity, host, port, time_of_day or TimeOfDay())
    if isinstance(err, ssl.SSLError):
        reason = getattr(err, "reason", None) or str(err)
        for alert, meaning in _REFUSED_CERTIFICATE.items():
            if identity is not None and reason.endswith(alert):
                return ConfigError(
                    f"{where} refuses the certificate {identity.certificate}: it {meaning}; "
                    "provision the device anew"
                )
        said = f"{where}: TLS fails: {reason}; does it speak TLS, and take what we show?"
    elif isinstance(err, socket.gaierror):
        return TransportError(
            f"there is no address for {host}; is the name right, and the network's DNS up?"
        )
    elif isinstance(err, TimeoutError):
        said = f"{where} does not answer; is the network up, and does a firewall drop port {port}?"
    elif isinstance(err, ConnectionRefusedError):
        said = f"nobody listens on {where}; is the endpoint right, and the service up?"
    else:
        said = f"{where} cannot be reached: {err.strerror or err}"
    return _unless_portal(host, TransportError(said), http_port)


def _unless_portal(
    host: str, problem: TransportError, http_port: int = portal.HTTP_PORT
) -> TransportError:
    login = portal.asks_to_log_in(host, port=http_port)
    if login is None:
        return problem
    return TransportError(
        f"this network lets nothing through before somebody logs in at {login} (a captive portal); "
        "do that, or have the device admitted"
    )


def _explain_server(
    err: ssl.SSLCertVerificationError,
    identity: Identity | None,
    host: str,
    port: int,
    time_of_day: TimeOfDay,
) -> SightlineError:
    where = f"{host}:{port}"
    if err.verify_code in (_NOT_YET_VALID, _EXPIRED) and not time_of_day.is_set():
        # A Pi has no clock of its own before it is online: it will be set, and all be well.
        return TransportError(
            f"{where}: its certificate is not valid now, for this clock is not set: it shows "
            f"{time_of_day.shows():%Y-%m-%d}; does the network let NTP (UDP port 123) through? See "
            "`timedatectl`"
        )
    if err.verify_code == _NOT_YET_VALID:
        return TransportError(f"{where}: its certificate is not valid yet; is this clock right?")
    if err.verify_code == _EXPIRED:
        return ConfigError(f"{where}: its certificate has expired; is this clock right?")
    if identity is not None and err.verify_code in (HOST_MISMATCH, _ADDRESS_MISMATCH):
        return ConfigError(
            f"{where}: its certificate is not for {host}; set [iot] endpoint to the name it is for"
        )
    names, issuer = _presented(host, port)
    if names and not portal.is_for(host, names):
        # It goes away when somebody logs in, so it is no reason to give up.
        return TransportError(
            f"somebody else answers in the place of {where}, with a certificate for "
            f"{', '.join(names)[:100]!a} from {issuer[:60]!a}: a captive portal? Log in to this "
            "network with a browser, or have the device admitted"
        )
    if identity is None:
        return ConfigError(
            f"{where}: its certificate is from no authority that this machine trusts; does "
            "something between open what is encrypted? Have the device exempted from that"
        )
    return ConfigError(
        f"{where}: its certificate is not from the authority in {identity.ca}; "
        "set [iot] ca to the file that came with this broker"
    )


def _presented(host: str, port: int) -> tuple[tuple[str, ...], str]:
    """Read for whom, and by whom, the certificate is that a server shows; nothing is sent to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=5.0) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            return portal.names_of(secured.getpeercert(binary_form=True) or b"")
    except OSError:
        return (), "nobody"
