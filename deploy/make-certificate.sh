#!/bin/sh
# Makes a certificate for Kafka's port on this host: deploy/make-certificate.sh HOST. HOST is the name or the IPv4
# address that agencies connect to. It is signed by an authority of this installation, made at the first run; agencies
# get deploy/secrets/kafka_ca.pem. Run it again before the two years are over or for another HOST, then
# deploy/make-secrets.sh and `docker compose up --wait`.
# For a certificate of your own put its private key (PKCS#8) and chain, as PEM, into deploy/secrets/kafka_certificate.
set -eu
host=${1:?HOST is missing: the name or IPv4 address that agencies connect to}
command -v openssl >/dev/null || { echo "openssl is missing: install it (Debian: apt-get install openssl)" >&2; exit 1; }
cd "$(dirname "$0")/.."
umask 077
mkdir -p deploy/secrets
cd deploy/secrets
case $host in
  *[!0-9.]*) name=DNS:$host ;;
  *) name=IP:$host ;;
esac

quietly() { "$@" 2>errors.new || { cat errors.new >&2; exit 1; }; rm -f errors.new; }

if [ ! -e kafka_ca.pem ]; then
  quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Kompeten Kafka authority" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout kafka_ca_key.new -out kafka_ca.new
  mv kafka_ca_key.new kafka_ca_key
  mv kafka_ca.new kafka_ca.pem
  chmod 444 kafka_ca.pem
  echo "made deploy/secrets/kafka_ca.pem: give it to the agencies; and kafka_ca_key, which stays here"
fi
quietly openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$host" \
  -keyout certificate_key.new -out request.new
printf '%s\n' "subjectAltName=$name" "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
  "extendedKeyUsage=serverAuth" "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" >extensions.new
quietly openssl x509 -req -in request.new -CA kafka_ca.pem -CAkey kafka_ca_key -CAcreateserial -days 730 \
  -extfile extensions.new -out certificate.new
cat certificate_key.new certificate.new >kafka_certificate.new
rm -f certificate_key.new certificate.new request.new extensions.new kafka_ca.srl
chmod 444 kafka_certificate.new
mv -f kafka_certificate.new kafka_certificate
echo "made deploy/secrets/kafka_certificate for $host"
