"""Settings that an operator asks for while the agent runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.network.local_link import LocalLink
from device.remote.kept_settings import KeptSettings
from device.remote.live_settings import LIVE, LiveSettings
from device.remote.shadow import REPORTS, Shadow, difference, shadow_topic
from device.settings import Settings
from sightline.errors import ConfigError, TransportError
from tests.device.fakes import settings
from tests.device.remote.shadows import ShadowService, merged


class Device:
    """What follows settings: it notes what it was told to do."""

    def __init__(self, link: LocalLink, kept: Path | None = None) -> None:
        self.now = settings()
        self.live = LiveSettings(self.now)
        self.live.watch([each for each in LIVE if not each.startswith("recording")], self.adopt)
        self.refuses = ""
        self.changes = 0
        self.shadow = Shadow("front-door", self.live, KeptSettings(kept) if kept else None)
        self.shadow.listen(link, self._changed)

    def adopt(self, wanted: Settings) -> Callable[[], None]:
        if self.refuses and wanted.gate.mode == self.refuses:
            raise ConfigError(f"[gate] mode {self.refuses}: a package is missing")

        def commit() -> None:
            self.now = wanted

        return commit

    def work(self) -> None:
        while self.shadow.step():
            pass

    def _changed(self) -> None:
        self.changes += 1


class Rig:
    def __init__(self, kept: Path | None = None) -> None:
        self.link = LocalLink()
        self.service = ShadowService(self.link)
        self.device = Device(self.link, kept)
        self.device.work()

    def desire(self, desired: dict[str, Any] | None) -> None:
        self.service.desire(desired)
        self.device.work()

    @property
    def errors(self) -> dict[str, str]:
        found: dict[str, str] = self.service.reported.get("errors", {})
        return found


def test_a_device_reports_what_is_in_force_where_there_was_no_shadow() -> None:
    rig = Rig()

    reported = rig.service.reported
    assert reported["frames"] == {"interval_s": 0.02, "jpeg_quality": 85}
    assert reported["status"] == {"every_s": 60.0}
    assert reported["gate"]["motion"]["threshold"] == 0.005
    assert "recording" not in reported  # nobody here follows it
    assert "errors" not in reported


def test_what_is_asked_for_is_in_force_at_once_and_reported() -> None:
    rig = Rig()

    rig.desire({"frames": {"interval_s": 2}, "gate": {"mode": "off", "motion": {"threshold": 0.1}}})

    assert rig.device.now.frames.interval_s == 2.0
    assert (rig.device.now.gate.mode, rig.device.now.gate.motion.threshold) == ("off", 0.1)
    assert rig.device.now.frames.jpeg_quality == 85
    assert rig.service.reported["frames"]["interval_s"] == 2
    assert rig.service.reported["gate"]["mode"] == "off"
    assert rig.errors == {}


@pytest.mark.parametrize(
    ("desired", "path", "expected"),
    [
        ({"frames": {"interval_s": 0}}, "frames.interval_s", "expected 0.02 to 86400, got 0"),
        ({"frames": {"interval_s": "2"}}, "frames.interval_s", "expected a number, got '2'"),
        ({"frames": {"interval_s": True}}, "frames.interval_s", "expected a number, got True"),
        ({"frames": {"interval_s": []}}, "frames.interval_s", "expected a number, got []"),
        ({"frames": {"interval_s": 10**400}}, "frames.interval_s", "expected a number"),
        ({"frames": {"jpeg_quality": 85.5}}, "frames.jpeg_quality", "expected a whole number"),
        ({"frames": {"jpeg_quality": {"a": 1}}}, "frames.jpeg_quality", "got {'a': 1}"),
        ({"frames": 5}, "frames", "expected a section, got 5"),
        ({"frames": {"intervall_s": 1}}, "frames.intervall_s", "did you mean frames.interval_s?"),
        ({"gate": {"mode": "sometimes"}}, "gate.mode", "expected one of auto, off, motion, faces"),
        ({"gate": {"motion": "lots"}}, "gate.motion", "expected a section, got 'lots'"),
        ({"gate": {"motion": {"threshold": 2}}}, "gate.motion.threshold", "0.0001 to 1, got 2"),
        ({"frames.interval_s": 1}, "'frames.interval_s'", "did you mean frames.interval_s?"),
        ({"camera": {"width": 5}}, "camera", "set it in device.toml"),
        ({"iot": {"endpoint": "evil.example"}}, "iot", "set it in device.toml"),
        ({"thing": "other"}, "thing", "set it in device.toml"),
        ({"recording": {"enabled": True}}, "recording", "set it in device.toml"),
        ({"moon": {"phase": 1}}, "moon", "no such setting"),
        ({"m\n\x1b[2J": 1}, r"'m\n\x1b[2J'", "no such setting"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason_and_the_old_stays(
    desired: dict[str, Any], path: str, expected: str
) -> None:
    rig = Rig()
    rig.desire({"frames": {"interval_s": 3, "jpeg_quality": 50}, "gate": {"mode": "motion"}})
    before = rig.device.now

    rig.desire(desired)

    assert rig.device.now == before
    assert expected in rig.errors[path]
    assert rig.service.reported["frames"] == {"interval_s": 3, "jpeg_quality": 50}
    assert path.splitlines()[0][:5] in (rig.device.shadow.trouble() or "")


def test_one_bad_value_keeps_no_good_one_from_being_in_force() -> None:
    rig = Rig()

    rig.desire({"frames": {"interval_s": -1, "jpeg_quality": 60}, "status": {"every_s": 5}})

    assert (rig.device.now.frames.jpeg_quality, rig.device.now.status.every_s) == (60, 5.0)
    assert [*rig.errors] == ["frames.interval_s"]


def test_an_error_is_gone_once_what_was_wrong_is_mended() -> None:
    rig = Rig()
    rig.desire({"frames": {"interval_s": -1}, "moon": 1})
    rig.desire({"frames": {"interval_s": 1}})
    assert [*rig.errors] == ["moon"]
    rig.desire({"moon": None})

    assert rig.errors == {}
    assert rig.device.shadow.trouble() is None
    assert rig.device.changes == 3


def test_what_is_taken_back_is_as_device_toml_has_it() -> None:
    rig = Rig()
    rig.desire({"frames": {"interval_s": 2, "jpeg_quality": 50}})
    rig.desire({"frames": {"interval_s": None}})
    assert (rig.device.now.frames.interval_s, rig.device.now.frames.jpeg_quality) == (0.02, 50)
    rig.desire({"frames": None})
    assert rig.device.now.frames.jpeg_quality == 85
    rig.desire({"gate": {"hold_s": 9}})
    rig.desire(None)

    assert rig.device.now == settings()
    assert rig.service.reported["gate"]["hold_s"] == 5


def test_what_a_part_cannot_do_is_refused_and_the_rest_done() -> None:
    rig = Rig()
    rig.device.refuses = "faces"

    rig.desire({"gate": {"mode": "faces", "hold_s": 8}})

    assert (rig.device.now.gate.mode, rig.device.now.gate.hold_s) == ("auto", 8)
    assert rig.errors == {"gate.mode": "[gate] mode faces: a package is missing"}


def test_an_older_document_is_ignored() -> None:
    rig = Rig()
    rig.desire({"frames": {"interval_s": 1}})
    old = rig.service.document()
    rig.desire({"frames": {"interval_s": 2}})

    rig.service.say("get/accepted", old)
    rig.service.say("update/documents", {"current": old})
    rig.device.work()

    assert rig.device.now.frames.interval_s == 2.0


def test_a_shadow_that_was_made_anew_is_followed_after_the_next_connect() -> None:
    link = LocalLink()
    device = Device(link)
    first = ShadowService(link)
    device.shadow._events.put(("connected", b""))
    device.work()
    for i in range(9):
        first.desire({"frames": {"interval_s": 1 + i}})
    device.work()
    first.state, first.version = {}, 1
    device.shadow._events.put(("connected", b""))
    device.work()
    first.desire({"frames": {"interval_s": 4}})
    device.work()

    assert device.now.frames.interval_s == 4.0


def test_nothing_is_published_while_all_is_as_reported() -> None:
    rig = Rig()
    rig.desire({"frames": {"interval_s": 2}, "moon": 1})
    count = len(rig.service.updates)

    for _ in range(5):
        rig.device.shadow._events.put(("connected", b""))
        rig.device.work()

    assert len(rig.service.updates) == count


def test_a_service_that_does_not_keep_what_is_reported_is_not_told_for_ever() -> None:
    link, sent = LocalLink(), list[bytes]()
    state = {"state": {"desired": {}, "reported": {"frames": 1}}, "version": 5}

    def forget(_: str, payload: bytes) -> None:
        sent.append(payload)
        link.publish(
            shadow_topic("front-door", "update/documents"), json.dumps({"current": state}).encode()
        )

    link.subscribe(shadow_topic("front-door", "update"), forget)
    device = Device(link)
    link.publish(shadow_topic("front-door", "get/accepted"), json.dumps(state).encode())
    device.work()

    assert len(sent) == REPORTS


def test_a_full_shadow_has_what_is_in_force_reported_without_the_errors() -> None:
    rig = Rig()
    rig.desire({f"nonsense_{i}": "x" * 60 for i in range(80)})
    rig.desire({f"more_{i}": "x" for i in range(20)} | {"status": {"every_s": 7}})

    assert rig.device.now.status.every_s == 7.0
    assert rig.service.reported["status"]["every_s"] == 7.0
    assert len(json.dumps(rig.service.state)) < 9000


def test_of_many_errors_a_few_are_reported_and_the_rest_counted() -> None:
    rig = Rig()
    rig.desire({f"nonsense_{i}": i for i in range(100)})

    assert len(rig.errors) == 9
    assert rig.errors["more"] == "92"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{]",
        b"[]",
        b"null",
        b"\xff",
        b'{"state": 5, "version": 1}',
        b'{"state": {}, "version": "1"}',
        b'{"state": {}}',
        b"[" * 100_000,
        b'{"state":' * 30_000,
        b" " * 200_000,
    ],
)
def test_a_strangers_document_changes_nothing(payload: bytes) -> None:
    rig = Rig()
    for what in ("get/accepted", "update/documents", "get/rejected", "update/rejected"):
        if len(payload) < 128 * 1024:
            rig.service.say(what, payload)
        rig.device.shadow._events.put(("document", payload))
        rig.device.work()

    assert rig.device.now == settings()


def test_deep_nesting_is_refused_where_our_own_sections_end() -> None:
    rig = Rig()
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"frames": deep}

    rig.desire({"frames": deep, "gate": {"motion": {"threshold": deep}}})

    assert rig.device.now == settings()
    assert {"frames.frames", "gate.motion.threshold"} == set(rig.errors)


def test_a_document_nested_too_deeply_is_refused_and_the_device_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.desire({"frames": {"interval_s": 2}})
    # By what is around them, some depths pass json.loads and fail later, in ascii or json.dumps.
    for depth in (61, *range(900, 1000)):
        deep = '{"a":' * depth + "1" + "}" * depth
        state = f'{{"state":{{"desired":{{"frames":{{"interval_s":{deep}}}}}}},"version":9}}'
        rig.service.say("get/accepted", state.encode())
        rig.service.say("update/documents", f'{{"current":{state}}}'.encode())
        rig.service.say("update/rejected", f'{{"message":{deep}}}'.encode())
        rig.device.work()

    assert caplog.text.count("it is nested deeper than 64 levels") >= 3 * 100
    assert rig.device.now.frames.interval_s == 2.0
    rig.desire({"frames": {"interval_s": 3}})
    assert rig.device.now.frames.interval_s == 3.0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["frames", "interval_s", "gate", "mode", "motion", "threshold", "x", ""]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_is_asked_for_the_settings_in_force_are_valid(desired: object) -> None:
    device = Device(LocalLink())

    errors = device.live.ask(desired)

    assert 0.02 <= device.now.frames.interval_s <= 86400
    assert device.now == device.live.settings
    assert all(isinstance(why, str) and why for why in errors.values())


def test_a_restart_without_a_network_keeps_what_was_asked_for(tmp_path: Path) -> None:
    kept = tmp_path / "state" / "settings.json"
    Rig(kept).desire({"frames": {"interval_s": 2, "jpeg_quality": 999}, "gate": {"hold_s": 1}})

    alone = Device(LocalLink(), kept)

    assert (alone.now.frames.interval_s, alone.now.gate.hold_s) == (2.0, 1.0)
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_refused_value_leaves_the_one_before_in_force_over_a_restart(tmp_path: Path) -> None:
    kept = tmp_path / "settings.json"
    rig = Rig(kept)
    rig.desire({"frames": {"interval_s": 2}})
    rig.desire({"frames": {"interval_s": "often"}})
    again = Device(rig.link, kept)
    again.work()

    assert again.now.frames.interval_s == 2.0
    assert "frames.interval_s" in rig.errors


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{]",
        b"[]",
        b'{"frames.interval_s": "x", "frames": 1, "": 2, ".": 3, "frames.interval_s.x": 4}',
        b"[" * 60_000,
    ],
)
def test_a_spoilt_file_of_kept_settings_is_done_without(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "settings.json"
    kept.write_bytes(content)

    assert Device(LocalLink(), kept).now == settings()
    assert caplog.text


def test_kept_settings_nested_too_deeply_are_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "settings.json"
    for depth in range(900, 1000):
        kept.write_bytes(b'{"gate.hold_s":' + b"[" * depth + b"]" * depth + b"}")
        assert Device(LocalLink(), kept).now == settings()

    assert caplog.text.count("device.toml holds: it is nested deeper than 64 levels") == 100


def test_a_disk_that_takes_nothing_is_told_of_once_and_the_settings_are_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    rig = Rig(tmp_path / "file" / "settings.json")
    rig.desire({"frames": {"interval_s": 2}})
    rig.desire({"frames": {"interval_s": 3}})

    assert rig.device.now.frames.interval_s == 3.0
    assert caplog.text.count("cannot be kept for a restart") == 1
    assert "cannot be kept" in (rig.device.shadow.trouble() or "")


def test_what_cannot_be_sent_is_sent_after_the_next_connect() -> None:
    class Away(LocalLink):
        away = True

        def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
            if self.away and topic.endswith(("/get", "/update")):
                raise TransportError("there is no connection")
            super().publish(topic, payload, retain=retain)

    link = Away()
    service, device = ShadowService(link), Device(link)
    device.work()
    service.desire({"frames": {"interval_s": 2}})
    device.work()
    assert device.now.frames.interval_s == 2.0
    link.away = False
    device.shadow._events.put(("connected", b""))
    device.work()

    assert service.reported["frames"]["interval_s"] == 2.0


def test_a_get_without_an_answer_is_asked_again() -> None:
    link, clock, asked = LocalLink(), [0.0], list[bytes]()
    link.subscribe(shadow_topic("front-door", "get"), lambda _, payload: asked.append(payload))
    shadow = Shadow("front-door", LiveSettings(settings()), clock=lambda: clock[0])
    shadow.listen(link)
    shadow.step()
    shadow.step()
    assert len(asked) == 1
    clock[0] = 61.0
    shadow.step()

    assert len(asked) == 2


@given(json_values, json_values)
def test_a_difference_merged_into_the_old_gives_the_new(old: object, new: object) -> None:
    def clean(value: object) -> dict[str, Any]:
        found = json.loads(json.dumps(value).replace("NaN", "1").replace("Infinity", "2"))
        return merged({}, found) if isinstance(found, dict) else {}

    before, after = clean(old), clean(new)
    update = difference(before, after)

    made = merged(json.loads(json.dumps(before)), update)
    assert made == after
    assert (update == {}) == (json.dumps(before) == json.dumps(after)) or before == after
