"""Does a health page answer 200?"""

from dataclasses import dataclass
from typing import Annotated

from stanch import About, Context, Diagnosis, Finding, Nothing, Url, http


@dataclass
class Params:
    url: Annotated[Url, "The health page."]


class Plugin(Diagnosis[Params, Nothing]):
    about = About("{{name}}", "0.1.0", "Says whether a health page answers 200")
    asks = {"http": [{"url": "https://api.example/health", "read": ["GET"]}]}

    def diagnose(self, ctx: Context, params: Params) -> Finding:
        status = http.get(params.url).send().status
        return Finding.judged(status == 200, f"`{params.url}` answers {status}")
