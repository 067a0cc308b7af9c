import pytest
from botocore.exceptions import ClientError

from infra.provisioning.certificates import once_detached


class Refusing:
    """Refuses so many times, then does it."""

    def __init__(self, times: int, code: str = "DeleteConflictException") -> None:
        self.left, self.code, self.asked = times, code, 0

    def __call__(self) -> None:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise ClientError({"Error": {"Code": self.code, "Message": "not yet"}}, "Delete")


def test_what_is_still_attached_is_tried_again() -> None:
    delete = Refusing(2, "InvalidRequestException")

    once_detached(delete, pauses_s=(0, 0, 0))

    assert delete.asked == 3


def test_what_stays_attached_is_an_error_in_the_end() -> None:
    delete = Refusing(9)

    with pytest.raises(ClientError, match="not yet"):
        once_detached(delete, pauses_s=(0, 0))

    assert delete.asked == 3


def test_any_other_refusal_is_an_error_at_once() -> None:
    delete = Refusing(1, "UnauthorizedException")

    with pytest.raises(ClientError):
        once_detached(delete, pauses_s=(0, 0))

    assert delete.asked == 1
