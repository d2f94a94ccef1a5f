//! Catalogs that are kept fresh while the server, its databases and their structure change.

use std::sync::Arc;
use std::time::Duration;

use super::{eventually, keeper, named, prepared};
use crate::support;

#[tokio::test]
async fn the_keeper_shares_readings_sees_changes_and_survives_the_server() {
    let Some(mut cluster) = prepared() else { return };
    let (keeper, readings) = keeper(&cluster, Duration::from_secs(3600));
    let (one, two, three) = tokio::join!(keeper.ensure("shop"), keeper.ensure("shop"), keeper.ensure("shop"));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(*readings.lock().unwrap(), [true], "three calls, one reading");
    let error = keeper.ensure("nowhere").await.unwrap_err();
    assert!(error.0.contains("\"nowhere\" does not exist (SQLSTATE 3D000)"), "{error}");
    assert!(keeper.failing().is_empty(), "nobody works in a database that does not exist");

    cluster.sql("shop", "CREATE TABLE fresh (id int)");
    keeper.changed("shop");
    let store = Arc::clone(&keeper.store);
    let knows_it = || store.load().database("shop").unwrap().catalog.find("public", "fresh").is_some();
    eventually("seeing the new table", knows_it).await;
    let epoch = keeper.store.epoch();
    keeper.changed("shop");
    let before = readings.lock().unwrap().len();
    eventually("another reading", || readings.lock().unwrap().len() > before).await;
    assert_eq!(keeper.store.epoch(), epoch, "an equal catalog changes nothing");

    cluster.crash();
    keeper.changed("shop");
    eventually("a failed reading", || !keeper.failing().is_empty()).await;
    assert!(knows_it(), "the last good catalog stays");
    cluster.restart();
    keeper.changed("shop");
    eventually("recovery", || keeper.failing().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keeper_gives_way_to_migrations() {
    let Some(cluster) = prepared() else { return };
    cluster
        .sql("shop", "CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE VIEW behind AS SELECT b.id FROM b, a");
    let (keeper, _) = keeper(&cluster, Duration::from_secs(3600));
    let migration = support::sql::connect(cluster.port(), "postgres", "shop").await;
    migration.simple("BEGIN; SET LOCAL lock_timeout = '3s'; LOCK TABLE a").await.unwrap();
    let reads = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.ensure("shop").await }
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'a'::regclass";
    let shop = || keeper.store.load().database("shop").map(|database| Arc::clone(&database.catalog));
    eventually("the reading", || cluster.sql("shop", waiting) == "1" || shop().is_some()).await;
    // The reading holds a lock on b while it waits for a.
    migration.simple("LOCK TABLE b").await.unwrap();
    reads.await.unwrap().unwrap();
    assert_eq!(named(&shop().unwrap(), "behind").definition, None, "it could not be printed");
    assert!(named(&shop().unwrap(), "active").definition.is_some(), "others could");
    migration.simple("COMMIT").await.unwrap();
    eventually("seeing the view later", || named(&shop().unwrap(), "behind").definition.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keeper_forgets_a_database_that_was_dropped() {
    let Some(cluster) = prepared() else { return };
    let (keeper, readings) = keeper(&cluster, Duration::from_millis(100));
    cluster.sql("postgres", "CREATE DATABASE fleeting");
    keeper.ensure("fleeting").await.unwrap();
    let known = || keeper.store.load().database("fleeting").is_some();
    assert!(known());
    cluster.sql("postgres", "DROP DATABASE fleeting");
    eventually("forgetting", || !known()).await;
    let asked = readings.lock().unwrap().len();
    assert!(keeper.failing().is_empty());
    cluster.sql("postgres", "CREATE DATABASE fleeting");
    cluster.sql("fleeting", "CREATE TABLE other (id int)");
    assert_eq!(readings.lock().unwrap().len(), asked, "a database that is no more is not asked for");
    keeper.ensure("fleeting").await.unwrap();
    assert!(keeper.store.load().database("fleeting").unwrap().catalog.find("public", "other").is_some());
    cluster.sql("fleeting", "CREATE TABLE fresh (id int)");
    let fresh = || keeper.store.load().database("fleeting").unwrap().catalog.find("public", "fresh").is_some();
    eventually("following the new one", fresh).await;
}

#[tokio::test]
async fn the_keeper_reads_again_at_intervals() {
    let Some(cluster) = prepared() else { return };
    let (keeper, _) = keeper(&cluster, Duration::from_millis(200));
    keeper.ensure("shop").await.unwrap();
    cluster.sql("shop", "ALTER TABLE vips ADD COLUMN extra text");
    let has_extra = || {
        let snapshot = keeper.store.load();
        snapshot.database("shop").unwrap().catalog.find("public", "vips").unwrap().column("extra").is_some()
    };
    eventually("seeing the new column without a hint", has_extra).await;
}
