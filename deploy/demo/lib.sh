# What ./demo, ./test and benches/ have in common: packages, the build, a throwaway PostgreSQL. Sourced by bash.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PROFILE=${PGCOVENANT_PROFILE:-ci}
STOP=()

say() { printf '%s\n' "$*"; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# Runs the commands pushed onto STOP, the newest first. Set as the EXIT trap by who sources this.
stop_all() {
    local status=$? index
    trap - EXIT INT TERM
    for ((index = ${#STOP[@]} - 1; index >= 0; index--)); do
        eval "${STOP[index]}" >/dev/null 2>&1 || true
    done
    exit "$status"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "run this as root, or install sudo: needed for: $*"
    fi
}

# The server refuses to run as root; then it runs as the account that Debian's packages create.
AS_SERVER=()
[ "$(id -u)" != 0 ] || AS_SERVER=(setpriv --reuid=postgres --regid=postgres --init-groups)
as_server() { "${AS_SERVER[@]}" "$@"; }

# install COMMAND=PACKAGE ...: installs the packages whose command, or file if it has a slash, is missing.
install_packages() {
    local wanted name missing=()
    for wanted in "$@"; do
        name=${wanted%%=*}
        case $name in
        */*) compgen -G "$name" >/dev/null || missing+=("${wanted#*=}") ;;
        *) command -v "$name" >/dev/null || missing+=("${wanted#*=}") ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "missing packages, and no apt-get to install them with: ${missing[*]}"
    say "installing ${missing[*]}"
    # Debian's packages would start servers of their own, on ports that may be in use.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then
        as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy"
        made=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
    [ -z "$made" ] || as_root rm -f $policy
}

find_cargo() {
    command -v cargo >/dev/null || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    if ! command -v cargo >/dev/null; then
        say "installing Rust with rustup: Debian's own is older than this project needs"
        install_packages curl=curl /etc/ssl/certs/ca-certificates.crt=ca-certificates
        install_rust || die "Rust is missing and cannot be downloaded; install Rust $(rust_version) or newer: https://rustup.rs"
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
    local have
    have=$(cargo --version | awk '{print $2}')
    if [ "$(printf '%s\n%s.0\n' "${have%%-*}" "$(rust_version)" | sort -V | head -1)" != "$(rust_version).0" ]; then
        command -v rustup >/dev/null || die "cargo is $have; Rust $(rust_version) or newer is needed: https://rustup.rs"
        rustup toolchain install "$(rust_version)" --profile minimal -c rustfmt -c clippy
        export RUSTUP_TOOLCHAIN
        RUSTUP_TOOLCHAIN=$(rust_version)
    fi
}

# rustup's installer, checked against the sum that is published beside it.
install_rust() {
    local from folder
    from=https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init
    folder=$(mktemp -d) || return 1
    (
        cd "$folder" \
            && curl --proto '=https' --tlsv1.2 -fsSO "$from" && curl --proto '=https' --tlsv1.2 -fsSO "$from.sha256" \
            && printf '%s  rustup-init\n' "$(cut -c1-64 rustup-init.sha256)" | sha256sum -c --quiet \
            && chmod +x rustup-init \
            && ./rustup-init -y -q --no-modify-path --profile minimal -c rustfmt -c clippy \
                --default-toolchain "$(rust_version)" >/dev/null
    )
    local status=$?
    rm -rf "$folder"
    return $status
}

rust_version() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

# What it takes to build the binary and to run a server.
install_base() {
    install_packages cc=gcc /usr/include/stdio.h=libc6-dev make=make setpriv=util-linux curl=curl /etc/ssl/certs/ca-certificates.crt=ca-certificates \
        "/usr/lib/llvm-*/lib/libclang*.so*=libclang-dev" "/usr/lib/llvm-*/lib/clang/*/include/stddef.h=libclang-dev" \
        "/usr/lib/postgresql/*/bin/postgres=postgresql" psql=postgresql-client
    find_cargo
}

# Sets BIN, after building it where PGCOVENANT_BIN does not name one.
build() {
    BIN=${PGCOVENANT_BIN:-}
    if [ -z "$BIN" ]; then
        say "building pgcovenant (profile $PROFILE)"
        (cd "$ROOT" && cargo build --locked --quiet --profile "$PROFILE" --bin pgcovenant)
        local folder=$PROFILE
        [ "$PROFILE" != dev ] || folder=debug
        BIN="${CARGO_TARGET_DIR:-$ROOT/target}/$folder/pgcovenant"
    fi
    [ -x "$BIN" ] || die "$BIN is not there"
}

pg_bin() {
    local found=${PG_BINDIR:-}
    [ -n "$found" ] || found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
    printf '%s' "$found"
}

# The first port from $1 on that nobody listens on.
pick_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((port + 1))
    done
    printf '%s' "$port"
}

# start_postgres PORT [SETTING ...]: a new cluster with the superuser postgres, trusted over its unix socket PGDIR;
# others log in with a password. Stopped and removed by stop_all.
start_postgres() {
    local port=$1 setting bin
    shift
    bin=$(pg_bin)
    PGDIR=$(mktemp -d "${TMPDIR:-/tmp}/pgcovenant-pg-XXXXXX")
    [ "$(id -u)" != 0 ] || chown postgres: "$PGDIR"
    STOP+=("rm -rf '$PGDIR'")
    (cd / && as_server "$bin/initdb" --no-sync -E UTF8 --locale=C.UTF-8 -A trust -U postgres -D "$PGDIR/data" >/dev/null)
    {
        printf "%s\n" "listen_addresses = '127.0.0.1'" "port = $port" "unix_socket_directories = '$PGDIR'" \
            "fsync = off" "synchronous_commit = off" "max_connections = 200" "shared_buffers = 128MB" "timezone = 'UTC'"
        for setting in "$@"; do printf '%s\n' "$setting"; done
    } >>"$PGDIR/data/postgresql.conf"
    printf '%s\n' "local all postgres trust" "local all all scram-sha-256" "host all all 127.0.0.1/32 scram-sha-256" \
        >"$PGDIR/data/pg_hba.conf"
    (cd / && as_server "$bin/pg_ctl" -D "$PGDIR/data" -l "$PGDIR/server.log" -w start >/dev/null) \
        || die "PostgreSQL does not start: $(cat "$PGDIR/server.log")"
    STOP+=("cd / && as_server '$bin/pg_ctl' -D '$PGDIR/data' -m immediate -w stop")
    PGPORT_SERVER=$port
}

# psql as the superuser, at the server itself.
as_superuser() {
    psql -XAtq -v ON_ERROR_STOP=1 -h "$PGDIR" -p "$PGPORT_SERVER" -U postgres "$@"
}

# load_shop [SCALE]: the database shop.
load_shop() {
    as_superuser -d postgres -c 'CREATE DATABASE shop'
    as_superuser -d shop -f "$ROOT/deploy/demo/schema.sql"
    as_superuser -d shop -v scale="${1:-1}" -f "$ROOT/deploy/demo/data.sql"
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}
