"""The C++ compiler that the compiled backend needs: looked for here, without importing torch."""

from __future__ import annotations

import os
import shutil

COMPILERS = ("g++", "c++", "clang++")


def compiler() -> str | None:
    """The C++ compiler to use: ``$CXX`` where it is set, else the first of `COMPILERS` on the PATH, else None."""
    asked = os.environ.get("CXX")
    candidates = (asked,) if asked else COMPILERS
    return next((name for name in candidates if shutil.which(name)), None)
