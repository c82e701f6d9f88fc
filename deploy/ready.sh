#!/usr/bin/env bash
# What to do with a Ringtail that is ready: `RINGTAIL serve FLAGS | deploy/ready.sh RINGTAIL FLAGS`
# passes on what it prints, and behind its ready line says how to use it, with the addresses it has.
ringtail=$1 topic=${RINGTAIL_TOPIC:-records} before=
for word in "$@"; do
  case $word in --topic=*) topic=${word#--topic=} ;; esac
  [ "$before" != --topic ] || topic=$word
  before=$word
done
trap '' INT TERM # it ends with what it reads
while read -r line; do
  printf '%s\n' "$line"
  case $line in 'ringtail: ready '*) ;; *) continue ;; esac
  host='' port='' admin='' brokers=''
  for word in $line; do
    case $word in
      listen=tcp://*) [ -n "$port" ] || { word=${word#listen=tcp://} host=${word%:*} port=${word##*:}; } ;;
      admin=*) admin=${word#admin=} ;;
      brokers=*) brokers=${word#brokers=} ;;
    esac
  done
  host=${host#[} host=${host%]}
  echo
  [ -z "$admin" ] || echo "  live page       $admin/"
  if [ -n "$port" ]; then
    echo "  send a record   echo '{\"number\": 17}' | nc -N $host ${port%%\?*}"
    echo "  without nc      echo '{\"number\": 17}' > /dev/tcp/$host/${port%%\?*}     (in bash)"
  fi
  [ -z "$brokers" ] || echo "  read it         $ringtail consume --brokers $brokers --topic $topic --from beginning"
  echo '  stop            Ctrl-C'
done
