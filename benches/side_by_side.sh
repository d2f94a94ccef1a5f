#!/usr/bin/env bash
# pgcovenant beside its peers, in one run on one machine: PgBouncer in session mode, which checks nothing, and HAProxy in
# TCP mode, which only copies. Measures throughput and the proxy's own CPU time per transaction, and per GB of COPY.
#
#   benches/side_by_side.sh [SECONDS_PER_RUN [ROUNDS]]        5 seconds and 3 rounds, if not said
#
# The runs of the candidates alternate, so that a slow minute of the machine hits all of them. The report is printed and
# written to benches/results/. PGCOVENANT_PROFILE=release is the default here. PGCOVENANT_BEFORE names another pgcovenant to be
# measured in the same run: what a change costs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PGCOVENANT_PROFILE=${PGCOVENANT_PROFILE:-release}
source deploy/demo/lib.sh
trap stop_all EXIT INT TERM

RUN_SECONDS=${1:-5}
ROUNDS=${2:-3}
CLIENTS=${CLIENTS:-8}
COPY_ROWS=${COPY_ROWS:-500000}

install_base
install_packages pgbouncer=pgbouncer haproxy=haproxy
PATH=$PATH:/usr/sbin
build
WORK=$(mktemp -d "${TMPDIR:-/tmp}/pgcovenant-bench-XXXXXX")
chmod 755 "$WORK"
STOP+=("rm -rf '$WORK'")

start_postgres "$(pick_port 54330)" "max_connections = 100" "autovacuum = off"
# Logging in is not what is measured, and PgBouncer would need a file of secrets.
sed -i 's/scram-sha-256/trust/' "$PGDIR/data/pg_hba.conf"
as_superuser -d postgres -c 'SELECT pg_reload_conf()' >/dev/null
load_shop 0.1
BENCH="$(pg_bin)/pgbench"
"$BENCH" -i -q -s 10 -h 127.0.0.1 -p "$PGPORT_SERVER" -U shop_app shop 2>/dev/null
as_superuser -d shop -c "SET ROLE shop_app; CREATE TABLE bulk AS SELECT g AS id, md5(g::text) AS a, md5((g + 1)::text) AS b, repeat('x', 100) AS c, now() AS d FROM generate_series(1, $COPY_ROWS) g"
as_superuser -d shop -c "VACUUM ANALYZE bulk"

declare -A PORTS PIDS CPU TRANSACTIONS SPENT
CANDIDATES=(direct haproxy pgbouncer pgcovenant pgcovenant+policy)
PORTS[direct]=$PGPORT_SERVER

PORTS[haproxy]=$(pick_port 16431)
cat >"$WORK/haproxy.cfg" <<CFG
global
    maxconn 200
    nbthread 2
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen postgres
    bind 127.0.0.1:${PORTS[haproxy]}
    server one 127.0.0.1:$PGPORT_SERVER
CFG
haproxy -db -q -f "$WORK/haproxy.cfg" >"$WORK/haproxy.log" 2>&1 &
PIDS[haproxy]=$!

PORTS[pgbouncer]=$(pick_port 16432)
cat >"$WORK/pgbouncer.ini" <<INI
[databases]
shop = host=127.0.0.1 port=$PGPORT_SERVER dbname=shop
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${PORTS[pgbouncer]}
unix_socket_dir =
auth_type = any
pool_mode = session
max_client_conn = 200
default_pool_size = 100
server_tls_sslmode = disable
log_connections = 0
log_disconnections = 0
INI
sed -i "s/dbname=shop/dbname=shop user=shop_app/" "$WORK/pgbouncer.ini"
"${AS_SERVER[@]}" pgbouncer -q "$WORK/pgbouncer.ini" >"$WORK/pgbouncer.log" 2>&1 &
PIDS[pgbouncer]=$!

