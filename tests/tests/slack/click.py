"""Sends what Slack sends when somebody presses a button, signed by the SDK that Slack wrote. JSON in, the status out."""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

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
statuses = []
for _ in range(asked.get("times", 1)):
    request = urllib.request.Request(asked["url"], body.encode(), headers)
    try:
        statuses.append(urllib.request.urlopen(request, timeout=20).status)
    except urllib.error.HTTPError as refused:
        statuses.append(refused.code)
print(json.dumps(statuses))
