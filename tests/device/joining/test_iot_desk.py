"""What AWS IoT's rejections mean; the questions themselves are asked in tests/end_to_end."""

import pytest

from device.joining.claim import StaleTokenError
from device.joining.iot_desk import RefusedError, refusal
from sightline.errors import ConfigError, SightlineError, TransportError


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (403, "AccessDenied", RefusedError, r"not on the list, or was claimed.*\./run serials"),
        (400, "InvalidCertificateOwnershipToken", StaleTokenError, "does not hold any more"),
        (
            400,
            "InvalidTemplate",
            ConfigError,
            r"no provisioning template fleet.*\[claim\] template",
        ),
        (404, "ResourceNotFoundException", ConfigError, "no provisioning template fleet"),
        (400, "InvocationError", TransportError, "cannot serve it now"),
        (429, "Throttled", TransportError, "cannot serve it now"),
        (500, "InternalError", TransportError, "cannot serve it now"),
        (400, "ProvisioningFailed", ConfigError, "AWS IoT refuses it"),
        (400, "InvalidRequest", ConfigError, "AWS IoT refuses it"),
    ],
)
def test_a_rejection_is_named_after_who_can_mend_it(
    status: int, code: str, kind: type[SightlineError], said: str
) -> None:
    error = refusal(status, code, "in AWS's words", "fleet")

    assert type(error) is kind
    with pytest.raises(kind, match=said):
        raise error
    assert f"{code}: in AWS's words" in str(error)
