"""A fleet joins: one claim on every card, a list of serial numbers, a certificate for each.

The whole way, with the real agent and awsiotsdk, MiniStack's registry and broker, and the real hook
under the local Lambda service.
"""

import shutil
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from device.joining.claim import obtain
from device.joining.iot_desk import IotDesk
from device.joining.joining import renew
from device.joining.kept_identity import FOLDER, IdentityFolder, Kept, Pending
from device.network import identity
from device.network.iot_link import IotLink
from device.settings import Settings
from infra.local.stack import LocalStack
from infra.provisioning.fleet import Fleet, provision_fleet, revoke_claim
from infra.provisioning.rotation import revoke, revoke_old
from infra.provisioning.serials import SerialList
from infra.target import Target
from sightline.errors import ConfigError, TransportError
from sightline.fleet import claim_client_id
from sightline.topics import topic
from tests.end_to_end.actors import DATA, Agent, Device, Finished, eventually, one_line, run_command

pytestmark = pytest.mark.stack

StartAgent = Callable[..., Agent]
OPTIONS = ("--camera", DATA, "--frames", "1")


def silent(_: str) -> None: ...


@pytest.fixture(scope="session")
def fleet(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """A claim; its cards and serial numbers are each test's own."""
    folder = tmp_path_factory.mktemp("fleet") / "claim"
    return provision_fleet([("unused", None)], target=target, folder=folder, say=silent)


@pytest.fixture
def serial(target: Target, fleet: Fleet) -> str:
    """A serial number that may join, as no other test's."""
    number = uuid4().hex[:16]
    provision_fleet([(number, f"cam-{number[:6]}")], target=target, folder=fleet.folder, say=silent)
    return number


@pytest.fixture
def card(fleet: Fleet, tmp_path: Path) -> Callable[[str], Device]:
    """Copy the claim's folder to a card, in a Pi with that serial number."""

    def copy(serial: str) -> Device:
        folder = tmp_path / f"card-{uuid4().hex[:6]}"
        shutil.copytree(fleet.folder, folder)
        device = Device(thing=folder.name, folder=folder, settings=folder / "device.toml")
        device.configure("[claim]", f'[claim]\nserial = "{serial}"')
        return device

    return copy


def kept_of(device: Device) -> Kept:
    kept = IdentityFolder(device.folder / FOLDER).current()
    assert kept is not None
    return kept


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def failure(agent: Agent) -> str:
    """Wait for an agent whose operator must mend something; what it says."""
    assert agent.wait() == 2, agent.log
    assert "Traceback" not in agent.log
    *_, last = agent.log.splitlines()
    assert last.startswith("device: "), agent.log
    return last


def test_a_card_with_a_claim_joins_and_has_a_frame_answered(
    target: Target, card: Callable[[str], Device], serial: str, start_agent: StartAgent, grace: str
) -> None:
    device = card(serial)

    agent = start_agent(device, *OPTIONS)

    assert agent.wait() == 0, agent.log
    assert agent.lines
    kept = kept_of(device)
    assert kept.thing == f"cam-{serial[:6]}"
    assert f"this device is {kept.thing} now" in agent.log
    assert mode(kept.private_key) == 0o600
    assert mode(kept.certificate) == 0o644
    assert mode(device.folder / FOLDER) == 0o700
    assert not (device.folder / "claim.key").exists()
    assert f"deleted the fleet's key {device.folder / 'claim.key'}" in agent.log
    described = target.client("iot").describe_thing(thingName=kept.thing)
    assert described["attributes"] == {"serial": serial}
    (row,) = [each for each in SerialList.of(target).all() if each.number == serial]
    assert row.certificate_id == kept.certificate_id
    assert row.admitted_at is not None


def test_it_starts_again_as_who_it_is_and_asks_nobody(
    card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    assert start_agent(device, *OPTIONS).wait() == 0
    kept = kept_of(device)

    again = start_agent(device, *OPTIONS)

    assert again.wait() == 0, again.log
    assert kept_of(device) == kept
    assert "joins the fleet" not in again.log


def test_a_claim_that_is_copied_to_it_once_more_is_not_used_and_deleted(
    fleet: Fleet, card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    assert start_agent(device, *OPTIONS).wait() == 0
    kept = kept_of(device)
    shutil.copy(fleet.folder / "claim.key", device.folder / "claim.key")

    again = start_agent(device, *OPTIONS)

    assert again.wait() == 0, again.log
    assert kept_of(device) == kept
    assert not (device.folder / "claim.key").exists()


def test_a_second_device_with_the_same_serial_number_is_refused(
    target: Target, card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    first, second = card(serial), card(serial)
    assert start_agent(first, *OPTIONS).wait() == 0

    line = failure(start_agent(second, *OPTIONS))

    assert f"serial number {serial} cannot join the fleet" in line
    assert "was claimed before" in line
    assert "./run serials" in line
    assert (second.folder / "claim.key").exists()
    assert start_agent(first, *OPTIONS).wait() == 0


def test_a_serial_number_that_is_not_on_the_list_is_refused_and_the_functions_log_says_why(
    target: Target, card: Callable[[str], Device], start_agent: StartAgent
) -> None:
    stranger = uuid4().hex

    line = failure(start_agent(card(stranger), *OPTIONS))

    assert f"serial number {stranger} cannot join the fleet" in line
    assert "is not on the list" in line
    assert stranger not in [each.number for each in SerialList.of(target).all()]


def test_two_serial_numbers_join_with_one_claim(
    target: Target, fleet: Fleet, card: Callable[[str], Device], start_agent: StartAgent
) -> None:
    numbers = [uuid4().hex[:16] for _ in range(2)]
    provision_fleet(
        [(each, None) for each in numbers], target=target, folder=fleet.folder, say=silent
    )
    devices = [card(each) for each in numbers]

    agents = [start_agent(each, *OPTIONS) for each in devices]

    assert [agent.wait() for agent in agents] == [0, 0], agents[1].log
    assert [kept_of(each).thing for each in devices] == numbers


def test_a_released_serial_number_joins_with_another_card_and_the_old_certificate_can_go(
    target: Target, card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    lost, new = card(serial), card(serial)
    assert start_agent(lost, *OPTIONS).wait() == 0

    SerialList.of(target).release(serial)
    agent = start_agent(new, *OPTIONS)
    assert agent.wait() == 0, agent.log
    revoke_old(kept_of(new).thing, target=target, say=silent)

    assert kept_of(new).thing == kept_of(lost).thing
    ids = [each["certificateId"] for each in _certificates(target)]
    assert kept_of(new).certificate_id in ids
    assert kept_of(lost).certificate_id not in ids


def _certificates(target: Target) -> list[dict[str, str]]:
    pages = target.client("iot").get_paginator("list_certificates").paginate()
    return [each for page in pages for each in page["certificates"]]


def test_a_claim_can_neither_publish_frames_nor_hear_results_nor_connect_as_a_device(
    card: Callable[[str], Device], serial: str, caplog: pytest.LogCaptureFixture
) -> None:
    device = card(serial)
    settings = Settings.read(device.settings)
    link = IotLink(settings.iot, identity.load(settings.iot), claim_client_id(serial))
    overheard: list[str] = []
    with link:
        link.subscribe(topic("front-door", "results"), lambda name, _: overheard.append(name))
        eventually("refusal", lambda: "refused to subscribe" in caplog.text)
        for name in (topic("front-door", "frames"), topic(f"cam-{serial[:6]}", "status")):
            with pytest.raises(TransportError, match="not authorized"):
                link.publish(name, b"{}")
    with (
        pytest.raises(ConfigError, match="not authorized"),
        IotLink(settings.iot, identity.load(settings.iot), "front-door"),
    ):
        pass

    assert overheard == []


def test_a_claim_that_was_revoked_is_said_to_be(
    target: Target, tmp_path: Path, start_agent: StartAgent
) -> None:
    number = uuid4().hex[:16]
    made = provision_fleet([(number, None)], target=target, folder=tmp_path / "c", say=silent)
    revoke_claim(made.folder, target=target, say=silent)
    device = Device(thing="c", folder=made.folder, settings=made.folder / "device.toml")
    device.configure("[claim]", f'[claim]\nserial = "{number}"')

    agent = start_agent(device, *OPTIONS)

    # This broker hangs up without a word, as one that is being restarted does.
    eventually("guess at the reason", lambda: "is its certificate active?" in agent.log)
    eventually("word of it", lambda: "was it revoked? (not in the fleet yet" in agent.log)
    agent.signal(signal.SIGTERM)
    assert agent.wait() == 0
    with pytest.raises(ConfigError, match="REVOKED"):
        provision_fleet([(number, None)], target=target, folder=made.folder, say=silent)


def test_a_template_that_is_not_there_is_named(
    card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    device.configure('template = "sightline-fleet"', 'template = "sightline-flet"')

    agent = start_agent(device, *OPTIONS)

    # The claim's policy names its template: so it is the right to ask that is missing.
    eventually("refusal", lambda: "sightline-flet/provision" in agent.log)
    assert "not authorized" in agent.log


class PowerCutError(Exception):
    """The power went."""


class CrashingFolder(IdentityFolder):
    """Writes so many files, and then the power goes: before one is written, or after."""

    def __init__(self, path: Path, *, writes: int) -> None:
        super().__init__(path)
        self._left = writes

    def _put(self, name: str, data: bytes, mode: int) -> None:
        if self._left == 0:
            raise PowerCutError
        self._left -= 1
        super()._put(name, data, mode)


class CrashingDesk(IotDesk):
    """Asks, and then the power goes before the answer is heard."""

    def register(self, token: str, serial: str) -> str:
        super().register(token, serial)
        raise PowerCutError


@pytest.mark.parametrize("writes", range(6))
def test_after_a_crash_between_any_two_writes_the_next_start_joins(
    target: Target, card: Callable[[str], Device], serial: str, start_agent: StartAgent, writes: int
) -> None:
    device = card(serial)
    settings = Settings.read(device.settings)
    folder = CrashingFolder(device.folder / FOLDER, writes=writes)
    try:
        with (
            folder.lock(),
            IotDesk(
                settings.iot,
                identity.load(settings.iot),
                claim_client_id(serial),
                "sightline-fleet",
            ) as desk,
        ):
            folder.commit(obtain(desk, folder, serial))
    except PowerCutError:
        assert writes < 5
    else:
        assert writes == 5  # new.key, pending.json, <id>.key, <id>.pem, current.json

    agent = start_agent(device, *OPTIONS)

    assert agent.wait() == 0, agent.log
    kept = kept_of(device)
    assert _files(device) == {"current.json", kept.certificate.name, kept.private_key.name}


def test_after_a_crash_before_the_answer_was_heard_the_next_start_joins(
    card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    settings = Settings.read(device.settings)
    folder = IdentityFolder(device.folder / FOLDER)
    with (
        pytest.raises(PowerCutError),
        folder.lock(),
        CrashingDesk(
            settings.iot, identity.load(settings.iot), claim_client_id(serial), "sightline-fleet"
        ) as desk,
    ):
        obtain(desk, folder, serial)
    pending = folder.pending()
    assert pending is not None

    agent = start_agent(device, *OPTIONS)

    assert agent.wait() == 0, agent.log
    assert kept_of(device).certificate_id == pending.certificate_id


def test_a_certificate_whose_token_was_lost_is_asked_for_anew(
    target: Target, card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    settings = Settings.read(device.settings)
    folder = IdentityFolder(device.folder / FOLDER)
    with (
        folder.lock(),
        IotDesk(
            settings.iot, identity.load(settings.iot), claim_client_id(serial), "sightline-fleet"
        ) as desk,
        pytest.raises(PowerCutError),
    ):
        obtain(desk, CrashingFolder(folder.path, writes=2), serial)
    old = folder.pending()
    if old is None:
        pytest.fail("nothing is under way")
    SerialList.of(target).release(serial)
    folder.keep_pending(
        Pending(certificate_id=old.certificate_id, certificate=old.certificate, token="of old")
    )

    agent = start_agent(device, *OPTIONS)

    assert agent.wait() == 0, agent.log
    assert kept_of(device).certificate_id != old.certificate_id


def _files(device: Device) -> set[str]:
    return {path.name for path in (device.folder / FOLDER).iterdir()}


def test_a_device_renews_its_own_certificate_and_the_old_one_goes_when_the_operator_says_so(
    target: Target, card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    assert start_agent(device, *OPTIONS).wait() == 0
    old = kept_of(device)

    rotating = start_agent(device, "--rotate")
    assert rotating.wait() == 0, rotating.log
    new = kept_of(device)
    assert start_agent(device, *OPTIONS).wait() == 0
    valid = _active(target, new.thing)
    revoke_old(new.thing, target=target, say=silent)

    (line,) = rotating.lines
    assert f"./run revoke {new.thing} --old" in line
    assert new.thing == old.thing
    assert new.certificate_id != old.certificate_id
    assert valid == {old.certificate_id, new.certificate_id}
    assert _active(target, new.thing) == {new.certificate_id}
    assert _files(device) == {"current.json", new.certificate.name, new.private_key.name}
    assert start_agent(device, *OPTIONS).wait() == 0


def _active(target: Target, thing: str) -> set[str]:
    iot = target.client("iot")
    ids = [
        arn.rpartition("/")[2] for arn in iot.list_thing_principals(thingName=thing)["principals"]
    ]
    return {
        each
        for each in ids
        if iot.describe_certificate(certificateId=each)["certificateDescription"]["status"]
        == "ACTIVE"
    }


def test_a_renewal_that_broke_off_is_finished_at_the_next_start_even_if_the_old_one_is_revoked(
    target: Target, card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    assert start_agent(device, *OPTIONS).wait() == 0
    old = kept_of(device)

    def crash(*_: object) -> None:
        raise PowerCutError

    with pytest.raises(PowerCutError):
        renew(device.settings, try_out=crash)
    assert kept_of(device) == old
    revoke_old(old.thing, target=target, say=silent)  # keeps what the device was admitted with
    agent = start_agent(device, *OPTIONS)

    assert agent.wait() == 0, agent.log
    assert kept_of(device).certificate_id != old.certificate_id


def test_a_device_cannot_take_up_a_second_serial_number(
    target: Target,
    fleet: Fleet,
    card: Callable[[str], Device],
    serial: str,
    start_agent: StartAgent,
) -> None:
    device, other = card(serial), uuid4().hex[:16]
    provision_fleet([(other, None)], target=target, folder=fleet.folder, say=silent)
    assert start_agent(device, *OPTIONS).wait() == 0
    settings = Settings.load(device.settings)

    with (
        IotDesk(
            settings.iot, identity.load(settings.iot), settings.thing, "sightline-fleet"
        ) as desk,
        pytest.raises(ConfigError, match="not on the list, or was claimed"),
    ):
        obtain(desk, IdentityFolder(device.folder / FOLDER), other)


def test_two_agents_cannot_be_one_device(
    card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    first = start_agent(device, "--camera", DATA, "--loop")
    first.wait_for_lines(1)

    assert "another agent uses this identity; stop it first" in failure(
        start_agent(device, *OPTIONS)
    )
    assert "another agent" in failure(start_agent(device, "--rotate"))


def test_a_device_that_is_revoked_is_thrown_out_at_once(
    target: Target, card: Callable[[str], Device], serial: str, start_agent: StartAgent
) -> None:
    device = card(serial)
    agent = start_agent(device, "--camera", DATA, "--loop")
    agent.wait_for_lines(1)
    thing = kept_of(device).thing

    revoke(thing, target=target, say=silent)

    eventually("end of its session", lambda: "is lost" in agent.log)
    eventually("word of the reason", lambda: "is its certificate active?" in agent.log)
    assert target.client("iot").describe_thing(thingName=thing)["thingName"] == thing
    assert _active(target, thing) == set()


def test_the_commands_for_a_fleet(target: Target, stack: LocalStack, tmp_path: Path) -> None:
    def run(*words: str | Path) -> Finished:
        return run_command(stack.settings.state, *words)

    listed = tmp_path / "pis.txt"
    numbers = [uuid4().hex[:16], uuid4().hex[:16]]
    listed.write_text(f"# our Pis\n{numbers[0]}\n\n{numbers[1]},gate-{numbers[1][:4]}\n")
    folder = tmp_path / "fleet"

    made = run("provision", "--fleet", "2", "--serials", listed, "--out", folder)
    assert made.status == 0, made.err
    assert made.out.splitlines() == [
        "serial_number,thing",
        f"{numbers[0]},{numbers[0]}",
        f"{numbers[1]},gate-{numbers[1][:4]}",
    ]
    more = run("provision", "--fleet", "3", "--prefix", f"p{numbers[0][:4]}", "--out", folder)
    assert more.status == 0, more.err
    assert "has the claim already" in more.err
    assert [line.split(",")[1] for line in more.out.splitlines()[1:]] == [
        f"p{numbers[0][:4]}-{n}" for n in (1, 2, 3)
    ]
    shown = {row["serial_number"]: row for row in run("serials", "list", "--json").json}
    assert shown[numbers[1]]["thing"] == f"gate-{numbers[1][:4]}"
    assert numbers[0] in run("serials", "list").out
    assert run("serials", "add", "AB:CD", "--thing", f"t{numbers[0][:5]}").status == 0
    assert run("serials", "release", "AB:CD").status == 0
    assert run("serials", "remove", "AB:CD").status == 0
    assert "not on the list" in one_line(run("serials", "release", "AB:CD").err)
    assert "is not 1 to 64" in one_line(run("serials", "add", "a b").err)
    assert "name one device, or give --fleet" in one_line(run("provision").err)
    assert "holds 2 serial numbers, not 5" in one_line(
        run("provision", "--fleet", "5", "--serials", listed).err
    )
    assert mode(folder / "claim.key") == 0o600
    assert "is revoked" in one_line(run("revoke", "--claim", folder).err)
    assert "is REVOKED" in one_line(run("revoke", "--claim", folder).err)
    assert "name one device, or a claim's folder" in one_line(run("revoke").err)


def test_the_commands_for_a_devices_keys(
    target: Target, stack: LocalStack, tmp_path: Path, start_agent: StartAgent
) -> None:
    def run(*words: str | Path) -> Finished:
        return run_command(stack.settings.state, *words)

    thing, folder = f"keys-{uuid4().hex[:6]}", tmp_path / "keys"
    assert run("provision", thing, "--out", folder).status == 0
    device = Device(thing=thing, folder=folder, settings=folder / "device.toml")

    rotated = run("rotate", thing, "--folder", folder)
    assert rotated.status == 0, rotated.err
    assert f"./run revoke {thing} --old" in rotated.err
    assert len(_active(target, thing)) == 2
    assert start_agent(device, *OPTIONS).wait() == 0
    assert run("revoke", thing, "--old").status == 0
    assert start_agent(device, *OPTIONS).wait() == 0
    assert run("revoke", thing).status == 0
    assert _active(target, thing) == set()
    assert "--rotate" in one_line(run("rotate", thing, "--folder", tmp_path / "none").err)
    assert f"./run rotate {thing}" in failure(start_agent(device, "--rotate"))
    assert run("deprovision", thing, "--folder", folder).status == 0
    assert "there is no thing" in one_line(run("revoke", thing).err)
