"""The commands of `slm`, a module a stage. Each imports what it needs when it runs: most of them never load torch."""

from slm.commands import check, plan, publish, results, train, verify

MODULES = (check, train, verify, plan, results, publish)
"""Each has ``add_to(commands)``, which declares its commands."""

__all__ = ["MODULES"]
