#!/usr/bin/env bash
# What an idle session costs pgcovenant: its resident memory before and after SESSIONS log in, and again after each has run
# a statement. What the kernel keeps for a socket is not in it.
#
#   benches/idle.sh [SESSIONS]        1000, if not said
#
# A first hundred sessions log in before the first reading, so that what the process needs once is not counted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PGCOVENANT_PROFILE=${PGCOVENANT_PROFILE:-release}
source deploy/demo/lib.sh
trap stop_all EXIT INT TERM

SESSIONS=${1:-1000}
WARM=100

install_base
install_packages python3=python3 openssl=openssl
build
WORK=$(mktemp -d "${TMPDIR:-/tmp}/pgcovenant-idle-XXXXXX")
chmod 755 "$WORK"
STOP+=("rm -rf '$WORK'")

start_postgres "$(pick_port 54330)" "max_connections = $((SESSIONS + WARM + 50))" "autovacuum = off" "shared_buffers = 16MB"
# Logging in is not what is measured.
sed -i 's/scram-sha-256/trust/' "$PGDIR/data/pg_hba.conf"
as_superuser -d postgres -c 'SELECT pg_reload_conf()' >/dev/null
load_shop 0.01
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>/dev/null

start_pgcovenant() {
    local port admin
    port=$(pick_port 16540)
    admin=$(pick_port $((port + 1)))
    cat >"$WORK/pgcovenant.yaml" <<YAML
listen: ["127.0.0.1:$port"]
upstream: {host: 127.0.0.1, port: $PGPORT_SERVER, tls: disable}
service: {user: pgcovenant, password_env: PGCOVENANT_PASSWORD}
admin: {listen: "127.0.0.1:$admin"}
policies: $ROOT/policies/shop
tls: {cert: $WORK/cert.pem, key: $WORK/key.pem}
limits: {connections: $((SESSIONS + WARM + 50))}
YAML
    PGCOVENANT_PASSWORD=pgcovenant "$BIN" serve --config "$WORK/pgcovenant.yaml" >"$WORK/pgcovenant.log" 2>&1 &
    PROXY=$!
    PORT=$port
    STOP+=("kill $PROXY")
    wait_for 20 curl -fsS "http://127.0.0.1:$admin/readyz" || die "pgcovenant is not ready: $(cat "$WORK/pgcovenant.log")"
}

# Resident memory in bytes.
resident() { awk '/^VmRSS/ {print $2 * 1024}' "/proc/$PROXY/status"; }

# hold COUNT USER [tls]: opens sessions; their standard input and output are IN and OUT.
hold() {
    coproc HOLDER { exec python3 benches/idle_sessions.py "$PORT" "$2" shop "$1" "${@:3}"; }
    # The next hold would take the names away.
    exec {IN}>&"${HOLDER[1]}" {OUT}<&"${HOLDER[0]}"
    expect open
}
expect() {
    local answer
    read -r -u "$OUT" answer || die "the sessions are gone: $(tail -3 "$WORK/pgcovenant.log")"
    [ "$answer" = "$1" ] || die "unexpected answer: $answer"
}
each() {
    echo "$1" >&"$IN"
    expect done
}
per_session() { awk "BEGIN { printf \"%d\", ($2 - $1) / $SESSIONS }"; }

say "idle sessions of $BIN ($("$BIN" --version)), $SESSIONS at once"
printf '%-34s %16s %24s\n' "sessions" "bytes each" "after one statement each"
for kind in "shop_app" "support" "shop_app tls"; do
    start_pgcovenant
    # shellcheck disable=SC2086 # two words are two arguments
    hold "$WARM" $kind 2>/dev/null
    each "SELECT name FROM customers WHERE id = 1"
    before=$(resident)
    # shellcheck disable=SC2086
    hold "$SESSIONS" $kind 2>/dev/null
    sleep 1
    idle=$(resident)
    each "SELECT name FROM customers WHERE id = 1"
    sleep 1
    used=$(resident)
    printf '%-34s %16s %24s\n' "$kind" "$(per_session "$before" "$idle")" "$(per_session "$before" "$used")"
    kill "$PROXY"
    wait "$PROXY" 2>/dev/null || true
done
