# The source of PostgreSQL with its suites: from Debian's source packages, built once per version. Sourced by `run`.

# Sets SOURCE, SERVER_BIN and CLIENT_BIN.
build_postgres() {
    local prefix=$CACHE/$VERSION/install
    install_packages cc=gcc make=make flex=flex bison=bison perl=perl patch=patch dpkg-source=dpkg-dev \
        /usr/include/openssl/ssl.h=libssl-dev
    mkdir -p "$CACHE/$VERSION"
    SOURCE=$(unpacked)
    if [ -z "$SOURCE" ]; then
        fetch_source "postgresql-$VERSION"
        SOURCE=$(unpacked)
    fi
    SERVER_BIN=$prefix/bin CLIENT_BIN=$prefix/bin
    [ ! -e "$prefix/complete" ] || return 0
    say "building PostgreSQL $VERSION and its suites"
    (
        cd "$SOURCE"
        exec >"$CACHE/$VERSION/build.log" 2>&1
        options=(--prefix="$prefix" --with-openssl --without-readline --without-zlib)
        [ "$VERSION" -lt 16 ] || options+=(--without-icu)
        nice ./configure "${options[@]}" CFLAGS=-O1
        nice make -s
        nice make -s install
        nice make -s -C contrib/spi install
        for part in src/test/regress src/test/isolation src/test/modules/libpq_pipeline; do nice make -s -C "$part"; done
        touch "$prefix/complete"
    ) || die "PostgreSQL $VERSION cannot be built: $(tail -5 "$CACHE/$VERSION/build.log")"
}

unpacked() { find "$CACHE/$VERSION" -maxdepth 1 -type d -name "postgresql-$VERSION.*"; }

# fetch_source PACKAGE: of the distribution in use, or of Debian's newest. The machine's own list of sources stays as it is.
fetch_source() {
    local site release lists=$CACHE/apt options
    mkdir -p "$lists/partial"
    site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed -n 1p)
    [ -n "$site" ] || die "apt knows no archive of Debian: unpack the source of PostgreSQL $VERSION in $CACHE/$VERSION"
    release=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    printf 'deb-src %s %s main\n' "$site" "$release" "$site" sid >"$CACHE/sources.list"
    options=(-o "Dir::Etc::sourcelist=$CACHE/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$lists"
        -o APT::Sandbox::User=root)
    apt-get "${options[@]}" -qq update
    (cd "$CACHE/$VERSION" && apt-get "${options[@]}" -qq source --download-only "$1" && tar -xf ./*.orig.tar.bz2)
}
