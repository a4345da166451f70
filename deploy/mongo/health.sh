#!/bin/bash
# MongoDB's health check, which also sets it up (health.js): a first start, and any later one, takes nobody's hand.
# mongosh costs a second of CPU, so it is asked once a minute; in between the port tells.
set -eu
export HOME=/tmp
if [ -z "$(find /tmp/primary -newermt '-60 seconds' 2>/dev/null)" ]; then
  timeout 55 mongosh --quiet --norc mongodb://127.0.0.1:27017/?directConnection=true /opt/kompeten/health.js
  rm -rf /tmp/.mongodb
  touch /tmp/primary
fi
: </dev/tcp/127.0.0.1/27017
