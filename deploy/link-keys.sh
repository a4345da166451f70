#!/bin/sh
# The keys that sign the links in mails, newest first: docs/how-to/rotate-the-secrets.md. It needs od, tr, sed, grep.
#   deploy/link-keys.sh list                     how many there are; never a key
#   deploy/link-keys.sh rotate                   a new one in front; links of the others go on working
#   deploy/link-keys.sh withdraw NUMBER          links that this one signed end at once; 1 is the newest
# A last argument names another file than deploy/secrets/kompeten_link_keys.
set -eu
umask 077
usage() { sed -n '3,6s/^# //p' "$0" >&2; exit 2; }
refuse() { echo "$1" >&2; exit 1; }

most=8
case ${1-} in
  list | rotate) [ $# -le 2 ] || usage; file=${2-} ;;
  withdraw) [ $# -ge 2 ] && [ $# -le 3 ] || usage; number=$2 file=${3-} ;;
  *) usage ;;
esac
file=${file:-$(dirname "$0")/secrets/kompeten_link_keys}
# Without a file links are signed by the key that follows from KOMPETEN_SECRET: `identity` in a ring.
keys=$(grep -v '^[[:space:]]*$' "$file" 2>/dev/null || echo identity)
count=$(printf '%s\n' "$keys" | grep -c .)

# Whole or not at all, and readable in a container under any user (see make-secrets.sh).
keep() {
  printf '%s\n' "$1" >"$file.new"
  chmod 444 "$file.new"
  mv -f "$file.new" "$file"
}

case $1 in
  list)
    echo "$count of at most $most keys; 1 signs, all open links"
    printf '%s\n' "$keys" | sed -n 's/^identity$/the one that follows from KOMPETEN_SECRET/;t end;s/.*/a key of its own/;:end
p' | grep -n . ;;
  rotate)
    [ "$count" -lt "$most" ] || refuse "There are $count keys already: withdraw the oldest first ($0 withdraw $count)."
    keep "$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n'; echo; printf '%s\n' "$keys")"
    echo "A new key is first of $((count + 1)). Restart enrollment, which opens links; when it is ready, notification, which"
    echo "signs them:"
    echo "  docker compose restart enrollment && docker compose up --detach --wait --no-recreate"
    echo "  docker compose restart notification" ;;
  withdraw)
    case $number in *[!0-9]* | '' | 0*) refuse "NUMBER is 1 to $count: $0 list shows them." ;; esac
    [ "$number" -le "$count" ] || refuse "NUMBER is 1 to $count: $0 list shows them."
    [ "$count" -gt 1 ] || refuse "It is the only key: add another one first ($0 rotate)."
    keep "$(printf '%s\n' "$keys" | sed "${number}d")"
    echo "Key $number is gone. Restart notification, so that it signs with none that is gone; then enrollment, and its links"
    echo "have ended:"
    echo "  docker compose restart notification && docker compose restart enrollment" ;;
esac
