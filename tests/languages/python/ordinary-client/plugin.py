"""Asks with urllib, which knows nothing of stanch: what it sends passes the gate all the same."""

import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Annotated

import stanch.urlopen  # noqa: F401
from stanch import About, Context, Diagnosis, Failure, Finding


@dataclass
class Params:
    urls: Annotated[list[str], "What is asked for."]
    method: Annotated[str, "How."] = "GET"
    body: Annotated[str, "With this body."] = ""


@dataclass
class Data:
    answers: Annotated[list[str], "Status and body of each, or the client's error."] = field(default_factory=list)


class Ordinary(Diagnosis[Params, Data]):
    about = About("ordinary-client", "0.1.0", "Asks with an ordinary HTTP client")

    def diagnose(self, ctx: Context, params: Params) -> Finding:
        return Finding.yes("asked", data=Data([ask(params, url) for url in params.urls]))


def ask(params: Params, url: str) -> str:
    request = urllib.request.Request(url, params.body.encode() or None, method=params.method)
    try:
        with urllib.request.urlopen(request) as answer:
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
    except Failure as failure:
        return f"error: {failure.code}: {failure.message}"
