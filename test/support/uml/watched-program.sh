#!/bin/sh
# Stands in front of a program of the guest (by its own name) and notes its command line in
# /run/watched/commands. The first time that a line of /run/watched/kill-after is in it, it ends, when
# it is done, with kill -9 of the process in /run/watched/victim, and the line goes to
# /run/watched/killed-after.
name=${0##*/}
words="$name $*"
/run/watched/real/"$name" "$@"
status=$?
echo "$words" >> /run/watched/commands
while [ -e /run/watched/kill-after ] && IFS= read -r part; do
  case "$words" in
    *"$part"*)
      grep -qxF -e "$part" /run/watched/killed-after && continue
      echo "$part" >> /run/watched/killed-after
      kill -9 "$(cat /run/watched/victim)"
      ;;
  esac
done < /run/watched/kill-after
exit $status
