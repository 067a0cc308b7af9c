"""The gate that settings ask for, put together."""

import logging
from collections.abc import Callable

from device.gate.gate import FaceFinder, Gate
from device.gate.gatekeeper import Gatekeeper
from device.gate.settings import GateSettings
from device.settings import CameraSettings, Settings, is_path
from sightline.errors import ConfigError, ModelError

# A face a tenth smaller than the smallest looked for is found nearly as often, at a tenth less:
# of 72 faces of 42 px, some dimmed or noisy, 68 instead of 70. It is looked at again soon.
_COARSE = 1.1

log = logging.getLogger(__name__)


def face_finder(gate: GateSettings, camera: CameraSettings) -> FaceFinder:
    """Load what finds faces; only here are the networks and their runtime needed.

    Raises:
        ImportError: The runtime is not installed.
        ModelError: A file of the networks is missing or damaged.
    """
    from device.gate.faces import FaceCheck
    from sightline.faces.detector import Detector

    detector = Detector(smallest_face_px=round(_COARSE * gate.faces.smallest_px))
    return FaceCheck(detector, within=(camera.width, camera.height))


def gatekeeper_for(
    settings: Settings,
    finder: Callable[[GateSettings, CameraSettings], FaceFinder] = face_finder,
) -> Gatekeeper | None:
    """Build the gate for the camera of *settings*; None: there is none, each frame is sent.

    Raises:
        ConfigError: It is to look for faces, and cannot.
    """
    wanted = settings.gate
    mode = wanted.mode_for(live=not is_path(settings.camera.source))
    if mode == "off":
        return None
    found = None
    if mode == "faces":
        try:
            found = finder(wanted, settings.camera)
        except ImportError as err:
            raise ConfigError(
                f'[gate] mode "faces" needs a package that is missing ({err.name}): '
                "pip install '.[device,gate]', or choose mode = \"motion\""
            ) from err
        except ModelError as err:
            raise ConfigError(f'[gate] mode "faces": {err}') from err
    log.info("the gate is on: %s (./run gate shows what passes it)", mode)
    return Gatekeeper(
        Gate(wanted, found),
        interval_s=settings.frames.interval_s,
        burst_s=wanted.burst_s,
        keepalive_s=wanted.keepalive_s,
    )
