#!/usr/bin/env bash
# A real Apache Kafka on this machine, of any version, one broker or three, for
# tests, benchmarks and a first try. `kafka.sh help` says how to use it.
#
# From 3.7 on every broker is also a controller (KRaft), so three of them survive
# the loss of any one. Before that there is one ZooKeeper, as process 0. What a
# cluster is lives in one directory and nowhere else:
#
#   DIR/cluster          bootstrap servers, one line
#   DIR/1 … DIR/N/run    starts that broker in the foreground (exec java …)
#              /server.properties, /data, /log, /pid
#   DIR/0/…              the same of ZooKeeper, if there is one
#
# internal/kafkatest uses `prepare` and runs the `run` files itself, because it
# kills, freezes and restarts brokers one by one.
set -euo pipefail

readonly cache="${XDG_CACHE_HOME:-$HOME/.cache}/ringtail"
. "$(dirname "${BASH_SOURCE[0]}")/kafka-security.sh"

usage() {
  cat <<'USAGE'
usage: deploy/kafka.sh fetch [--version V]   download Kafka into the cache, print where it is
       deploy/kafka.sh start [options]       start a cluster, or what has ended of it, and
                                             print its bootstrap servers
       deploy/kafka.sh status [--dir DIR]    one line a broker; exit 0 if all of them answer
       deploy/kafka.sh stop [--dir DIR]      stop it and remove its data
       deploy/kafka.sh prepare [options]     write the files, start nothing
       deploy/kafka.sh upgrade --version V [--dir DIR]
                                             brokers have this version from their next start
       deploy/kafka.sh certify [--dir DIR]   with --tls new: sign a new certificate for the
                                             brokers, who have it from their next start

  --version V      of Apache Kafka (default: $KAFKA_VERSION, or 4.1.1); before 3.7 with a
                   ZooKeeper
  --brokers N      1 (default) or 3
  --dir DIR        where it lives (default: $TMPDIR/ringtail-kafka-$UID)
  --port BASE      broker i listens on 127.0.0.1:BASE+i-1, its controller N ports
                   above (default: 9092); ZooKeeper on BASE+N
  --advertise BASE what clients are told to connect to: 127.0.0.1:BASE+i-1, where
                   something of yours passes it on; default: the listening ports
  --heap SIZE      Java heap of each broker (default: 384m)
  --set KEY=VALUE  a server property more, or instead of ours; repeatable
  --tls PEM        clients come by TLS, to localhost; PEM has the brokers' key and
                   certificate. --tls new makes one, in DIR/tls: ca.pem is who signed it;
                   client.pem and client.key are a client's, for account ringtail, as is
                   client.p12, which has both; password of key and file: ringtail
  --sasl MECHANISMS
                   clients log in, by one of PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER:
                   PLAIN alone with --acl. OAUTHBEARER takes unsigned tokens
  --user NAME:PASSWORD
                   an account, repeatable (default: ringtail:ringtail); admin:admin is there
                   always. Its passwords are for PLAIN and SCRAM
  --acl            accounts may do what ACLs allow, admin everything
  --listener L     one more, repeatable: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL, or MTLS,
                   which is SSL with a client's certificate; its CN is the account. Broker i
                   has the k-th on BASE+(2+k)N+i-1

  A Kafka that wants a password, by TLS, and lets nobody do what was not granted:

    deploy/kafka.sh start --tls new --sasl SCRAM-SHA-512 --user me:secret --acl
USAGE
}

die() { echo "kafka.sh: $*" >&2; exit "${code:-1}"; }

# need installs a command's Debian package when we may, else says what to do.
need() {
  local command=$1 package=$2
  command -v "$command" >/dev/null && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "kafka.sh: installing $package" >&2
    { DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" ||
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package"; }
    } >/dev/null 2>&1 || die "could not install $package"
    return
  fi
  die "needs $command: install it first (Debian, Ubuntu: apt-get install $package; Fedora: dnf install ${package/default-jre-headless/java-21-openjdk-headless}; macOS: brew install ${package/default-jre-headless/openjdk})"
}

# before tells whether Kafka's version is one before this.
before() { [ "$(printf '%s\n' "$1" "$version" | sort -V | head -n 1)" != "$1" ]; }

