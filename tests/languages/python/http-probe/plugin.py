"""`http-probe`: does a URL answer as it should?

A probe is about the way to the server, too: a refused connection, a timeout and a wrong answer are a no. What keeps the
probe itself from looking (the gate refuses, an answer over the size limit) is unknown.
"""

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from stanch import (
    About,
    Context,
    Diagnosis,
    Evidence,
    Failure,
    Finding,
    Pattern,
    Range,
    Regex,
    Span,
    Url,
    Verdict,
    host,
    http,
)

Status = Annotated[int, Range(100, 599)] | Annotated[str, Pattern("^([1-5]xx|[1-5][0-9]{2})$")]


@dataclass
class Params:
    url: Annotated[Url, "What to ask."]
    status: Annotated[
        Status | list[Status], 'What the status must be: a number, a class such as "2xx", or a list of them.'
    ] = "2xx"
    within: Annotated[Span | None, "The longest that an answer may take."] = None
    body: Annotated[Regex | None, "What the body must contain somewhere, as a regular expression."] = None
    method: Annotated[Literal["GET", "HEAD"], "GET or HEAD."] = "GET"
    tries: Annotated[int, "How often to ask.", Range(1, 20)] = 3
    passes: Annotated[
        int | None, "How many of the tries must pass; all, where it is not said.", Range(1, 20)
    ] = None
    every: Annotated[Span, "How long to wait between tries."] = field(default=Span("1s"))


@dataclass
class Data:
    """What the tries came to."""

    tries: Annotated[int, "How many tries were made."] = 0
    passed: Annotated[int, "How many passed."] = 0
    status: Annotated[int | None, "The last status; none where nothing answered."] = None
    slowest_ms: Annotated[int | None, "The slowest answer, in milliseconds."] = None


class HttpProbe(Diagnosis[Params, Data]):
    about = About("http-probe", "0.1.0", "Asks a URL several times and judges status, time and body")
    asks = {"http": [{"url": "https://shop.example/health", "read": ["GET", "HEAD"]}]}

    def diagnose(self, ctx: Context, params: Params) -> Finding:
        need = params.tries if params.passes is None else params.passes
        if not 1 <= need <= params.tries:
            raise Failure.invalid_params(
                f"`passes` is {need}, and must be from 1 to `tries`, which is {params.tries}"
            )
        try:
            body = params.body and re.compile(params.body)
        except re.error as error:
            raise Failure.invalid_params(f"`body` is not a regular expression: {error}") from None

        data, times, evidence, wrong = Data(), [], [], ""
        for index in range(params.tries):
            # Another try that could not end in time would turn a no into a timeout.
            if index > 0 and (host.is_cancelled() or host.remaining_ms() < params.every.ms * 2):
                break
            if index > 0:
                host.sleep(params.every.ms)
            started = host.now_ms()
            data.tries += 1
            label = f"Try {data.tries}"
            try:
                data.status, why = ask(params, body)
                if why is None:
                    data.passed += 1
                evidence.append(Evidence.of(label, why or data.status))
                wrong = why or wrong
            except Failure as failure:
                if failure.code not in ("unavailable", "timeout"):
                    return Finding.unknown(
                        f"`{params.url}` could not be probed: {failure.message}", data=data
                    )
                evidence.append(Evidence.of(label, failure.message))
                wrong = failure.message
            took = host.now_ms() - started
            data.slowest_ms = max(data.slowest_ms or 0, took)
            times.append((started, took))
            if data.passed >= need or data.passed + params.tries - data.tries < need:
                break

        curve = Evidence.curve("Time to answer", times, unit="ms", link=params.url)
        verdict, summary = judge(params, data, need, wrong)
        return Finding(verdict, summary, [*evidence, curve], data)


def ask(params: Params, body: re.Pattern | None) -> tuple[int, str | None]:
    """The status that came, and what is wrong with the answer."""
    request = http.request(params.method, params.url)
    if params.within is not None:
        request = request.timeout(params.within.ms)
    started = host.now_ms()
    answer = request.send()
    took = host.now_ms() - started
    wanted = params.status if isinstance(params.status, list) else [params.status]
    if not any(matches(one, answer.status) for one in wanted):
        return answer.status, f"answered {answer.status}"
    if params.within is not None and took > params.within.ms:
        return answer.status, f"took {took}ms, more than {params.within}"
    if body and not body.search(answer.text):
        return answer.status, f"the body does not contain `{params.body}`"
    return answer.status, None


def matches(wanted: int | str, status: int) -> bool:
    wanted = str(wanted)
    return int(wanted[0]) == status // 100 if wanted.endswith("xx") else int(wanted) == status


def judge(params: Params, data: Data, need: int, wrong: str) -> tuple[Verdict, str]:
    if data.passed >= need:
        return (
            Verdict.YES,
            f"`{params.url}` answers as it should ({data.passed} of {data.tries} tries)",
        )
    if data.passed + params.tries - data.tries < need:
        return Verdict.NO, f"`{params.url}` passed {data.passed} of {data.tries} tries: {wrong}"
    return Verdict.UNKNOWN, f"Time was over after {data.tries} of {params.tries} tries of `{params.url}`"
