# Servers, proxies and passes for the suites of tests/compat. Sourced by `run`.

# A pass is one run of a suite over one way to the server; each begins with the same, fresh cluster.
#   direct     without a proxy
#   plain      through a proxy without policies
#   observed   through a proxy whose policy protects a column of every database, from somebody else: every statement is
#              parsed and checked, and must pass unchanged
PASSES=(direct plain observed)

SUPERUSER=postgres

# pg PROGRAM: the path of a program of the version under test; client programs may come from another one.
pg() {
    if [ -x "$SERVER_BIN/$1" ]; then printf '%s' "$SERVER_BIN/$1"; else printf '%s' "$CLIENT_BIN/$1"; fi
}

# prepare_cluster: initdb, once; every pass gets a copy.
prepare_cluster() {
    MASTER=$WORK/master
    rm -rf "$MASTER"
    as_server "$(pg initdb)" --no-sync -E UTF8 --no-locale -A trust -U $SUPERUSER -D "$MASTER" >"$WORK/initdb.log"
    printf '%s\n' "listen_addresses = '127.0.0.1'" "unix_socket_directories = '$WORK'" "fsync = off" \
        "max_prepared_transactions = 10" "shared_buffers = 128MB" "max_connections = 150" "log_statement = none" \
        "log_min_messages = warning" "wal_level = replica" "max_wal_senders = 5" >>"$MASTER/postgresql.conf"
    start_server "$MASTER"
    psql_direct -d postgres -c "CREATE ROLE pgcovenant LOGIN" -c "CREATE ROLE nobody_asks"
    stop_server
}

start_server() {
    DATA=$1
    PGPORT_SERVER=$(pick_port 25432)
    as_server "$(pg pg_ctl)" -D "$DATA" -o "-p $PGPORT_SERVER" -l "$WORK/server.log" -w start >/dev/null \
        || die "PostgreSQL does not start: $(tail "$WORK/server.log")"
    # Not through stop_server: by then another cluster may be the current one.
    STOP+=("as_server '$(pg pg_ctl)' -D '$DATA' -m immediate -w stop")
}

stop_server() { as_server "$(pg pg_ctl)" -D "$DATA" -m fast -w stop >/dev/null; }

psql_direct() { "$(pg psql)" -XAtq -v ON_ERROR_STOP=1 -h "$WORK" -p "$PGPORT_SERVER" -U $SUPERUSER "$@"; }

# start_proxy PASS DATABASE ...: sets PROXY_PORT.
start_proxy() {
    local pass=$1 admin folder=$WORK/proxy-$1
    shift
    PROXY_PORT=$(pick_port 26432)
    admin=$(pick_port 29930)
    rm -rf "$folder"
    mkdir -p "$folder/policies"
    {
        printf '%s\n' "listen: [\"127.0.0.1:$PROXY_PORT\"]" \
            "upstream: {host: 127.0.0.1, port: $PGPORT_SERVER, tls: disable}" \
            "service: {user: pgcovenant}" "admin: {listen: \"127.0.0.1:$admin\"}"
        if [ "$pass" != plain ]; then printf 'policies: ./policies\n'; fi
    } >"$folder/pgcovenant.yaml"
    case $pass in
    observed) policies "$folder/policies" "$@" ;;
    governed) governing_policies "$folder/policies" "$@" ;;
    esac
    NO_COLOR=1 "$BIN" serve --config "$folder/pgcovenant.yaml" >"$folder/proxy.log" 2>&1 &
    PROXY_PID=$!
    STOP+=("kill $PROXY_PID")
    wait_for 20 curl -fs -o /dev/null "http://127.0.0.1:$admin/readyz" || die "the proxy is not ready: $(tail "$folder/proxy.log")"
    PROXY_ADMIN=$admin
}

stop_proxy() {
    curl -fs "http://127.0.0.1:$PROXY_ADMIN/metrics" >"$WORK/proxy-$PASS/metrics.txt" || true
    kill "$PROXY_PID" 2>/dev/null || say "the proxy of the pass $PASS had ended by itself"
    wait "$PROXY_PID" 2>/dev/null || true
}

