"""The commands of `slm`, a module a stage. Each imports what it needs when it runs: most of them never load torch."""

from slm.commands import check, enjoy, plan, publish, results, status, train, verify

MODULES = (check, train, verify, status, enjoy, plan, results, publish)
"""Each has ``add_to(commands)``, which declares its commands."""

__all__ = ["MODULES"]
