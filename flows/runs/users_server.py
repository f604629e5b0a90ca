"""A Prefect server of the user's own, asked the way Prefect's client asks: with its headers, certificates, proxies and keys."""

from __future__ import annotations

import json

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from trending.errors import NotReady

ASK_SECONDS = 10.0
_REFUSED = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})


def users_server_answers(url: str) -> bool:
    """Whether a Prefect API answers there and takes our credentials.

    Raises NotReady, with the remedy, if something else answers or the credentials are refused: waiting would not help.
    """
    try:
        answer = _ask(url)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        if code in _REFUSED:
            cause = f"the Prefect server at {url} refuses the credentials"
            remedy = "set PREFECT_API_KEY, PREFECT_API_AUTH_STRING or PREFECT_CLIENT_CUSTOM_HEADERS as that server wants them"
            raise NotReady(cause, f"HTTP {code}", remedy) from error
        if code != httpx.codes.NOT_FOUND:
            return False
        answer = None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        return False
    if answer is not None:
        return True
    cause = f"no Prefect API at {url}, though something answers there"
    remedy = "read PREFECT_API_URL again: the API's address is the one that prefect config view shows on its machine"
    if not url.rstrip("/").endswith("/api"):
        remedy = f"export PREFECT_API_URL={url.rstrip('/')}/api"
    raise NotReady(cause, "PREFECT_API_URL is set", remedy)


def _ask(url: str) -> object | None:
    """Return what the API says about its health, or None if it says nothing that an API says, such as the UI's page."""
    settings = {PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_API_REQUEST_TIMEOUT: ASK_SECONDS}
    with temporary_settings(settings), get_client(sync_client=True) as client:
        try:
            health: object = client.request("GET", "/health").json()
        except json.JSONDecodeError:
            return None
        client.read_work_pools(limit=1)  # health asks for no credentials
    return health
