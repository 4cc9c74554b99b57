#!/bin/sh
# A service with a leader and mirrors, small enough to be read: a leader writes a numbered line five times a second, a
# mirror copies the lines of its upstream, which must be on the same machine. For trying kinds, not for data.
set -eu
cd "$1"
touch ledger
rm -f fenced # a restart undoes a fence
trap 'exit 0' TERM
while :; do
  lines=$(wc -l <ledger)
  if [ -s upstream ]; then
    from=$(cat upstream)
    tail -n "+$((lines + 1))" "${from#file://}/ledger" >>ledger || true
  elif [ ! -e fenced ]; then
    echo "$((lines + 1))" >>ledger
  fi
  sleep 0.2 &
  wait $!
done
