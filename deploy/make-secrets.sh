#!/bin/sh
# Before the first start, before the first start of a new version, and after a secret was changed: makes the secrets that
# are missing, and a .env for a trial when there is none; opens to containers what is mounted there; checks the names in
# .env. A secret that exists is never changed. Run it from anywhere; it needs awk, find, od, sha256sum and tr.
#   deploy/make-secrets.sh [CODE...]   besides, a password for Kafka for each agency of these codes; `docker compose up`
#                                      then makes its user, agency.CODE.1
#   deploy/make-secrets.sh --check     makes nothing: refuses names in .env that nothing reads
set -eu
cd "$(dirname "$0")/.."
refuse() { echo "$1" >&2; exit 1; }

# Compose says nothing of a name that it does not know, and its service goes on with the default.
check_names() {
  [ -e .env ] || return 0
  awk '
    function name_of(line) {
      if (line !~ /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*[=:]/) return ""
      sub(/^[ \t]*(export[ \t]+)?/, "", line); sub(/[ \t]*[=:].*/, "", line)
      return line
    }
    function least(a, b) { return a < b ? a : b }
    function distance(a, b,    i, j, before, now, diagonal) {  # edits from one to the other (Levenshtein)
      for (j = 0; j <= length(b); j++) row[j] = j
      for (i = 1; i <= length(a); i++) {
        diagonal = row[0]; row[0] = i
        for (j = 1; j <= length(b); j++) {
          before = row[j]
          now = diagonal + (substr(a, i, 1) != substr(b, j, 1))
          row[j] = least(now, least(before, row[j - 1]) + 1); diagonal = before
        }
      }
      return row[length(b)]
    }
    FNR == NR { line = $0; sub(/^#/, "", line); if (name_of(line) ~ /^(KOMPETEN|COMPOSE)_/) known[name_of(line)]; next }
    {
      name = name_of($0)
      if (name == "" || name in known || name ~ /^COMPOSE_/) next
      nearest = 99; near = ""
      for (one in known) if ((d = distance(toupper(name), one)) < nearest) { nearest = d; near = one }
      ours = toupper(name) ~ /^KOMPETEN_/
      if (!ours && nearest > 2) next
      wrong = 1
      print ".env, line " FNR ": " name " is no setting here: " \
        (nearest <= 3 ? "did you mean " near "?" : "remove it; deploy/env.example has those that there are.")
    }
    END { exit wrong }' deploy/env.example .env >&2
}
case ${1-} in
  --check) [ $# = 1 ] || refuse "--check takes nothing more"; check_names; exit ;;
  -*) sed -n '2,9s/^# //p' "$0" >&2; exit 2 ;;
esac

umask 077
mkdir -p deploy/secrets/agencies deploy/secrets/state
# The one folder that is mounted itself; the one around it is closed.
chmod 755 deploy/secrets/agencies

# Containers read these as users of their own, which a checkout made under umask 077 or 027 shuts out.
for mounted in deploy/mongo deploy/kafka devstack/issuer.py; do
  [ -e "$mounted" ] || continue
  closed=$(find "$mounted" \( -type d ! -perm -005 -o ! -perm -004 \))
  [ -z "$closed" ] || chmod -R go+rX "$mounted" 2>/dev/null ||
    refuse "containers cannot read $mounted, which is somebody else's: have its owner run 'chmod -R go+rX $mounted'"
done

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
    '' | *[!a-z0-9-]*) refuse "'$code' is no agency's code: a code has a-z, 0-9 and '-' only" ;;
  esac
  secret "agencies/$code" "$(hex 24)"
done

# state CONTAINER SECRET...: a file of its own variables, which is another one when a secret is. Compose does not look
# into the files that it mounts, but makes a container anew whose variables changed. kompeten_secret is in each digest,
# so that nobody can try passwords with it.
state() {
  name=$1
  shift
  digest=$(cd deploy/secrets && cat kompeten_secret "$@" | sha256sum | cut -c1-16)
  printf 'SECRETS_STATE=%s\n' "$digest" >"deploy/secrets/state/$name.env.new"
  mv "deploy/secrets/state/$name.env.new" "deploy/secrets/state/$name.env"
}
# None for setup, which starts at each `up` and sees what there is by then: made anew, it would take all services along.
certificate=$(cd deploy/secrets && ls kafka_certificate 2>/dev/null || true)
state enrollment kompeten_link_keys mongo_enrollment kafka_enrollment
state incentive mongo_incentive kafka_incentive
state notification kompeten_link_keys kompeten_smtp_password mongo_notification kafka_notification
state mongo mongo_keyfile mongo_admin mongo_enrollment mongo_incentive mongo_notification
# shellcheck disable=SC2086  # none where there is no certificate
state kafka kafka_admin kafka_jaas $certificate

if [ ! -e .env ]; then
  cp deploy/demo.env .env
  chmod 644 .env
  echo "made .env from deploy/demo.env: a trial, with a mail catcher and an issuer that gives anybody any role."
  echo "For real use copy deploy/env.example to .env instead and fill it in."
fi
check_names