# policies FOLDER DATABASE ...: a contract for these databases, and a policy that touches nobody who takes part.
policies() {
    local folder=$1 database
    shift
    {
        printf '%s\n' "apiVersion: v3.1.0" "kind: DataContract" "id: compat" "version: 1.0.0" "status: active" "servers:"
        for database in "$@"; do
            printf '  - {server: %s, type: postgresql, host: localhost, port: 5432, database: %s, schema: public}\n' \
                "$database" "$database"
        done
        printf '%s\n' "schema:" "  - name: onek" "    physicalType: table" "    properties:" \
            "      - {name: stringu1, logicalType: string, physicalType: name}"
    } >"$folder/contract.odcs.yaml"
    printf '%s\n' "apiVersion: pgcovenant/v1" "kind: Policy" \
        "metadata: {name: compat, version: 1, owner: tests@example.com}" "rules:" "  - name: somebody-else" \
        "    mode: enforce" "    columns: {names: [public.onek.stringu1]}" "    to: [{role: nobody_asks}]" \
        "    action: deny" >"$folder/policy.yaml"
}

# governing_policies FOLDER DATABASE: protects one column that nobody asks for, so that a user is governed who may do all else.
governing_policies() {
    local folder=$1 database=$2
    printf '%s\n' "apiVersion: v3.1.0" "kind: DataContract" "id: compat" "version: 1.0.0" "status: active" "servers:" \
        "  - {server: here, type: postgresql, host: localhost, port: 5432, database: $database, schema: secret}" \
        "schema:" "  - name: t" "    physicalType: table" "    properties:" \
        "      - {name: secret, logicalType: string, physicalType: text}" \
        "customProperties:" "  - {property: pgcovenantFunctions, value: [\"*.*\"]}" >"$folder/contract.odcs.yaml"
    printf '%s\n' "apiVersion: pgcovenant/v1" "kind: Policy" \
        "metadata: {name: compat, version: 1, owner: tests@example.com}" "rules:" "  - name: nobody-reads-secrets" \
        "    mode: enforce" "    columns: {names: [secret.t.secret]}" "    to: [{user: regress_governed}]" \
        "    action: deny" "unmodelled: allow" "writes:" \
        "  - {to: [{user: regress_governed}], update: [\"*.*.*\"], insert: [\"*.*.*\"], delete: [\"*.*\"]}" \
        >"$folder/policy.yaml"
}

# each_pass SUITE DATABASE ... -- COMMAND ...: runs the command once per pass in the folder OUT, with PGHOST, PGPORT and PGUSER set.
each_pass() {
    local databases=()
    while [ "$1" != -- ]; do databases+=("$1"); shift; done
    shift
    for PASS in "${PASSES[@]}"; do
        rm -rf "$WORK/data" "$OUT"
        mkdir -p "$OUT" "$WORK/$SUITE"
        [ "$(id -u)" != 0 ] || chown postgres: "$OUT"
        as_server cp -a "$MASTER" "$WORK/data"
        start_server "$WORK/data"
        local port=$PGPORT_SERVER began=$SECONDS
        if [ "$PASS" != direct ]; then
            start_proxy "$PASS" "${databases[@]}"
            port=$PROXY_PORT
        fi
        (cd "$OUT" && as_server env PGHOST=127.0.0.1 PGPORT="$port" PGUSER=$SUPERUSER "$@") >"$WORK/$SUITE/$PASS.log" 2>&1 \
            || printf 'exit %s\n' $? >>"$WORK/$SUITE/$PASS.log"
        say "$SUITE $PASS: $((SECONDS - began))s $(grep -E '^[ #]*(All )?[0-9]+ (of [0-9]+ )?tests (passed|failed)' "$WORK/$SUITE/$PASS.log" || true)"
        [ "$PASS" = direct ] || stop_proxy
        stop_server
        # The same folder in every pass: some results quote it.
        mv "$OUT" "$WORK/$SUITE/$PASS"
    done
}

# compare GLOB: compares what the passes have written; prints what differs. Ports are the only difference that is meant.
compare() {
    local pass name difference differing=0 count=0
    while read -r name; do
        count=$((count + 1))
        for pass in plain observed; do
            difference=$(diff -u <(normal "$WORK/$SUITE/direct/$name") <(normal "$WORK/$SUITE/$pass/$name") | tail -n +3) || true
            [ -n "$difference" ] || continue
            differing=$((differing + 1))
            say "DIFFERS $SUITE $pass $name"
            printf '%s\n' "$difference" | cut -c 1-200 | sed -n '1,40p'
        done
    done < <(cd "$WORK/$SUITE" && for pass in "${PASSES[@]}"; do (cd "$pass" && compgen -G "$1"); done | sort -u)
    say "$SUITE on PostgreSQL $VERSION: $count files, $differing differences"
    [ "$differing" = 0 ] && [ "$count" -gt 0 ]
}

normal() { sed -E 's/\b(port "?|port=)2[569][0-9]{3}\b/\1PORT/g' "$1" 2>&1; }
