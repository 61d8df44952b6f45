"""Exits with 0 where the worker of this container answers; Docker asks every few seconds."""

import os
import sys
import urllib.error
import urllib.request

ANSWER_S = 4

port = os.environ.get("MIEN_METRICS_PORT", "9464")
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Docker hands its proxies to every container, and none of them reaches what is inside of one."""
try:
    direct.open(f"http://127.0.0.1:{port}/healthz", timeout=ANSWER_S).close()
except (OSError, ValueError) as error:
    sys.exit(f"/healthz of port {port} does not answer: {error}")
