//! What `/metrics` and its page of documentation hold.

use super::*;

#[test]
fn the_scrape_has_exactly_the_declared_metrics() {
    let (observer, _folder) = observer(Caps { applications: 0, ..Caps::default() });
    report_everything(&observer);
    let text = observer.render();
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    let labels = METRICS.iter().map(|metric| format!("# LABELS {} {}", metric.name, metric.labels.join(",")));
    let mut lines: Vec<String> = heads.iter().map(|line| (*line).to_owned()).chain(labels).collect();
    lines.sort_by_key(|line| line.split(' ').nth(2).map(|name| (name.to_owned(), line.clone())));
    let listing: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
    assert_eq!(listing, GOLDEN, "names, help and types are an interface: change tests/golden/metrics.txt on purpose");

    let declared: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    let rendered: BTreeSet<_> =
        heads.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(declared, rendered);
}

#[test]
fn the_documentation_lists_every_metric() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, _) = page.split_once("every_metric`. -->\n").expect("the mark before the list");
    let mut metrics = METRICS.to_vec();
    metrics.sort_by_key(|metric| metric.name);
    let line = |metric: &Metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = metric.help.replace("__other__", "`__other__`");
        format!("| `{}` | {} | {} | {help} |\n", metric.name, metric.kind.as_str(), labels.join(", "))
    };
    let list: String = metrics.iter().map(line).collect();
    let table = format!("| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n{list}");
    let wanted = format!("{before}every_metric`. -->\n\n{table}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert!(
        page == wanted || std::env::var_os("BLESS").is_some(),
        "docs/metrics.md is out of date: run this with BLESS=1"
    );
}

#[test]
fn every_series_has_the_declared_labels() {
    let (observer, _folder) = observer(Caps { applications: 0, ..Caps::default() });
    report_everything(&observer);
    for (name, _) in series(&observer.render()) {
        let (base, labels) = name.trim_end_matches('}').split_once('{').unwrap_or((name, ""));
        let metric = METRICS
            .iter()
            .find(|metric| ["", "_bucket", "_sum", "_count"].iter().any(|end| format!("{}{end}", metric.name) == base))
            .unwrap_or_else(|| panic!("{base} is not declared"));
        let keys: BTreeSet<_> = labels
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, _)| key)
            .filter(|key| *key != "le")
            .collect();
        assert_eq!(keys, metric.labels.iter().copied().collect(), "{name}");
    }
}
