"""Sends what Slack sends when somebody presses a button, signed by the SDK that Slack wrote, and asks Bolt, Slack's own
framework for apps, what an app of its own would make of the same bytes. JSON in; out, the statuses, and Bolt's verdict."""

import json
import logging
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from slack_bolt import App, BoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier

asked = json.load(sys.stdin)
body = urllib.parse.urlencode({"payload": json.dumps(asked["payload"])})
stamp = str(int(time.time()) + asked.get("skew", 0))
signature = SignatureVerifier(asked["secret"]).generate_signature(timestamp=stamp, body=body)
if asked.get("forge"):
    body += "&x=1"
headers = {
    "content-type": "application/x-www-form-urlencoded",
    "x-slack-request-timestamp": stamp,
    "x-slack-signature": signature,
}

logging.disable(logging.CRITICAL)
app = App(
    signing_secret=asked["known"],
    authorize=lambda **_: AuthorizeResult(enterprise_id=None, team_id="T0001", bot_token="xoxb-0", bot_user_id="U0BOT"),
    process_before_response=True,
)
handed = []


@app.action(asked["action"])
def pressed(ack, action):
    ack()
    handed.append(action["value"])


bolt = app.dispatch(BoltRequest(body=body, headers={name: [value] for name, value in headers.items()}))

statuses = []
for _ in range(asked.get("times", 1)):
    request = urllib.request.Request(asked["url"], body.encode(), headers)
    try:
        statuses.append(urllib.request.urlopen(request, timeout=20).status)
    except urllib.error.HTTPError as refused:
        statuses.append(refused.code)
print(json.dumps({"statuses": statuses, "bolt": bolt.status, "handed": handed}))
