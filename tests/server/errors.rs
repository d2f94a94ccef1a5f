//! Errors of the server as a governed session hears them: where they point to, and what they leave out.

use crate::support::sql::{Session, try_connect};
use crate::support::{Shop, shop};

async fn position(session: &Session, text: &str) -> Option<u32> {
    let error = session.client.simple_query(text).await.expect_err(text);
    match error.as_db_error()?.position()? {
        tokio_postgres::error::ErrorPosition::Original(position) => Some(*position),
        tokio_postgres::error::ErrorPosition::Internal { .. } => None,
    }
}

fn place(text: &str, of: &str) -> Option<u32> {
    let byte = text.rfind(of).unwrap();
    u32::try_from(text[..byte].chars().count() + 1).ok()
}

#[tokio::test]
async fn errors_point_to_where_the_client_has_written() {
    let Some(shop) = shop("positions") else { return };
    let (proxy, _policies) = shop.proxy();
    let session = shop.via(&proxy, "support").await;
    let direct = shop.direct("postgres").await;
    for (text, word) in [
        ("SELECT nothing FROM customers", "nothing"),
        ("SELECT 'é' /* 'ß' */ || email, c.nothing FROM customers c, orders", "c.nothing"),
        ("SELECT lower(email) FROM customers WHERE lowr(email) = 'x'", "lowr"),
        ("SELECT upper(email) FROM customers c -- ü\n JOIN orders o ON o.customer_id = c.id AND id + 'x' > 3", "'x'"),
        ("SELECT email FROM customers WHERE email = ANY (1)", "= ANY"),
        ("SELECT count(*) FROM customers; SELECT email + 1 FROM customers", "+"),
        ("UPDATE customers SET name = phone + 1 WHERE lower(name) = 'x'", "+"),
        ("SELECT email, count(*) FROM customers GROUP BY country", "email"),
        ("SELECT 1 FROM customers WHERE id = 'x'", "'x'"),
    ] {
        assert_eq!(position(&direct, text).await, place(text, word), "{text}: the server itself");
        assert_eq!(position(&session, text).await, place(text, word), "{text}");
    }
    let extended = session.client.query("SELECT email || nothing FROM customers", &[]).await.unwrap_err();
    let position = extended.as_db_error().unwrap().position().cloned();
    assert_eq!(position, Some(tokio_postgres::error::ErrorPosition::Original(17)));
}

#[tokio::test]
async fn so_they_do_where_only_a_retired_column_is_left_out() {
    let Some(shop) = shop("positions_observed") else { return };
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", "phase: deprecated", "phase: sunset");
    let proxy = shop.proxy_with(&policies, "");
    let session = shop.via(&proxy, "shop_app").await;
    let (text, before) = ("SELECT *, 'é', nothing FROM orders", session.value("SELECT count(*) FROM orders").await);
    assert_eq!(position(&session, text).await, place(text, "nothing"));
    let error = session.client.simple_query("SELECT *, 1 / (order_id - order_id) FROM orders").await.unwrap_err();
    assert_eq!(
        error.as_db_error().map(|error| (error.message(), error.routine())),
        Some(("division by zero", Some("int48div")))
    );
    assert_eq!(session.value("SELECT count(*) FROM orders").await, before);
}

/// Login triggers are older servers' loss.
#[tokio::test]
async fn what_ends_a_session_before_it_begins_tells_no_values() {
    let Some(shop) = shop("login_error") else { return };
    let version: u32 = shop.sql("SHOW server_version_num").trim().parse().unwrap();
    if version < 170_000 {
        return;
    }
    let (proxy, _policies) = shop.proxy();
    shop.sql(
        "CREATE FUNCTION public.greet() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             IF session_user <> 'postgres' AND session_user NOT LIKE 'pgcov%' THEN
                 RAISE NOTICE 'seen %', (SELECT ssn FROM public.customers WHERE id = 1);
                 RAISE EXCEPTION 'not today, %', (SELECT ssn FROM public.customers WHERE id = 1)
                     USING DETAIL = (SELECT ssn FROM public.customers WHERE id = 2), HINT = 'x';
             END IF;
         END $$;
         CREATE EVENT TRIGGER greet ON login EXECUTE FUNCTION public.greet()",
    );
    let port = proxy.port();
    let error = try_connect(port, "support", &shop.database).await.unwrap_err();
    let told = error.as_db_error().unwrap();
    assert_eq!((told.code().code(), told.message()), ("P0001", "exception raised by a function"));
    assert_eq!((told.detail(), told.hint(), told.where_()), (None, None, None));
    let error = try_connect(port, "analyst", &shop.database).await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().starts_with("not today, "), "an observed client hears all of it");
    shop.sql("DROP EVENT TRIGGER greet");
}
