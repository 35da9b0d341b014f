"""A microscope for pymmcore-plus without hardware and without Micro-Manager's device adapters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymmcore_plus.experimental.unicore import ShutterDevice, SimpleCameraDevice, StageDevice, UniMMCore
from simulated_camera import Camera, defocused_light, specimen

BRIGHTEST_PHOTONS = 40.0
HEIGHT_PX = 96


class SimulatedCamera(SimpleCameraDevice):
    """A camera that looks at cells, or at defocused light for a calibration."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = np.random.default_rng(seed)
        self._camera = Camera("Simulated sCMOS", "S-1", "HDR", gain_adu=2.0)
        self._cells_yx = specimen(self._rng, BRIGHTEST_PHOTONS)[0, :HEIGHT_PX]
        self._light_yx = defocused_light(1, BRIGHTEST_PHOTONS * 1.5)[0, :HEIGHT_PX]
        self._exposure_ms = 10.0
        self.in_focus = True

    def get_camera_name(self) -> str:
        return self._camera.model

    def get_exposure(self) -> float:
        return self._exposure_ms

    def set_exposure(self, exposure: float) -> None:
        self._exposure_ms = exposure

    def sensor_shape(self) -> tuple[int, int]:
        height_px, width_px = self._cells_yx.shape
        return height_px, width_px

    def dtype(self) -> type[np.uint16]:
        return np.uint16

    def snap(self, buffer: NDArray[Any]) -> Mapping[str, Any]:
        photons_yx = self._cells_yx if self.in_focus else self._light_yx
        buffer[:] = self._camera.observe(photons_yx, self._rng)
        return {}


class SimulatedFocus(StageDevice):
    """A focus drive, which the simulated image does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self._position_um = 0.0

    def home(self) -> None:
        self._position_um = 0.0

    def stop(self) -> None:
        """Do nothing: it moves at once."""

    def set_origin(self) -> None:
        self._position_um = 0.0

    def set_position_um(self, val: float) -> None:
        self._position_um = val

    def get_position_um(self) -> float:
        return self._position_um


class SimulatedShutter(ShutterDevice):
    """A shutter, which the engine closes after each frame."""

    def __init__(self) -> None:
        super().__init__()
        self._is_open = False

    def get_open(self) -> bool:
        return self._is_open

    def set_open(self, open: bool) -> None:  # noqa: A002, FBT001  # as in the base class
        self._is_open = open


def simulated_microscope(seed: int) -> tuple[UniMMCore, SimulatedCamera]:
    """Return a core whose camera is simulated; its pixel size is not calibrated, as on many microscopes."""
    core, camera = UniMMCore(), SimulatedCamera(seed)
    core.loadPyDevice("Camera", camera)
    core.loadPyDevice("Focus", SimulatedFocus())
    core.loadPyDevice("Shutter", SimulatedShutter())
    core.initializeAllDevices()
    core.setCameraDevice("Camera")
    core.setFocusDevice("Focus")
    core.setShutterDevice("Shutter")
    return core, camera
