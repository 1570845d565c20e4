"""Errors that are the user's to mend: the command line prints them without a traceback and exits with code 2."""


class UserError(Exception):
    """A mistake in what was asked for: a spec, a setting, an argument, or something missing on the machine."""

    exit_code = 2
