//! Every combination of TLS on either hop, method, source of verifiers and password: the outcome is that of a direct
//! connection with the client's settings.

use super::{METHODS, Source, site};

/// TLS of the client as libpq is told.
const CLIENTS: &[&str] = &[
    "sslmode=disable",
    "sslmode=verify-full channel_binding=disable",
    "sslmode=verify-full channel_binding=prefer",
    "sslmode=verify-full channel_binding=require",
];

/// Users and passwords of one method.
const TRIES: &[&str] = &["right", "wrong", "unknown", "empty"];

#[test]
fn every_combination_ends_as_without_the_proxy() {
    let Some(site) = site() else { return };
    let log_in = |port, client: &str, method: &str, what: &str| {
        let password = format!("secret-{method}");
        match what {
            "right" => site.psql(port, method, &password, client),
            "wrong" => site.psql(port, method, "wrong", client),
            "empty" => site.psql(port, method, "", client),
            _ => site.psql(port, &format!("no_{method}"), &password, client),
        }
    };
    let mut table = Vec::new();
    let mut all = Vec::new();
    for client in CLIENTS {
        for method in METHODS {
            for what in TRIES {
                all.push((*client, *method, *what, log_in(site.cluster.port(), client, method, what)));
            }
        }
    }
    for source in [Source::Nowhere, Source::File, Source::Query] {
        for server_tls in ["disable", "verify-full"] {
            let proxy = site.proxy(source, server_tls);
            for (client, method, what, direct) in &all {
                let through = log_in(proxy.port(), client, method, what);
                if *direct != through && !expected_to_differ(source, client, (method, what)) {
                    table.push(format!(
                        "{source:?} | server {server_tls} | {client} | {method} | {what}\n    direct  {direct:?}\n    through {through:?}"
                    ));
                }
            }
            assert!(!proxy.log().contains("secret-"), "a password in the log:\n{}", proxy.log());
        }
    }
    assert!(table.is_empty(), "{} combinations differ:\n{}", table.len(), table.join("\n"));
}

/// Without verifiers nothing can be bound to the channel that ends at the proxy.
fn expected_to_differ(source: Source, client: &str, tried: (&str, &str)) -> bool {
    // On a line with md5, the server uses SCRAM with those it does not know.
    let scram = matches!(tried, ("scram" | "md5_on_scram" | "expired", _) | ("md5", "unknown"));
    source == Source::Nowhere && scram && client.contains("require")
}
