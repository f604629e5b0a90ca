#!/bin/sh
# Starts what FLAVOUR names, configured by the same environment variables as the public images:
#   KAFKA_<PROPERTY>      process.roles is KAFKA_PROCESS_ROLES (apache/kafka, confluentinc/cp-kafka)
#   ZOOKEEPER_<SETTING>   clientPort is ZOOKEEPER_CLIENT_PORT  (confluentinc/cp-zookeeper)
#   KAFKA_HEAP_OPTS, KAFKA_OPTS, CLUSTER_ID
# Only /tmp and the data volumes are written.
set -eu
umask 077
jars="/opt/lab/jars/*"
heap="${KAFKA_HEAP_OPTS:--Xmx512M -Xms512M}"
jvm="-XX:+ExitOnOutOfMemoryError -XX:+UseSerialGC -Djava.awt.headless=true ${KAFKA_OPTS:-}"
config=/tmp/server.properties

# KAFKA_A_B=c → a.b=c, as the public images do; a double underscore is a dash, a triple one an underscore.
properties() {
    env | grep -E "^$1_" | grep -vE '^KAFKA_(HEAP_OPTS|OPTS|JMX_OPTS|LOG4J_OPTS|JVM_PERFORMANCE_OPTS)=' | while IFS='=' read -r name value; do
        key=$(printf '%s' "${name#"$1"_}" | tr '[:upper:]' '[:lower:]' | sed -e 's/___/%/g' -e 's/__/-/g' -e 's/_/./g' -e 's/%/_/g')
        printf '%s=%s\n' "$key" "$value"
    done
}

case "$FLAVOUR" in
kraft)
    # Kafka's own wrapper merges the environment into server.properties and formats the storage; it calls storage that is
    # formatted already a failure, which the public image's start script forgives as well.
    mkdir -p /tmp/default /tmp/final
    : > /tmp/default/server.properties
    cp /opt/lab/conf/* /tmp/default/
    # shellcheck disable=SC2086 - options are words
    said=$(java -Xmx128M -XX:TieredStopAtLevel=1 -cp "$jars" kafka.docker.KafkaDockerWrapper setup \
        --default-configs-dir /tmp/default --mounted-configs-dir /mnt/shared/config --final-configs-dir /tmp/final 2>&1) \
        || printf '%s\n' "$said" | grep 'already formatted' || { printf '%s\n' "$said" >&2; exit 1; }
    # shellcheck disable=SC2086
    exec java $heap $jvm -Dlog4j2.configurationFile=file:/opt/lab/conf/log4j2.yaml -cp "$jars" \
        kafka.Kafka /tmp/final/server.properties
    ;;
kafka)
    properties KAFKA > "$config"
    grep -q '^log.dirs=' "$config" || echo 'log.dirs=/var/lib/kafka/data' >> "$config"
    # shellcheck disable=SC2086
    exec java $heap $jvm -cp "/opt/lab/conf:$jars" kafka.Kafka "$config"
    ;;
zookeeper)
    {
        echo "dataDir=/var/lib/zookeeper/data"
        echo "dataLogDir=/var/lib/zookeeper/log"
        echo "clientPort=${ZOOKEEPER_CLIENT_PORT:-2181}"
        echo "tickTime=${ZOOKEEPER_TICK_TIME:-2000}"
        echo "admin.enableServer=false"
        echo "4lw.commands.whitelist=srvr,ruok"
    } > "$config"
    # shellcheck disable=SC2086
    exec java $heap $jvm -cp "/opt/lab/conf:$jars" org.apache.zookeeper.server.quorum.QuorumPeerMain "$config"
    ;;
*)
    echo "unknown flavour $FLAVOUR" >&2
    exit 64
    ;;
esac
