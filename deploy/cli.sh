#!/bin/sh
# `./kompeten` where there are no Python packages: the service `cli` of Compose, as whoever asks, in the same folder and
# with the files that are named. A token is taken from KOMPETEN_TOKEN or KOMPETEN_TOKEN_FILE; none is in an argument.
root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
refuse() { echo "kompeten: $1" >&2; exit 2; }

if [ "${1-} ${2-}" = "dead-letters edit" ]; then
  refuse "there is no editor in the image: save what 'dead-letters show ID --json' shows as event into a file, correct it,
  then 'dead-letters dry-run ID --event FILE' and 'dead-letters replay ID --event FILE --reason TEXT'"
fi

# Of those the folders are mounted, under the names that they have here: what is written beside a file stays.
mounted=:
is_mounted() { case $mounted in *":$1:"*) ;; *) return 1 ;; esac; }
can_mount() { # the image has its own there
  case $1 in
    / | /app | /bin | /dev | /etc | /lib | /lib64 | /opt | /opt/venv | /proc | /run | /run/secrets | /sbin | /sys | /usr | /var | /var/tmp)
      return 1 ;;
    *:*) return 1 ;;
  esac
}
here=$(pwd -P) count=$# work=/
if can_mount "$here"; then mounted=":$here:" work=$here; fi
for given in "$@" "${KOMPETEN_TOKEN_FILE-}"; do
  case $given in --*=*) given=${given#*=} ;; -*) continue ;; esac
  [ -f "$given" ] || continue
  case $given in
    /*) folder=$(CDPATH='' cd -- "$(dirname -- "$given")" && pwd) ;;
    *) folder=$(CDPATH='' cd -- "$here/$(dirname -- "$given")" && pwd -P) ;;
  esac
  if [ "$work" != / ]; then case $folder/ in "$here"/*) continue ;; esac; fi
  if is_mounted "$folder"; then continue; fi
  can_mount "$folder" || refuse "the container cannot be given $folder, of which it has its own: put the file into another folder"
  mounted="$mounted$folder:"
  set -- "$@" --volume "$folder:$folder"
done
[ "$work" = / ] || set -- "$@" --volume "$here:$here"
[ -t 0 ] && [ -t 1 ] && [ -t 2 ] || set -- "$@" --no-TTY
[ ! -t 1 ] || set -- "$@" --env "COLUMNS=$(stty size <&1 2>/dev/null | cut -d' ' -f2)"
[ -z "${KOMPETEN_TOKEN_FILE-}" ] || set -- "$@" --env KOMPETEN_TOKEN_FILE
[ -z "${NO_COLOR-}" ] || set -- "$@" --env NO_COLOR
# Files are opened by whoever asks; root may open all, as here.
[ "$(id -u)" != 0 ] || set -- "$@" --cap-add DAC_OVERRIDE
set -- "$@" --user "$(id -u):$(id -g)" --workdir "$work" cli
# What was given is at the front, and belongs at the end.
while [ "$count" -gt 0 ]; do
  given=$1
  shift
  set -- "$@" "$given"
  count=$((count - 1))
done
cd "$root" || exit 2
[ -f .env ] || refuse "there is neither .venv nor .env in $root: 'make demo' shows Kompeten, docs/how-to/run-with-compose.md sets it up"
COMPOSE_IGNORE_ORPHANS=1 exec docker compose --progress quiet run --rm --no-deps "$@"