# start_pgcovenant NAME [MORE_LINES [BINARY]]
start_pgcovenant() {
    local name=$1 port admin
    port=$(pick_port $((16440 + ${#PIDS[@]} * 10)))
    admin=$(pick_port $((port + 1)))
    cat >"$WORK/$name.yaml" <<YAML
listen: ["127.0.0.1:$port"]
upstream: {host: 127.0.0.1, port: $PGPORT_SERVER, tls: disable}
service: {user: pgcovenant, password_env: PGCOVENANT_PASSWORD}
admin: {listen: "127.0.0.1:$admin"}
${2:-}
YAML
    PGCOVENANT_PASSWORD=pgcovenant "${3:-$BIN}" serve --config "$WORK/$name.yaml" >"$WORK/$name.log" 2>&1 &
    PIDS[$name]=$!
    PORTS[$name]=$port
    wait_for 20 curl -fsS "http://127.0.0.1:$admin/readyz" || die "pgcovenant is not ready: $(cat "$WORK/$name.log")"
}
start_pgcovenant pgcovenant
start_pgcovenant pgcovenant+policy "policies: $ROOT/policies/shop
state: $WORK/state.sqlite"
if [ -n "${PGCOVENANT_BEFORE:-}" ]; then
    CANDIDATES+=(before before+policy)
    start_pgcovenant before "" "$PGCOVENANT_BEFORE"
    start_pgcovenant before+policy "policies: $ROOT/policies/shop" "$PGCOVENANT_BEFORE"
fi
for name in "${!PIDS[@]}"; do STOP+=("kill ${PIDS[$name]}"); done

answers() { psql -XAtq -h 127.0.0.1 -p "${PORTS[$1]}" -U shop_app -d shop -c 'SELECT 1'; }
for name in "${CANDIDATES[@]}"; do
    wait_for 10 answers "$name" || die "$name does not answer: $(cat "$WORK/$name.log")"
done

# User and system time of a process with all its threads, in clock ticks; the name in parentheses may hold spaces.
ticks() {
    [ -n "${1:-}" ] || { echo 0 && return; }
    sed 's/^.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}
TICK=$(getconf CLK_TCK)

# add KEY TRANSACTIONS TICKS MICROSECONDS
add() {
    TRANSACTIONS[$1]=$((${TRANSACTIONS[$1]:-0} + $2))
    CPU[$1]=$((${CPU[$1]:-0} + $3))
    SPENT[$1]=$((${SPENT[$1]:-0} + $4))
}
now() { date +%s%6N; }

bench() {
    local name=$1 mode=$2 before after output count began
    before=$(ticks "${PIDS[$name]:-}")
    began=$(now)
    output=$("$BENCH" -n -S -M "$mode" -c "$CLIENTS" -j 2 -T "$RUN_SECONDS" \
        -h 127.0.0.1 -p "${PORTS[$name]}" -U shop_app shop 2>&1) || die "$name, $mode: $output"
    after=$(ticks "${PIDS[$name]:-}")
    count=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' <<<"$output")
    add "$name/$mode" "$count" $((after - before)) $(($(now) - began))
}

copy_out() {
    local name=$1 before after bytes began
    before=$(ticks "${PIDS[$name]:-}")
    began=$(now)
    bytes=$(psql -Xq -h 127.0.0.1 -p "${PORTS[$name]}" -U shop_app -d shop -c 'COPY bulk TO STDOUT' | wc -c)
    after=$(ticks "${PIDS[$name]:-}")
    add "$name/copy" "$bytes" $((after - before)) $(($(now) - began))
}

# The same look-up by somebody whom no rule is about, and by somebody who gets a masked address.
cat >"$WORK/lookup.sql" <<'SQL'
\set id random(1, 800)
SELECT name, email FROM customers WHERE id = :id;
SQL
lookup() {
    local name=$1 user=$2 before after output count began
    before=$(ticks "${PIDS[$name]:-}")
    began=$(now)
    output=$("$BENCH" -n -f "$WORK/lookup.sql" -M prepared -c "$CLIENTS" -j 2 -T "$RUN_SECONDS" \
        -h 127.0.0.1 -p "${PORTS[$name]}" -U "$user" shop 2>&1) || die "$name, $user: $output"
    after=$(ticks "${PIDS[$name]:-}")
    count=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' <<<"$output")
    add "$name/$user" "$count" $((after - before)) $(($(now) - began))
}

for ((round = 1; round <= ROUNDS; round++)); do
    say "round $round of $ROUNDS"
    for mode in simple extended prepared; do
        for name in "${CANDIDATES[@]}"; do bench "$name" "$mode"; done
    done
    for name in "${CANDIDATES[@]}"; do copy_out "$name" && copy_out "$name"; done
    for user in shop_app support; do
        for name in direct pgcovenant+policy; do lookup "$name" "$user"; done
    done
done

calc() { awk "BEGIN { printf \"$1\", $2 }"; }
# Microseconds of the proxy's CPU per transaction; milliseconds per GB for COPY.
cost() {
    local key=$1 scale=1000000
    [[ $key != */copy ]] || scale=1000000000000
    calc '%.2f' "${CPU[$key]} / $TICK * $scale / ${TRANSACTIONS[$key]}"
}

report() {
    say "pgcovenant beside its peers, $(date -u +%Y-%m-%dT%H:%MZ)"
    say "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), ${PGCOVENANT_BIN:-profile $PGCOVENANT_PROFILE}, $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
    say "$("$(pg_bin)/postgres" --version), $(pgbouncer --version | head -1), $(haproxy -v | head -1 | cut -d' ' -f1-3)"
    say "pgbench -S, $CLIENTS clients, $ROUNDS rounds of $RUN_SECONDS s each; client, proxy and server share the machine"
    local mode name key peer user
    for mode in simple extended prepared; do
        printf '\n%-22s %12s %16s %22s %20s\n' "-M $mode" "tx/s" "proxy us/tx" "CPU beside pgbouncer" "CPU beside haproxy"
        for name in "${CANDIDATES[@]}"; do
            key=$name/$mode
            printf '%-22s %12s' "$name" "$(calc '%.0f' "${TRANSACTIONS[$key]} / (${SPENT[$key]} / 1000000)")"
            if [ "$name" = direct ]; then
                printf '\n'
                continue
            fi
            printf ' %16s' "$(cost "$key")"
            for peer in pgbouncer haproxy; do
                printf ' %20s' "$(calc '%.2f' "$(cost "$key") / ($(cost "$peer/$mode") + 0.000001)")"
            done
            printf '\n'
        done
    done
    printf '\n%-22s %12s %16s %22s %20s\n' "COPY of $COPY_ROWS rows" "MB/s" "proxy ms/GB" "CPU beside pgbouncer" "CPU beside haproxy"
    for name in "${CANDIDATES[@]}"; do
        key=$name/copy
        printf '%-22s %12s' "$name" "$(calc '%.0f' "${TRANSACTIONS[$key]} / ${SPENT[$key]}")"
        if [ "$name" != direct ]; then
            printf ' %16s' "$(calc '%.0f' "$(cost "$key")")"
            for peer in pgbouncer haproxy; do
                printf ' %20s' "$(calc '%.2f' "$(cost "$key") / ($(cost "$peer/copy") + 0.000001)")"
            done
        fi
        printf '\n'
    done
    printf '\n%-34s %12s %16s\n' "look-up of a customer, -M prepared" "tx/s" "proxy us/tx"
    for user in shop_app support; do
        for name in direct pgcovenant+policy; do
            key=$name/$user
            printf '%-34s %12s' "$name as $user" "$(calc '%.0f' "${TRANSACTIONS[$key]} / (${SPENT[$key]} / 1000000)")"
            [ "$name" = direct ] || printf ' %16s' "$(cost "$key")"
            printf '\n'
        done
    done
}

mkdir -p benches/results
REPORT=benches/results/side_by_side-$(date -u +%Y%m%dT%H%M%SZ).txt
say
report | tee "$REPORT"
say
say "written to $REPORT"