# fetch fills the cache once. A download becomes visible by one rename, so an
# interrupted one leaves nothing that looks whole; the lock makes the second of
# two callers wait for the first instead of downloading as well.
fetch() {
  need java default-jre-headless
  [ -d "$libs" ] && return
  need mvn maven
  mkdir -p "$cache"
  exec 9>"$cache/kafka-$version.lock"
  flock 9
  [ -d "$libs" ] && { exec 9>&-; return; }
  local work="$home.part" logging='<groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version>'
  before 4 && logging='<groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version>'
  rm -rf "$work"
  mkdir -p "$work"
  cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ringtail</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
    <dependency>$logging</dependency>
  </dependencies>
</project>
POM
  cat >"$work/log4j2.properties" <<'LOG'
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = Console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} %p %m (%c{1})%n
LOG
  cat >"$work/log4j.properties" <<'LOG'
log4j.rootLogger=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n
LOG
  echo "kafka.sh: fetching Apache Kafka $version" >&2
  (cd "$work" && mvn -q -B "-Dmaven.repo.local=${MAVEN_REPO:-$HOME/.m2/repository}" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$work/libs") >&2 || die "Maven could not fetch Kafka $version"
  rm -rf "$home"
  mv "$work" "$home"
  exec 9>&-
}

