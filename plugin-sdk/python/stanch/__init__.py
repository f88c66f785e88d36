"""Write a plugin for stanch in Python.

A plugin is one class in the module ``plugin``: a `Diagnosis`, a `Remediation` or a `Notification`, with its parameters as a
dataclass. ``stanch plugin build`` makes a component of it. Everything else follows from the class: the manifest with the
JSON Schema of the parameters, the words of the contract, and what an exception means.

    from dataclasses import dataclass
    from typing import Annotated

    from stanch import About, Context, Diagnosis, Finding, Nothing, Url, http

    @dataclass
    class Params:
        url: Annotated[Url, "The health page."]

    class Health(Diagnosis[Params, Nothing]):
        about = About("health", "0.1.0", "Says whether a health page answers 200")

        def diagnose(self, ctx: Context, params: Params) -> Finding:
            status = http.get(params.url).send().status
            return Finding.judged(status == 200, f"`{params.url}` answers {status}")
"""

from . import files, host, http, kubernetes
from .about import About
from .apply import Answer, carry_out, perform
from .context import Alert, Attempt, Context, Message, Progress
from .failure import Failure
from .finding import Evidence, Finding, Outcome, Verdict
from .kinds import Diagnosis, Notification, Remediation
from .params import Bytes, JsonText, Length, Pattern, Promql, Range, Regex, Span, Url
from .plan import Action, Plan
from .values import Nothing

__all__ = [
    "About",
    "Action",
    "Alert",
    "Answer",
    "Attempt",
    "Bytes",
    "Context",
    "Diagnosis",
    "Evidence",
    "Failure",
    "Finding",
    "JsonText",
    "Length",
    "Message",
    "Nothing",
    "Notification",
    "Outcome",
    "Pattern",
    "Plan",
    "Progress",
    "Promql",
    "Range",
    "Regex",
    "Remediation",
    "Span",
    "Url",
    "Verdict",
    "carry_out",
    "files",
    "host",
    "http",
    "kubernetes",
    "perform",
]
