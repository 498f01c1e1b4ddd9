#!/bin/sh
# Quaylet: a self-extracting executable. It unpacks itself once into a cache folder and runs from there:
#   $QUAYLET_CACHE, else /var/cache/quaylet for root, else ~/.cache/quaylet
# Below the last line of this script lies a gzipped tar; needs only a POSIX shell, coreutils, gzip and tar.
#
# <cache>/<id>/           verified tree; its name is the SHA-256 of its list of SHA-256 sums
# <cache>/.new.<owner>/    being unpacked, renamed when verified; <owner> = pid namespace, pid, start of the process
# <cache>/.old.<owner>/    on its way out
id=@ID@ sums=@SUMS@ stats=@STATS@ need_kib=@NEED_KIB@ offset=@OFFSET@ epoch=@EPOCH@
v8_flags=@V8_FLAGS@

fail() {
  echo "quaylet: $1" >&2
  exit 1
}

# Size, time and mode of every file: one look at the inodes, no byte is read.
is_untouched() {
  [ "$(cd "$1" 2>/dev/null && xargs stat -L -c '%s %Y %a %n' <.files 2>/dev/null | sha256sum)" = "$stats  -" ]
}

# Every byte. Times may have been changed by a copy, which is put right when the folder can be written.
is_intact() {
  (
    cd "$1" 2>/dev/null || exit 1
    [ "$(sha256sum <.sums)" = "$sums  -" ] && sha256sum -c --status .sums 2>/dev/null || exit 1
    [ -x bin/quaylet ] || exit 1
    xargs touch -d "@$epoch" <.files 2>/dev/null || true
  )
}

# Nobody but us or root may be able to change what we are going to run.
is_trusted() {
  [ -O "$1" ] || [ "$(stat -c %u "$1" 2>/dev/null)" = 0 ]
}

# "NAMESPACE.PID.START" of a process: a pid alone may be taken again, or mean another process in another container.
owner_of() {
  namespace=$(readlink /proc/self/ns/pid 2>/dev/null | tr -dc 0-9)
  read -r line <"/proc/$1/stat" || return 1
  # The words after the program's name, which may hold spaces itself.
  # shellcheck disable=SC2086
  set -- "$1" ${line##*) }
  eval "echo $namespace.$1.\${21}"
} 2>/dev/null

remove_leftovers() {
  for folder in "$cache"/.new.* "$cache"/.old.*; do
    [ -d "$folder" ] || continue
    theirs=${folder##*/.???.}
    pid=${theirs#*.}
    if [ "${theirs%%.*}" = "${owner%%.*}" ]; then
      [ "$(owner_of "${pid%%.*}")" = "$theirs" ] && continue
    else
      # Another container's: its processes cannot be seen from here.
      [ -n "$(find "$folder" -maxdepth 0 -mmin +60 2>/dev/null)" ] || continue
    fi
    rm -rf "$folder"
  done
}

# Versions that nothing runs and nobody started for a week: the last one stays for going back.
remove_old_versions() {
  for used in "$cache"/*/.used; do
    folder=${used%/.used}
    case ${folder##*/} in "$id" | *[!0-9a-f]*) continue ;; esac
    [ -O "$folder" ] && [ -n "$(find "$used" -mtime +7 2>/dev/null)" ] || continue
    for exe in /proc/[0-9]*/exe; do
      case $(readlink "$exe" 2>/dev/null) in "$folder"/*) continue 2 ;; esac
    done
    mv "$folder" "$cache/.old.$owner" 2>/dev/null && rm -rf "$cache/.old.$owner"
  done
}

no_room() {
  have=$(df -Pk "$cache" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "${free:-0}"; })
  fail "cannot unpack into $cache: $1
It takes $((need_kib / 1024 + 1)) MiB there ($((${have:-0} / 1024)) MiB are free). Set QUAYLET_CACHE to a folder that can be written."
}

unpack() {
  umask 022
  created=
  [ -d "$cache" ] || { mkdir -p "$cache" 2>/dev/null && created=1; } || no_room "the folder cannot be made"
  is_trusted "$cache" || fail "$cache belongs to somebody else; set QUAYLET_CACHE to a folder of your own"
  # The database runs as an unprivileged user, which has to reach its programs through this folder.
  if [ "$(id -u)" = 0 ] && [ -O "$cache" ]; then
    if [ -n "$created" ]; then chmod 0711 "$cache"; else chmod a+x "$cache" 2>/dev/null; fi
  fi
  owner=$(owner_of $$) || owner=0.$$.0
  remove_leftovers
  new=$cache/.new.$owner
  trap 'rm -rf "$new"; exit 1' INT TERM HUP
  rm -rf "$new"
  error=$(mkdir "$new" 2>&1) || no_room "${error##*: }"
  free=$(df -Pk "$cache" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "$free"; })
  if [ -n "$free" ] && [ "$free" -lt "$need_kib" ]; then
    rm -rf "$new"
    no_room "not enough space"
  fi
  error=$({ tail -c "+$offset" "$self" | gzip -dc | tar -xpof - -C "$new"; } 2>&1) || {
    rm -rf "$new"
    no_room "$(echo "$error" | head -n 1)"
  }
  is_intact "$new" || {
    rm -rf "$new"
    fail "$self is damaged: its contents do not have the sums that they were built with"
  }
  : >"$new/.used"
  sync -f "$new" 2>/dev/null || sync
  # Two starts at once: who comes second finds the other's tree, which is as good as its own.
  if ! mv -T "$new" "$tree" 2>/dev/null; then
    if ! is_intact "$tree"; then
      is_trusted "$tree" || fail "$tree belongs to somebody else; set QUAYLET_CACHE to a folder of your own"
      mv -T "$tree" "$cache/.old.$owner" 2>/dev/null
      mv -T "$new" "$tree" 2>/dev/null || is_intact "$tree" || no_room "$tree cannot be replaced"
    fi
    rm -rf "$new" "$cache/.old.$owner"
  fi
  sync -f "$cache" 2>/dev/null
  trap - INT TERM HUP
  remove_old_versions
}

case $0 in
  */*) self=$0 ;;
  *) self=$(command -v "$0") ;;
