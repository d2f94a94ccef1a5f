#!/usr/bin/env bash
# Runs every test of libpq_pipeline against PGHOST and PGPORT, with a trace where it can be repeated.
set -u
program=$1
numbers=700
# How much is read and written in turns depends on the buffers between the two.
progressless() { sed -E '/^ ?\.{3}/d; /^result [0-9]+\//d; /^ *switch to (reading|writing)$/d; s/\(id\)=\([0-9]+\)/(id)=(N)/'; }
# Their traces hold no process number, key or time.
traced=" simple_pipeline nosync multi_pipelines prepared singlerow pipeline_abort pipeline_idle transaction disallowed_in_pipeline "
for name in $("$program" tests); do
    trace=()
    [[ $traced != *" $name "* ]] || trace=(-t "$name.trace.out")
    "$program" -r "$numbers" "${trace[@]}" "$name" "host=$PGHOST port=$PGPORT user=$PGUSER dbname=postgres" \
        2>&1 | progressless >"$name.out"
    printf 'exit %s\n' "${PIPESTATUS[0]}" >>"$name.out"
done
