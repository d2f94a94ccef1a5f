//! The lists of what the server's own schemas hold, against a running server: nothing that it has is missing in them.

use std::collections::BTreeSet;

use pgcovenant::policy::system::manifest;
use pgcovenant::sql::functions;

use crate::support::{Shop, shop};

/// The versions that the lists are about.
const LISTED: std::ops::RangeInclusive<u32> = 15..=18;

fn major(shop: &Shop) -> u32 {
    shop.sql("SHOW server_version_num").parse::<u32>().unwrap() / 10_000
}

#[test]
fn the_manifest_lists_every_relation_and_column() {
    let Some(shop) = shop("manifest") else { return };
    let listed: Vec<_> = manifest::of_version(major(&shop)).collect();
    let closed: BTreeSet<&str> =
        listed.iter().filter(|(_, columns)| columns.is_none()).map(|(name, _)| name.as_str()).collect();
    let there = shop.sql(
        "SELECT c.relnamespace::regnamespace || '.' || c.relname, string_agg(a.attname, ' ')
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE c.relkind IN ('r', 'v') AND c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
          GROUP BY 1",
    );
    let columns = |line: &str| -> Vec<String> {
        let (relation, columns) = line.split_once('|').unwrap();
        match closed.contains(relation) {
            true => vec![relation.to_owned()],
            false => columns.split(' ').map(|column| format!("{relation}.{column}")).collect(),
        }
    };
    let there: BTreeSet<String> = there.lines().flat_map(columns).collect();
    let listed: BTreeSet<String> = listed
        .iter()
        .flat_map(|(relation, columns)| match columns {
            None => vec![relation.clone()],
            Some(columns) => columns.iter().map(|column| format!("{relation}.{column}")).collect(),
        })
        .collect();
    if LISTED.contains(&major(&shop)) {
        assert_eq!(there.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "not listed");
        assert_eq!(listed.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "listed, and not there");
    }
}

/// Volatile functions, and those that not everybody may execute, that a governed session may call all the same: they tell
/// time, chance, sizes, locks or what the session itself did, or cannot be called in SQL.
const HARMLESS: &str = "
    amvalidate array_sample array_shuffle bernoulli brinhandler bthandler clock_timestamp currval dsnowball_init
    dsnowball_lexize gen_random_uuid ginhandler gisthandler hashhandler heap_tableam_handler lastval plpgsql_call_handler
    plpgsql_inline_handler random random_normal setseed spghandler suppress_redundant_updates_trigger system timeofday
    txid_status unique_key_recheck uuidv4 uuidv7
    pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared
    pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_blocking_pids pg_collation_actual_version
    pg_database_collation_actual_version pg_database_size pg_get_sequence_data pg_get_wait_events
    pg_get_wal_resource_managers pg_indexes_size pg_is_in_recovery pg_is_wal_replay_paused pg_jit_available
    pg_last_committed_xact pg_lock_status pg_notification_queue_usage pg_notify pg_partition_ancestors
    pg_partition_tree
    pg_prepared_xact pg_relation_size pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_sleep pg_sleep_for
    pg_sleep_until pg_table_size pg_tablespace_size pg_total_relation_size pg_try_advisory_lock
    pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_xact_commit_timestamp
    pg_xact_commit_timestamp_origin pg_xact_status
    pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
    pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans
    pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
    pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned
    pg_stat_get_xact_tuples_updated";

#[test]
fn every_function_of_the_server_was_looked_at() {
    let Some(shop) = shop("functions") else { return };
    if !LISTED.contains(&major(&shop)) {
        return;
    }
    let names = |condition: &str| -> BTreeSet<String> {
        let sql =
            "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 16384";
        shop.sql(&format!("{sql} AND ({condition})")).lines().map(str::to_owned).collect()
    };
    let known: BTreeSet<String> = functions::known().map(str::to_owned).collect();
    assert_eq!(names("true").difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    let harmless: BTreeSet<&str> = HARMLESS.split_whitespace().collect();
    for name in names("provolatile = 'v' OR proacl IS NOT NULL") {
        assert_eq!(functions::admitted(&name), harmless.contains(name.as_str()), "{name}");
    }
}

/// What somebody else has just created, without the proxy, is there for a governed session as it is for any other.
#[tokio::test]
async fn what_was_created_a_moment_ago_is_known() {
    let Some(shop) = shop("created") else { return };
    let policies = shop.policies();
    policies.replace("policy.yaml", "unmodelled: deny", "unmodelled: allow");
    let proxy = shop.proxy_with(&policies, "");
    let support = shop.via(&proxy, "support").await;
    assert_eq!(support.value("SELECT count(*) FROM orders WHERE false").await, "0");
    for number in 1..=3 {
        shop.sql(&format!(
            "CREATE TABLE fresh_{number} AS SELECT {number} AS n; GRANT SELECT ON fresh_{number} TO support;
             CREATE VIEW seen_{number} AS SELECT n, (SELECT max(email) FROM customers) AS mail FROM fresh_{number};
             GRANT SELECT ON seen_{number} TO support"
        ));
        assert_eq!(support.value(&format!("SELECT n FROM fresh_{number}")).await, number.to_string());
        let derived = support.value(&format!("SELECT mail FROM seen_{number}")).await;
        assert_eq!(derived, support.value("SELECT max(email) FROM customers").await, "made of what is masked");
    }
    assert_eq!(support.error("SELECT * FROM never_created").await.code, "42P01");
    assert_eq!(support.error("SELECT never_created(1)").await.code, "42883");
}
