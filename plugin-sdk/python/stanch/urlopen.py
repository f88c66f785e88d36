"""Lets the standard library's HTTP client ask: a plugin that imports this can use `urllib.request.urlopen`.

    import urllib.request
    import stanch.urlopen

Every request is one call at the gate, those of redirects too, under the same grant as `stanch.http`. It costs the component
about 2 MB. A failure of the host is raised as it is, and not as a `URLError`.
"""

from __future__ import annotations

import email.message
import io
import urllib.request
import urllib.response

from . import http


class Handler(urllib.request.BaseHandler):
    """Sends requests through the host."""

    def http_open(self, request: urllib.request.Request) -> urllib.response.addinfourl:
        """Sends one request."""
        headers = {name.lower(): value for name, value in request.header_items()}
        body = request.data or b""
        if not isinstance(body, bytes):
            body = body.read() if hasattr(body, "read") else b"".join(body)
        if body:
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
        limit = getattr(request, "timeout", None)
        limit = int(limit * 1000) if isinstance(limit, int | float) else None
        answer = http.Request(request.get_method(), request.full_url, headers, body, limit).send()
        said = email.message.Message()
        for name, value in answer.headers.items():
            said[name] = value
        response = urllib.response.addinfourl(io.BytesIO(answer.body), said, request.full_url, answer.status)
        response.msg = ""
        return response

    https_open = http_open


def opener() -> urllib.request.OpenerDirector:
    """An opener that asks through the host; it is the default one once this module is imported."""
    made = urllib.request.OpenerDirector()
    for handler in (
        Handler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        made.add_handler(handler)
    return made


urllib.request.install_opener(opener())
