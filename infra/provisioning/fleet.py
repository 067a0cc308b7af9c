"""A fleet: one claim for all its cards, and the serial numbers that may join with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from infra.account import error_code, translated
from infra.deploy import Say
from infra.provisioning import certificates, device_folder
from infra.provisioning.device_folder import CA, CLAIM_CERTIFICATE, CLAIM_KEY, SETTINGS
from infra.provisioning.serials import Serial, SerialList, made_up, numbered
from infra.target import Target
from sightline.errors import ConfigError
from sightline.fleet import thing_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What was made."""

    folder: Path  # to copy to every card
    certificate_id: str  # the claim's
    added: tuple[Serial, ...]


def provision_fleet(
    numbers: Sequence[tuple[str, str | None]] | int,
    *,
    target: Target,
    folder: Path,
    prefix: str | None = None,
    camera: str = "picamera2",
    say: Say,
) -> Fleet:
    """Make the claim, unless *folder* has it, and put serial numbers on the list.

    Args:
        numbers: Serial numbers, each with the name of its thing or without; or how many to make up.
        target: The stack the fleet belongs to.
        folder: Gets what is to be copied to every card.
        prefix: Things without a name are called PREFIX-1, PREFIX-2 …; without it, after their
            serial numbers.
        camera: The settings' camera source.
        say: Told what happens.

    Raises:
        ConfigError: A name or the folder cannot be, or AWS refuses.
        TransportError: AWS is out of reach.
    """
    serials = SerialList.of(target)
    if isinstance(numbers, int):
        prefix = prefix or "cam"
        numbers = [(made_up(), None) for _ in range(numbers)]
    wanted = _named(numbers, prefix, serials.all())
    claim = _claim_of(target, folder) if folder.exists() else None
    if claim is None:
        claim = _make_claim(target, folder, camera, say)
    else:
        say(f"{folder} has the claim already, certificate {claim[:12]}")
    added = serials.add(wanted)
    say(f"{len(added)} serial number(s) put on the fleet's list")
    return Fleet(folder=folder, certificate_id=claim, added=tuple(added))


def revoke_claim(folder: Path, *, target: Target, say: Say) -> None:
    """Let no card join any more with the claim in *folder*; devices that have joined stay.

    Raises:
        ConfigError: There is no claim in it that is valid, or AWS refuses.
        TransportError: AWS is out of reach.
    """
    if not folder.exists():
        raise ConfigError(f"there is no folder {folder}; name the one that holds the claim")
    claim = _claim_of(target, folder)
    with translated("revoking the fleet's claim"):
        certificates.shut_out(target.client("iot"), claim)
    say(f"the claim {claim[:12]} is revoked; no card joins with it any more")


def _named(
    numbers: Sequence[tuple[str, str | None]], prefix: str | None, there: Sequence[Serial]
) -> list[Serial]:
    known = {row.number: row.thing for row in there}
    given = {thing for _, thing in numbers if thing}
    names = numbered(prefix, given | set(known.values())) if prefix else None
    return [
        Serial(
            number=number,
            thing=thing or known.get(number) or (next(names) if names else thing_of(number)),
        )
        for number, thing in numbers
    ]


def _make_claim(target: Target, folder: Path, camera: str, say: Say) -> str:
    iot, endpoints = target.client("iot"), target.endpoints()
    values = device_folder.device_values(target, endpoints, camera=camera)
    settings = device_folder.fill(
        "claim.toml", values | {"template": target.output("FleetTemplate")}
    )
    with (
        translated("making the fleet's claim"),
        certificates.issued(iot, "claim", target.output("ClaimPolicy")) as certificate,
    ):
        device_folder.write(
            folder,
            {
                CLAIM_CERTIFICATE: certificate.pem.encode(),
                CLAIM_KEY: certificate.key_pem,
                CA: endpoints.ca_pem.encode(),
                SETTINGS: settings,
            },
        )
    say(f"claim: certificate {certificate.id[:12]}, folder {folder}")
    return certificate.id


def _claim_of(target: Target, folder: Path) -> str:
    """Give the id of the claim in *folder*, which must still be good."""
    path = folder / CLAIM_CERTIFICATE
    try:
        claim = certificates.certificate_id(path.read_bytes())
    except (OSError, ValueError) as err:
        raise ConfigError(
            f"{folder} is there already, and holds no fleet's claim; choose another with --out"
        ) from err
    with translated("looking for the fleet's claim"):
        try:
            found = target.client("iot").describe_certificate(certificateId=claim)
            status = found["certificateDescription"]["status"]
        except ClientError as err:
            if error_code(err) != "ResourceNotFoundException":
                raise
            status = "unknown here"
    if status != "ACTIVE":
        raise ConfigError(
            f"the claim in {folder} is {status}; make another with --out FOLDER, and copy that to "
            "the cards that have not joined yet"
        )
    return claim
