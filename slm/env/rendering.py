"""Pictures of environments on machines without a display."""

from __future__ import annotations

import importlib
import os
from ctypes.util import find_library

from slm.errors import UserError

LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}
"""Value of MUJOCO_GL → the library that draws without a display."""
INSTALL = "install EGL (Debian: libegl1 libgl1-mesa-dri) or OSMesa (libosmesa6)"


def prepare_mujoco() -> None:
    """Choose how MuJoCo draws, unless there is a display or MUJOCO_GL says it already; check that it can.

    Raises UserError where neither EGL nor OSMesa works.
    """
    if os.environ.get("MUJOCO_GL") is None and not os.environ.get("DISPLAY"):
        backend = next((name for name, library in LIBRARIES.items() if find_library(library)), None)
        if backend is None:
            raise UserError(f"rendering MuJoCo without a display needs a library that is not there: {INSTALL}")
        os.environ["MUJOCO_GL"] = backend
    backend = os.environ.get("MUJOCO_GL", "")
    if backend in LIBRARIES:
        try:
            importlib.import_module(f"mujoco.{backend}").GLContext(64, 64).free()
        # Anything may come out of a graphics driver.
        except Exception as error:
            raise UserError(f"rendering MuJoCo with MUJOCO_GL={backend} fails ({error!r}); {INSTALL}") from error
