"""The update backend of a run: decided once, when the workflow is planned."""

from __future__ import annotations

from slm.errors import UserError
from slm.toolchain import COMPILERS, compiler


def choose_backend(asked: str) -> tuple[str, str]:
    """The backend for ``asked`` (``auto``, ``compiled`` or ``eager``) and a sentence that says which and why.

    Raises UserError for ``compiled`` on a machine without a C++ compiler.
    """
    found = compiler()
    if asked == "eager":
        return "eager", "Updates run eagerly, as the configuration asks (backend: eager)."
    if found:
        why = "as the configuration asks" if asked == "compiled" else "because there is a C++ compiler"
        return "compiled", f"Updates run compiled, {why} ({found})."
    if asked == "compiled":
        raise UserError(
            f"backend: 'compiled' needs a C++ compiler, and neither $CXX nor {', '.join(COMPILERS)} names one on the "
            "PATH; install one, or set backend to 'auto' or 'eager'"
        )
    return "eager", f"Updates run eagerly, because there is no C++ compiler ({', '.join(COMPILERS)} or $CXX)."
