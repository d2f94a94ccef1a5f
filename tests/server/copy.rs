//! COPY in both directions, in bulk.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};

use crate::support::{project, shop};

#[tokio::test]
async fn a_million_values_out_and_in_again() {
    let Some(shop) = shop("copy") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    app.simple("CREATE TABLE bulk AS SELECT g AS id, md5(g::text) AS value, NULL::text AS nothing FROM generate_series(1, 200000) g").await.unwrap();
    app.simple("CREATE TABLE again (LIKE bulk)").await.unwrap();
    for format in ["text", "csv", "binary"] {
        app.simple("TRUNCATE again").await.unwrap();
        let out = app.client.copy_out(&format!("COPY bulk TO STDOUT (FORMAT {format})")).await.unwrap();
        let mut out = std::pin::pin!(out);
        let mut chunks: Vec<Bytes> = Vec::new();
        while let Some(chunk) = out.next().await {
            chunks.push(chunk.unwrap());
        }
        let into = app.client.copy_in::<_, Bytes>(&format!("COPY again FROM STDIN (FORMAT {format})")).await.unwrap();
        let mut into = std::pin::pin!(into);
        for chunk in chunks {
            into.feed(chunk).await.unwrap();
        }
        assert_eq!(into.finish().await.unwrap(), 200_000);
        let difference = app.rows("TABLE bulk EXCEPT ALL TABLE again").await;
        assert!(difference.is_empty(), "{format}: {} rows differ", difference.len());
    }
}

#[tokio::test]
async fn a_copy_that_fails_leaves_the_session_in_order() {
    let Some(shop) = shop("copy_fails") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    let into = app.client.copy_in::<_, Bytes>("COPY employees FROM STDIN").await.unwrap();
    let mut into = std::pin::pin!(into);
    into.send(Bytes::from_static(b"not a number\n")).await.unwrap();
    assert_eq!(into.finish().await.unwrap_err().code().unwrap().code(), "22P02");
    assert_eq!(app.value("SELECT count(*) FROM employees").await, "20");
    let into = app.client.copy_in::<_, Bytes>("COPY employees FROM STDIN").await.unwrap();
    drop(into);
    assert_eq!(app.value("SELECT count(*) FROM employees").await, "20");
}

#[tokio::test]
async fn a_governed_copy_into_a_table_is_refused_without_reading_it() {
    let Some(shop) = shop("copy_governed") else { return };
    shop.sql("GRANT INSERT ON payments TO support");
    let (proxy, _policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    let refused = support.client.copy_in::<_, Bytes>("COPY payments FROM STDIN").await.err().unwrap();
    assert_eq!(refused.code().unwrap().code(), "42501");
    let schema = project("deploy/demo/schema.sql").display().to_string();
    let refused = support.error(&format!("COPY payments FROM '{schema}'")).await;
    assert_eq!(refused.code, "42501");
    assert_eq!(support.value("SELECT 1").await, "1");
}