options() {
  version=${KAFKA_VERSION:-4.1.1} brokers=1 dir="${TMPDIR:-/tmp}/ringtail-kafka-$(id -u)" port=9092 advertise='' heap=384m acl=off tls='' sasl=''
  properties=() users=() listeners=()
  while [ $# -gt 0 ]; do
    case $1 in
      --acl) acl=on; shift; continue ;;
      --version|--brokers|--dir|--port|--advertise|--heap|--tls|--sasl|--user|--listener|--set) [ $# -ge 2 ] || code=2 die "$1 needs a value" ;;
      *) code=2 die "unknown option $1 (kafka.sh help)" ;;
    esac
    case $1 in
      --version) version=$2 ;;
      --brokers) brokers=$2 ;;
      --dir) dir=$2 ;;
      --port) port=$2 ;;
      --advertise) advertise=$2 ;;
      --heap) heap=$2 ;;
      --tls) tls=$2 ;;
      --sasl) sasl=$2 ;;
      --user) [[ $2 =~ ^[A-Za-z0-9._-]+:[^\",\;=\ ]+$ ]] || code=2 die "--user takes NAME:PASSWORD, without quotes, commas, semicolons and white space"; users+=("$2") ;;
      --listener) listeners+=("$2") ;;
      --set) [[ $2 == ?*=* ]] || code=2 die "--set takes KEY=VALUE, not $2"; properties+=("$2") ;;
    esac
    shift 2
  done
  case $brokers in 1|3) ;; *) code=2 die "--brokers is 1 or 3, not $brokers" ;; esac
  port_option --port "$port"
  [ -z "$advertise" ] || port_option --advertise "$advertise"
  [[ $heap =~ ^[1-9][0-9]*[kKmMgG]?$ ]] || code=2 die "--heap is a size as Java writes it, like 384m, not $heap"
  [ -z "$tls" ] || [ "$tls" = new ] || [ -r "$tls" ] || code=2 die "--tls is new, or a file that can be read, not $tls"
  [[ $version =~ ^[0-9]+(\.[0-9]+)+$ ]] || code=2 die "--version is like 4.1.1, not $version"
  [[ $dir == /* ]] || dir="$PWD/$dir"
  home="$cache/kafka-$version" libs="$home/libs"
  secure
}

# port_option looks whether the value of an option is the first of enough ports.
port_option() {
  local most=$((65536 - (3 + ${#listeners[@]}) * brokers))
  [[ $2 =~ ^[1-9][0-9]{0,4}$ && $2 -le $most ]] || code=2 die "$1 is a port from 1 to $most, not $2"
}

# list prints one item a broker, "a,b,c": the template with ID and PORT filled
# in, ports counted from $2.
list() {
  local template=$1 from=$2 i item out=""
  for ((i = 0; i < brokers; i++)); do
    item=${template/ID/$((i + 1))}
    out+="${out:+,}${item/PORT/$((from + i))}"
  done
  echo "$out"
}

broker_properties() {
  local id=$1 replicas=$((brokers == 3 ? 3 : 1)) protocol=PLAINTEXT host=127.0.0.1 authorizer
  local client="CLIENT://127.0.0.1:$((port + id - 1))" above=$((port + brokers)) others
  others=$(more LISTENER://127.0.0.1:PORT "$id")
  [ -n "$tls" ] && protocol=SSL host=localhost
  [ -n "$sasl" ] && protocol=SASL_$protocol
  if before 3.7; then
    authorizer=kafka.security.authorizer.AclAuthorizer
    cat <<PROPERTIES
broker.id=$id
zookeeper.connect=127.0.0.1:$above
zookeeper.session.timeout.ms=9000
zookeeper.connection.timeout.ms=60000
listeners=$client$others
PROPERTIES
  else
    authorizer=org.apache.kafka.metadata.authorizer.StandardAuthorizer
    cat <<PROPERTIES
process.roles=broker,controller
node.id=$id
controller.quorum.voters=$(list 'ID@127.0.0.1:PORT' $above)
controller.listener.names=CONTROLLER
listeners=$client$others,CONTROLLER://127.0.0.1:$((above + id - 1))
PROPERTIES
  fi
  cat <<PROPERTIES
advertised.listeners=CLIENT://$host:$((${advertise:-port} + id - 1))$(more LISTENER://$host:PORT "$id")
listener.security.protocol.map=CLIENT:$protocol$(more LISTENER:PROTOCOL "$id"),CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
log.dirs=$dir/$id/data
num.partitions=10
default.replication.factor=$replicas
min.insync.replicas=$((brokers == 3 ? 2 : 1))
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$((brokers == 3 ? 2 : 1))
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$((brokers == 3 ? 2 : 1))
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=4
queued.max.requests=100
log.cleaner.dedupe.buffer.size=16777216
controlled.shutdown.enable=true
PROPERTIES
  [ -z "$tls" ] || tls_properties
  [ -z "$sasl" ] || sasl_properties
  if [ $acl = on ]; then
    cat <<PROPERTIES
authorizer.class.name=$authorizer
super.users=User:admin;User:ANONYMOUS
PROPERTIES
  fi
  # The last of two lines with one key wins: these override what stands above.
  [ ${#properties[@]} -eq 0 ] || printf '%s\n' "${properties[@]}"
}

# Tiered compilation stops at the first tier for the tools: they live a second.
readonly tool_flags=(-Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)

# java_process writes the files of process $1, whose main class is $2, with a
# heap of $3 and the properties on standard input.
java_process() {
  mkdir -p "$dir/$1"
  cat >"$dir/$1/server.properties"
  cat >"$dir/$1/run" <<RUN
#!/bin/sh
exec java -Xms$3 -Xmx$3 -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:TieredStopAtLevel=${KAFKA_TIER:-4} -Djava.awt.headless=true \\
  -Dlog4j.configuration=file:$home/log4j.properties -Dlog4j2.configurationFile=$home/log4j2.properties \\
  -cp '$libs/*' $2 $dir/$1/server.properties
RUN
  chmod +x "$dir/$1/run"
}

prepare() {
  fetch
  [ -e "$dir/cluster" ] && die "$dir holds a cluster already: kafka.sh stop --dir $dir"
  local id
  [ "$tls_given" != new ] || authority
  for ((id = 1; id <= brokers; id++)); do
    broker_properties $id | java_process $id kafka.Kafka "$heap"
  done
  if before 3.7; then
    java_process 0 org.apache.zookeeper.server.quorum.QuorumPeerMain 128m <<PROPERTIES
dataDir=$dir/0/data
clientPortAddress=127.0.0.1
clientPort=$((port + brokers))
tickTime=1000
maxClientCnxns=0
admin.enableServer=false
PROPERTIES
  else
    format
  fi
  list 127.0.0.1:PORT "$port" >"$dir/cluster"
}

# format makes the brokers' storage, as KRaft wants it.
format() {
  local id formats=() format user accounts=()
  for format in ${sasl//,/ }; do
    for user in "${users[@]}"; do
      [[ $format != SCRAM* ]] || accounts+=(--add-scram "$format=[name=${user%%:*},password=${user#*:}]")
    done
  done
  for ((id = 1; id <= brokers; id++)); do
    # 22 characters of base64: any cluster id will do, all brokers share it.
    java "${tool_flags[@]}" -Dlog4j.configuration="file:$home/log4j.properties" -Dlog4j2.configurationFile="$home/log4j2.properties" \
      -cp "$libs/*" kafka.tools.StorageTool format \
      --cluster-id cmluZ3RhaWwtdGVzdC0wMQ --config "$dir/$id/server.properties" ${accounts[@]+"${accounts[@]}"} >"$dir/$id/format.log" 2>&1 &
    formats+=($!)
  done
  for format in "${formats[@]}"; do
    wait "$format" || { cat "$dir"/*/format.log >&2; die "could not format the storage in $dir"; }
  done
}

