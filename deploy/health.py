"""`python health.py PORT`: whether the service in this container can do its work; for Docker's health check."""

import sys
from urllib.error import HTTPError
from urllib.request import urlopen

try:
    answer = urlopen(f"http://127.0.0.1:{int(sys.argv[1])}/health/ready", timeout=6)
except HTTPError as error:  # 503: its sentences tell why; `docker inspect` shows them
    sys.exit(error.read(4000).decode())
except OSError as error:
    sys.exit(f"no answer: {error}")
sys.stdout.write(answer.read(4000).decode())