esac
self=$(readlink -f "$self")
if [ -n "${QUAYLET_CACHE:-}" ]; then
  case $QUAYLET_CACHE in /*) cache=$QUAYLET_CACHE ;; *) cache=$PWD/$QUAYLET_CACHE ;; esac
elif [ "$(id -u)" = 0 ]; then
  cache=/var/cache/quaylet
else
  cache=${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}/quaylet
fi
tree=$cache/$id

if [ -d "$tree" ] && is_trusted "$cache" && is_trusted "$tree" && { is_untouched "$tree" || is_intact "$tree"; }; then
  touch "$tree/.used" 2>/dev/null
else
  # In a shell of its own: what it sets (umask, traps) must not reach the program.
  (unpack) || exit 1
fi

if [ -z "${OTEL_DENO:-}" ]; then
  for name in ENDPOINT TRACES_ENDPOINT METRICS_ENDPOINT LOGS_ENDPOINT; do
    eval "[ -z \"\${OTEL_EXPORTER_OTLP_$name:-}\" ]" || export OTEL_DENO=true
  done
  [ -z "${OTEL_TRACES_EXPORTER:-}${OTEL_METRICS_EXPORTER:-}${OTEL_LOGS_EXPORTER:-}" ] || export OTEL_DENO=true
fi
export QUAYLET_SELF="$self" QUAYLET_KIND=self-extracting QUAYLET_BUILD=@BUILD@ QUAYLET_POSTGRES="$tree/postgres"
# Deno keeps V8's compiled code of the program there, which halves the time to start.
export DENO_DIR="$tree/.deno" DENO_NO_UPDATE_CHECK=1
exec "$tree/bin/quaylet" run --quiet --no-config --no-lock --cached-only --no-prompt -A --unstable-net \
  ${v8_flags:+"--v8-flags=$v8_flags"} "$tree/quaylet.js" "$@"
exit 1