# upgrade changes what the run files start, and nothing that runs.
upgrade() {
  [ -e "$dir/cluster" ] || die "no cluster in $dir"
  [ ! -d "$dir/0" ] || die "$dir has a ZooKeeper: the way from there to KRaft is a migration, not an upgrade"
  before 3.7 && die "$version has no KRaft"
  fetch
  sed -i "s|$cache/kafka-[0-9.]*/|$home/|g" "$dir"/*/run
}

# answers tells whether a broker takes connections. Kafka opens the port of a
# broker only once it is ready to serve, and logs the line when it is unfenced.
answers() {
  local id=$1 address
  address=$(cut -d, -f"$id" "$dir/cluster")
  alive "$id" && grep -qE 'Kafka Server started|KafkaServer id=.* started' "$dir/$id/log" &&
    (exec 3<>"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null
}

# alive tells whether the pid noted is that broker still: pids are used again.
alive() {
  local pid
  pid=$(cat "$dir/$1/pid" 2>/dev/null) && ps -o args= -ww -p "$pid" | grep -qF "$dir/$1/"
}

ids() { local d; for d in "$dir"/[1-9]*; do [ -d "$d" ] && basename "$d"; done; }

# launch starts a process that outlives this one. Of what the caller has open it gets nothing: a
# lock, or a pipe that somebody reads to its end, would stay with the broker.
launch() {
  (
    for fd in /dev/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec setsid "$dir/$1/run" >"$dir/$1/log" 2>&1 </dev/null
  ) &
  echo $! >"$dir/$1/pid"
  launched+=" $1 "
  sleep 0.1 # until it shows as what it is
}

start() {
  local id tries=0 made= launched=
  if [ -e "$dir/cluster" ]; then # the same again: those brokers that do not run
    [ "$(cat "$dir/cluster")" = "$(list 127.0.0.1:PORT "$port")" ] || die "$dir holds another cluster, $(cat "$dir/cluster"): kafka.sh stop --dir $dir"
  else
    prepare
    made=yes
  fi
  [ ! -d "$dir/0" ] || alive 0 || launch 0 # brokers wait for it
  for id in $(ids); do alive "$id" || launch "$id"; done
  for id in $(ids); do
    until answers "$id"; do
      if ! alive "$id"; then
        if [[ $launched == *" $id "* ]]; then
          tail -5 "$dir/$id/log" >&2
          [ -z "$made" ] || stop
          die "broker $id ended (is one of the ports from $port on in use?)"
        fi
        launch "$id" # it was about to end
      fi
      tries=$((tries + 1))
      [ $tries -lt 1200 ] || die "broker $id does not answer after two minutes: $dir/$id/log"
      sleep 0.1
    done
  done
  cat "$dir/cluster"
}

status() {
  [ -e "$dir/cluster" ] || { echo "no cluster in $dir"; return 1; }
  local id down=0
  for id in $(ids); do
    if answers "$id"; then
      echo "broker $id $(cut -d, -f"$id" "$dir/cluster") up, pid $(cat "$dir/$id/pid")"
    else
      echo "broker $id $(cut -d, -f"$id" "$dir/cluster") down"
      down=1
    fi
  done
  return $down
}

# stop ends the brokers by pid and removes the directory. One controller cannot
# hand over to others that stop as well, so whoever lingers is killed. ZooKeeper
# is last: brokers that stop want it.
stop() {
  [ -e "$dir/cluster" ] || return 0
  local id tries
  for id in $(ids); do alive "$id" && kill "$(cat "$dir/$id/pid")" 2>/dev/null || true; done
  for id in $(ids); do
    for ((tries = 0; tries < 100; tries++)); do alive "$id" || break; sleep 0.1; done
    alive "$id" && kill -9 "$(cat "$dir/$id/pid")" 2>/dev/null || true
    while alive "$id"; do sleep 0.05; done
  done
  if alive 0; then kill -9 "$(cat "$dir/0/pid")"; while alive 0; do sleep 0.05; done; fi
  rm -rf "$dir"
}

[ $# -gt 0 ] || set -- help
command=$1
shift
case $command in
  fetch) options "$@"; fetch; echo "$home" ;;
  start|stop|status|prepare|upgrade|certify) options "$@"; "$command" ;;
  help|-h|--help) usage ;;
  *) usage >&2; code=2 die "unknown command $command" ;;
esac
