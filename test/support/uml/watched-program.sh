#!/bin/sh
# Stands in front of a program of the guest (by its own name) and notes its command line in
# /run/watched/commands. While /run/watched/armed exists, a command line that was never seen before
# ends, when it is done, with kill -9 of the process in /run/watched/victim.
name=${0##*/}
words="$name $*"
/run/watched/real/"$name" "$@"
status=$?
if [ -e /run/watched/armed ] && ! grep -qxF -e "$words" /run/watched/commands; then
  echo "$words" >> /run/watched/kills
  kill -9 "$(cat /run/watched/victim)"
fi
echo "$words" >> /run/watched/commands
exit $status
