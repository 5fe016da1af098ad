"""The one error that is meant for users."""


class InfogeoError(Exception):
    """What is wrong, where (file, field, value), and what to do about it.

    Scripts print its message without a traceback.
    """
