"""Puts an address on a blocklist, and takes it off again."""

from dataclasses import dataclass
from typing import Annotated

from stanch import About, Action, Attempt, Context, Finding, Nothing, Plan, Remediation, Url, http


@dataclass
class Params:
    list: Annotated[Url, "The blocklist's URL."]
    address: Annotated[str, "What to block."]


class Plugin(Remediation[Params, Nothing]):
    about = About(
        "{{name}}", "0.1.0", "Puts an address on a blocklist", idempotent=True, reversible=True, verifies=True
    )
    asks = {"http": [{"url": "https://edge.example/blocked/*", "read": ["GET"], "change": ["PUT", "DELETE"]}]}

    def plan(self, ctx: Context, params: Params) -> Plan:
        if http.get(entry(params)).send().status == 200:
            return Plan(f"`{params.address}` is blocked already")
        put = Action.put(entry(params), {"reason": "stanch"})
        return Plan(f"Block `{params.address}`", [put])

    def verify(self, ctx: Context, params: Params, made: Attempt) -> Finding:
        match http.get(entry(params)).send().status:
            case 200:
                return Finding.yes("It is on the list")
            case 404:
                return Finding.no("It is not on the list")
            case status:
                return Finding.unknown(f"The list answers {status}")

    def plan_undo(self, ctx: Context, params: Params, made: Attempt) -> Plan:
        return Plan("Unblock", [Action.delete(action.url) for action in made.maybe_done()])


def entry(params: Params) -> str:
    return f"{params.list}/{http.encode(params.address)}"
