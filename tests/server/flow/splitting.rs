//! Conversations whose bytes are cut and merged at random between client and proxy and between proxy and server: the
//! answers must be those of the direct connection, byte for byte.

use super::{copying, pipelines, portals};
use crate::support::conversation::{Turn, alike, conditions, play};
use crate::support::raw::Raw;
use crate::support::splitter::Splitter;
use crate::support::{Proxy, ProxyOptions, Shop, shop};

fn conversations() -> Vec<(String, Vec<Turn>)> {
    let named = |list: Vec<(&'static str, Vec<Turn>)>| list.into_iter().map(|(name, turns)| (name.to_owned(), turns));
    named(portals::conversations())
        .chain(pipelines::conversations())
        .chain(copying::out())
        .chain(named(copying::into()))
        .collect()
}

/// Client, splitter, proxy, splitter, server.
struct Line {
    before: Splitter,
    _proxy: Proxy,
    _after: Splitter,
}

fn line(shop: &Shop, policies: &crate::support::shop::Policies, seed: u64) -> Line {
    let after = Splitter::start(shop.cluster.port(), seed);
    let proxy = Proxy::start(
        shop.cluster,
        ProxyOptions {
            policies: Some(policies.path().to_owned()),
            service: Some("pgcovenant"),
            upstream_port: Some(after.port()),
            ..ProxyOptions::default()
        },
    );
    Line { before: Splitter::start(proxy.port(), seed + 1000), _proxy: proxy, _after: after }
}

#[test]
fn the_answers_do_not_depend_on_how_bytes_arrive() {
    let Some(shop) = shop("flow_splitting") else { return };
    let policies = shop.policies();
    let answers = |port: u16, user: &str, turns: &[Turn]| play(&mut Raw::connect(port, user, &shop.database), turns);
    for seed in [1, 2] {
        let line = line(&shop, &policies, seed);
        for (name, turns) in conversations() {
            let expected = answers(shop.cluster.port(), "shop_app", &turns);
            alike(&format!("{name}, seed {seed}"), &expected, &answers(line.before.port(), "shop_app", &turns));
        }
        for (name, turns) in pipelines::conversations() {
            let expected = conditions(answers(shop.cluster.port(), "support", &turns));
            let seen = conditions(answers(line.before.port(), "support", &turns));
            alike(&format!("{name}, governed, seed {seed}"), &expected, &seen);
        }
    }
}
