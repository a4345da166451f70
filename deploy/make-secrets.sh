#!/bin/sh
# Before the first start: makes the secrets that are missing, and a .env for a trial when there is none.
# What exists is never changed. Run it from anywhere; it needs od and tr, nothing else.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p deploy/secrets

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

if [ ! -e .env ]; then
  cp deploy/demo.env .env
  chmod 644 .env
  echo "made .env from deploy/demo.env: a trial, with a mail catcher and an issuer that gives anybody any role."
  echo "For real use copy deploy/env.example to .env instead and fill it in."
fi
