"""The hub's own client: requests that wait and are repeated, and errors in the words of the user.

The client reads HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE from the environment; the token
is never handled here.
"""

import os
import time

from infogeo.files.artefacts import disk_full, is_disk_full
from infogeo.files.errors import InfogeoError

# What a busy or restarting server answers; each request is made so many times, waiting longer each
# time or as long as the server says.
BUSY = (408, 429, 500, 502, 503, 504)
TRIES = 4


class NoRevision(InfogeoError):
    """A repository has no such revision; others of it may be there."""


def api():
    from huggingface_hub import HfApi

    return HfApi(library_name="infogeo")


def limit_waiting() -> None:
    """Give every request of the client the time limit that it gives only to some."""
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def limit(request) -> None:
        limits = request.extensions.get("timeout") or {}
        for kind in ("connect", "read", "write", "pool"):
            limits[kind] = limits.get(kind) or constants.HF_HUB_DOWNLOAD_TIMEOUT
        request.extensions["timeout"] = limits

    def client():
        made = default_client_factory()
        hooks = made.event_hooks
        hooks["request"].append(limit)
        made.event_hooks = hooks
        return made

    set_client_factory(client)


def patiently(call):
    """The result of a request, made again where the server is busy or the network fails."""
    for attempt in range(TRIES):
        try:
            return call()
        except Exception as error:
            wait = _pause(error, attempt)
            if wait is None or attempt == TRIES - 1:
                raise
            print(f"the hub is busy or out of reach; again in {wait} s", flush=True)
            time.sleep(wait)
    raise AssertionError("unreachable")


def _pause(error: Exception, attempt: int) -> int | None:
    """Seconds to wait before a request is made again; None where that would not help."""
    from huggingface_hub.utils import parse_ratelimit_headers

    response = _response(error)
    if response is not None and response.status_code in BUSY:
        after = response.headers.get("Retry-After", "")
        if after.isdigit():
            return int(after)
        limits = parse_ratelimit_headers(response.headers)
        if limits is not None and limits.remaining == 0:
            return limits.reset_in_seconds + 1
        return 2**attempt
    return 2**attempt if response is None and _is_network(error) else None


class Explained:
    """Turns the errors of the hub's client into messages for users."""

    def __init__(self, name: str, kind: str, revision: str):
        self.what = name, kind, revision

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if error is not None and not isinstance(error, InfogeoError):
            message = _message(error, *self.what)
            if message is not None:
                raise message from error


def _message(error: BaseException, name: str, kind: str, revision: str) -> InfogeoError | None:
    from huggingface_hub import errors, is_offline_mode

    page = page_of(name, kind)
    causes = list(_causes(error))

    def among(*kinds) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(errors.OfflineModeIsEnabled) or (
        is_offline_mode()
        and among(errors.CachedRepoTreeNotFoundError, errors.LocalEntryNotFoundError)
    ):
        return not_cached(name, kind, revision)
    if among(errors.GatedRepoError):
        return InfogeoError(
            f"{page}: gated: its licence must be accepted. Do so on that page, with your account; "
            f"then set HF_TOKEN to a token of that account that may read it. {_token_state()}"
        )
    if among(errors.RepositoryNotFoundError):
        return InfogeoError(
            f"{page}: no such repository, or it is private. Correct `where`; if it is private, "
            f"set HF_TOKEN to a token that may read it. {_token_state()}"
        )
    if among(errors.RevisionNotFoundError):
        return NoRevision(
            f"{page}: no revision {revision!r}. The column `revision` is a branch, a tag, a pull "
            "request (refs/pr/1) or a commit; empty for the main branch."
        )
    response = _response(error)
    status = response.status_code if response is not None else None
    if status in (401, 403):
        return InfogeoError(
            f"{page}: access denied ({status}). Set HF_TOKEN to a valid token of an account that "
            f"may read it. {_token_state()}"
        )
    if status == 429:
        return InfogeoError(
            f"{page}: too many requests (429), also after waiting as long as the server asked. Run "
            "the same command again later; with HF_TOKEN set the limits are wider."
        )
    if status is not None:
        return InfogeoError(
            f"{page}: the hub answers with status {status}. What was fetched is kept; run the same "
            "command again later."
        )
    if any(is_disk_full(cause) for cause in causes):
        return disk_full(cache_folder())
    if among(errors.HFValidationError):
        return InfogeoError(f"{page}: {name!r} is not a repository's name (`where`): {error}")
    if _is_network(error):
        return InfogeoError(
            f"{page}: no answer ({type(causes[-1]).__name__}). Is there network here, and "
            "HF_ENDPOINT right? What was fetched is kept: run the same command again; or, where "
            "everything is in the cache, set HF_HUB_OFFLINE=1."
        )
    if among(OSError):
        return InfogeoError(
            f"{page}: {causes[-1]} (cache: {cache_folder()}). Run the same command again."
        )
    return None


def not_cached(name: str, kind: str, revision: str) -> InfogeoError:
    return InfogeoError(
        f"{page_of(name, kind)} at {revision or 'main'}: HF_HUB_OFFLINE is set, and not all of it "
        f"is in the cache {cache_folder()}. Fetch it once where there is network, with the same "
        "HF_HOME."
    )


def page_of(name: str, kind: str) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"


def cache_folder() -> str:
    from huggingface_hub import constants

    return constants.HF_HUB_CACHE


def _token_state() -> str:
    state = "is set" if os.environ.get("HF_TOKEN") else "is not set"
    return f"(HF_TOKEN {state} here.)"


def _causes(error: BaseException):
    while error is not None:
        yield error
        error = error.__cause__


def _response(error: Exception):
    """The server's answer behind an error, or None."""
    from huggingface_hub.errors import HfHubHTTPError

    return next((e.response for e in _causes(error) if isinstance(e, HfHubHTTPError)), None)


def _is_network(error: Exception) -> bool:
    from huggingface_hub.errors import HTTPError

    return any(isinstance(e, HTTPError) for e in _causes(error))
