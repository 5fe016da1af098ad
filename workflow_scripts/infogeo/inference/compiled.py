"""Loops compiled by numba: once on a machine where the result can be kept, else once a process."""

from numba import njit


def compiled(**settings):
    """A decorator: `numba.njit` with these settings, without the GIL and by numpy's division.

    Compilation takes a second and 90 MB. Its result is kept beside the module or in the user's
    cache, for each kind of processor, until the module's file changes: the function must not call
    a compiled function of another file.
    """

    def decorate(function):
        try:
            return njit(function, cache=True, nogil=True, error_model="numpy", **settings)
        except RuntimeError:  # nowhere to keep it
            return njit(function, nogil=True, error_model="numpy", **settings)

    return decorate
