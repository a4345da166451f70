#!/bin/sh
# Before the first start, and before the first start of a new version: makes the secrets that are missing, and a .env
# for a trial when there is none. What exists is never changed. Run it from anywhere; it needs od and tr, nothing else.
# deploy/make-secrets.sh CODE...: besides, a password for Kafka for each agency of these codes; `docker compose up` then
# makes its user, agency.CODE.1.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p deploy/secrets/agencies
# The one folder that is mounted itself; the one around it is closed.
chmod 755 deploy/secrets/agencies

hex() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }
# secret NAME VALUE: the folder is closed to others on this host; in a container any user may read the one file
# that is mounted there, since Compose mounts files with the mode that they have here.
secret() {
  [ ! -e "deploy/secrets/$1" ] || return 0
  printf '%s\n' "$2" >"deploy/secrets/$1.new"
  chmod 444 "deploy/secrets/$1.new"
  mv "deploy/secrets/$1.new" "deploy/secrets/$1"
  echo "made deploy/secrets/$1"
}
mongo_user() {
  password=$(hex 24)
  secret "mongo_$1" "mongodb://$1:$password@mongo:27017/?replicaSet=rs0&authSource=admin"
}

# Who administers Kafka, and the broker itself, are known from a file; everybody else is set up by them.
kafka_jaas() {
  echo 'KafkaServer {'
  echo '  org.apache.kafka.common.security.plain.PlainLoginModule required'
  echo "    username=\"broker\" password=\"$2\" user_broker=\"$2\" user_admin=\"$1\";"
  echo '  org.apache.kafka.common.security.scram.ScramLoginModule required;'
  echo '};'
}

# An installation of before there was a ring goes on with the key that its links have: `identity`.
[ -e deploy/secrets/kompeten_secret ] && links=identity || links=$(hex 32)
secret kompeten_secret "$(hex 32)"
secret kompeten_link_keys "$links"
secret kompeten_smtp_password ""
secret mongo_keyfile "$(hex 64)"
secret mongo_admin "$(hex 24)"
mongo_user enrollment
mongo_user incentive
mongo_user notification
secret kafka_admin "$(hex 24)"
secret kafka_jaas "$(kafka_jaas "$(cat deploy/secrets/kafka_admin)" "$(hex 24)")"
secret kafka_enrollment "$(hex 24)"
secret kafka_incentive "$(hex 24)"
secret kafka_notification "$(hex 24)"
for code in "$@"; do
  case $code in
    '' | *[!a-z0-9-]*) echo "'$code' is no agency's code: a code has a-z, 0-9 and '-' only" >&2; exit 1 ;;
  esac
  secret "agencies/$code" "$(hex 24)"
done

if [ ! -e .env ]; then
  cp deploy/demo.env .env
  chmod 644 .env
  echo "made .env from deploy/demo.env: a trial, with a mail catcher and an issuer that gives anybody any role."
  echo "For real use copy deploy/env.example to .env instead and fill it in."
fi
