//! The version that the changes ask for.

use super::{CONTRACT, POLICY, bundle, compared, edited, line};

/// What the contract's version is found to be, after these edits.
fn judged(edits: &[(&str, &str)]) -> (String, Vec<String>) {
    let old = bundle("old", CONTRACT, POLICY);
    let new = bundle("new", &edited(CONTRACT, edits), POLICY);
    let difference = compared(&old, &new, None);
    let mut findings = difference.findings.clone();
    let versions = difference.versions(&mut findings);
    let more = findings.iter().skip(difference.findings.len()).map(line).collect();
    (versions[0].suggested.unwrap().to_string(), more)
}

const REMOVED: (&str, &str) = ("      - {name: note, physicalType: text, description: Free text.}\n", "");
const ADDED: (&str, &str) =
    ("      - name: status\n", "      - {name: more, physicalType: text}\n      - name: status\n");
const DESCRIBED: (&str, &str) = ("description: People.", "description: Persons.");

#[test]
fn breaks_ask_for_the_first_number_additions_for_the_second_and_the_rest_for_the_third() {
    for (edits, suggested) in
        [(&[][..], "1.3.0"), (&[DESCRIBED], "1.3.1"), (&[ADDED, DESCRIBED], "1.4.0"), (&[REMOVED, ADDED], "2.0.0")]
    {
        assert_eq!(judged(edits).0, suggested);
    }
}

#[test]
fn a_version_that_says_too_little_is_found() {
    let to = |version: &'static str| ("version: 1.3.0", version);
    let lines = |edits: &[(&str, &str)]| judged(edits).1;
    assert_eq!(lines(&[REMOVED, to("version: 1.4.0")]), ["error version-too-small shop: 1.3.0 -> 1.4.0"]);
    assert_eq!(lines(&[ADDED]), ["error version-too-small shop: 1.3.0 -> 1.3.0"]);
    assert_eq!(lines(&[DESCRIBED]), ["warning version-too-small shop: 1.3.0 -> 1.3.0"]);
    assert_eq!(lines(&[REMOVED, to("version: 2.0.0")]), Vec::<String>::new());
    assert_eq!(lines(&[ADDED, to("version: 1.4.0")]), Vec::<String>::new());
    assert_eq!(lines(&[]), Vec::<String>::new());
}
