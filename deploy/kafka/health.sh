#!/bin/bash
# Kafka's health check. A Java tool costs seconds of CPU, so it is asked once, as the administrator, when an open port
# does not yet mean a working broker.
set -eu
if [ ! -e /tmp/works ]; then
  umask 077
  cat >/tmp/admin.properties <<PROPERTIES
security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="$(cat /run/secrets/kafka_admin)";
PROPERTIES
  timeout 55 /opt/kafka/bin/kafka-broker-api-versions.sh --bootstrap-server localhost:9092 \
    --command-config /tmp/admin.properties >/dev/null
  touch /tmp/works
fi
: </dev/tcp/localhost/9092
