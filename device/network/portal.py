"""Finds out whether a network wants somebody to log in before it lets anything through."""

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

HTTP_PORT = 80
LOGIN_REQUIRED = 511  # Source: RFC 6585, section 6
REDIRECTS = (301, 302, 303, 307, 308)


def asks_to_log_in(host: str, *, port: int = HTTP_PORT, timeout_s: float = 2.0) -> str | None:
    """Ask *host* for a page, as a browser would; give where another sends us in its place.

    None: nobody does. A captive portal answers for every host, and a broker answers no such thing.
    """
    connection = HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        where = answer.getheader("Location") or ""
    except (OSError, HTTPException, UnicodeError):
        return None
    finally:
        connection.close()
    # Without what is asked of the page: that may be another with each try, and a browser gets it.
    shown = ascii(where.partition("?")[0][:200])[1:-1] or f"http://{host}/"
    if answer.status == LOGIN_REQUIRED:
        return shown
    try:
        elsewhere = urlsplit(where).hostname
    except ValueError:
        return None
    return shown if answer.status in REDIRECTS and elsewhere not in (None, host.lower()) else None


def names_of(der: bytes) -> tuple[tuple[str, ...], str]:
    """Read for whom a certificate is, and by whom; nothing of what cannot be read."""
    # Loading it makes a start slower, and this is for a connection that has failed.
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        certificate = x509.load_der_x509_certificate(der)
        subjects = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        issuers = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
        names = [str(each.value) for each in subjects]
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = [
                *extension.value.get_values_for_type(x509.DNSName),
                *map(str, extension.value.get_values_for_type(x509.IPAddress)),
            ]
        except x509.ExtensionNotFound:
            pass
    except ValueError:
        return (), "nobody"
    return tuple(names), str(issuers[0].value) if issuers else "nobody"


def is_for(host: str, names: tuple[str, ...]) -> bool:
    """Tell whether a certificate with *names* is for *host*; `*` stands for one label."""
    _, _, above = host.lower().partition(".")
    return any(
        name.lower() == host.lower() or (name.startswith("*.") and name[2:].lower() == above)
        for name in names
    )
