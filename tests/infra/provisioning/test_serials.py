"""The list of serial numbers as an operator sees it, on a table that is one."""

from itertools import islice
from pathlib import Path

import pytest

from infra.provisioning.fleet import provision_fleet
from infra.provisioning.serials import Serial, SerialList, made_up, numbered, read_file
from infra.target import Target
from sightline.errors import ConfigError, MessageError
from sightline.fleet import check_serial, claim_client_id, thing_of


def silent(_: str) -> None: ...


@pytest.fixture
def serials(target: Target) -> SerialList:
    return SerialList.of(target)


def bind(target: Target, number: str) -> None:
    """Have it claimed, as the hook does."""
    target.client("dynamodb").update_item(
        TableName=target.output("SerialsTable"),
        Key={"serial_number": {"S": number}},
        UpdateExpression="SET certificate_id = :new",
        ExpressionAttributeValues={":new": {"S": "1" * 64}},
    )


@pytest.mark.stack
def test_what_is_put_on_the_list_is_on_it(serials: SerialList) -> None:
    row = Serial(number="aa01", thing="aa-one", note="hall")

    assert serials.add([row]) == [row]
    assert serials.add([row]) == []  # again is no fault
    assert row in serials.all()


@pytest.mark.stack
def test_one_name_is_one_device(serials: SerialList) -> None:
    serials.add([Serial(number="bb01", thing="bb-one")])

    with pytest.raises(ConfigError, match="bb-one is serial number bb01 already"):
        serials.add([Serial(number="bb02", thing="bb-one")])
    with pytest.raises(ConfigError, match="bb01 is on the list already, as bb-one"):
        serials.add([Serial(number="bb01", thing="bb-two")])


@pytest.mark.stack
def test_a_claimed_row_is_not_written_over_and_can_be_released(
    target: Target, serials: SerialList
) -> None:
    serials.add([Serial(number="cc01", thing="cc-one")])
    bind(target, "cc01")
    serials.add([Serial(number="cc01", thing="cc-one")])
    assert serials.certificate_of("cc01") == "1" * 64

    assert serials.release("cc01").certificate_id == "1" * 64

    assert serials.certificate_of("cc01") is None
    assert serials.release("cc01").certificate_id is None


@pytest.mark.stack
def test_what_is_taken_off_the_list_is_off_it(serials: SerialList) -> None:
    serials.add([Serial(number="dd01", thing="dd-one")])

    serials.remove("dd01")

    assert "dd01" not in [row.number for row in serials.all()]
    for change in (serials.release, serials.remove):
        with pytest.raises(ConfigError, match="dd01 is not on the list"):
            change("dd01")
    assert serials.certificate_of("dd01") is None


@pytest.mark.stack
def test_numbers_are_made_up_and_things_are_counted_on(target: Target, tmp_path: Path) -> None:
    first = provision_fleet(2, target=target, folder=tmp_path / "f", prefix="yard", say=silent)
    second = provision_fleet(1, target=target, folder=tmp_path / "f", prefix="yard", say=silent)

    assert [row.thing for row in first.added] == ["yard-1", "yard-2"]
    assert [row.thing for row in second.added] == ["yard-3"]
    assert first.certificate_id == second.certificate_id
    assert len({row.number for row in (*first.added, *second.added)}) == 3


@pytest.mark.stack
def test_a_claims_folder_has_what_a_card_needs_and_its_modes(
    target: Target, tmp_path: Path
) -> None:
    made = provision_fleet([("ee01", None)], target=target, folder=tmp_path / "f", say=silent)

    modes = {path.name: path.stat().st_mode & 0o777 for path in made.folder.iterdir()}
    assert modes == {"claim.pem": 0o644, "claim.key": 0o600, "ca.pem": 0o644, "device.toml": 0o644}
    iot = target.client("iot")
    arn = iot.describe_certificate(certificateId=made.certificate_id)["certificateDescription"][
        "certificateArn"
    ]
    (policy,) = iot.list_attached_policies(target=arn)["policies"]
    assert policy["policyName"] == target.output("ClaimPolicy")
    assert iot.list_principal_things(principal=arn)["things"] == []


@pytest.mark.stack
def test_a_name_that_cannot_be_leaves_no_claim(target: Target, tmp_path: Path) -> None:
    for numbers in ([("a b", None)], [("ff01", "a/b")]):
        with pytest.raises((ConfigError, MessageError)):
            provision_fleet(numbers, target=target, folder=tmp_path / "f", say=silent)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="holds no fleet's claim"):
        provision_fleet([("ff01", None)], target=target, folder=tmp_path / "mine", say=silent)

    assert not (tmp_path / "f").exists()


def test_a_file_is_read_with_names_and_without(tmp_path: Path) -> None:
    path = tmp_path / "pis.csv"
    path.write_text("serial_number,thing\n# hall\n01, front-door \n\n02\n03,\n")

    assert read_file(path) == [("01", "front-door"), ("02", None), ("03", None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("01\na b\n", "line 2: serial number 'a b' is not"),
        ("01,a/b\n", "line 1: device 'a/b'"),
        ("01,sightline-claim-1\n", "line 1: .*is for claims"),
        ("01\n01\n", "line 2: 01 is there twice"),
        ("# none\n", "holds no serial number"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "pis.csv"
    path.write_text(text)

    with pytest.raises(ConfigError, match=said):
        read_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv cannot be read"):
        read_file(tmp_path / "none.csv")


def test_names_are_counted_on_past_those_that_are_taken() -> None:
    assert list(islice(numbered("cam", ["cam-2", "yard-1"]), 3)) == ["cam-1", "cam-3", "cam-4"]


def test_a_made_up_number_is_one_and_nobody_elses() -> None:
    assert check_serial(made_up()) != made_up()


def test_a_thing_is_called_after_its_serial_number() -> None:
    assert thing_of("B8:27:EB.01") == "B8-27-EB-01"
    assert claim_client_id("B8:27") == "sightline-claim-B8-27"
