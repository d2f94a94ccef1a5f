//! Rotated files of the audit of a real run are compressed, and read like the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::audit::{proxy, stop, verify};
use crate::support::{Proxy, shop, until};

/// Every file of the audit in a folder, in the order of their names; what is half done and the checkpoint left out.
fn files(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| path.to_string_lossy().ends_with(".jsonl") || is_gzip(path);
    let mut files: Vec<_> = all.filter(is_one).collect();
    files.sort();
    files
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

fn show(paths: &[PathBuf]) -> (Option<i32>, String, String) {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    Proxy::run(&[&["audit", "show"], &paths[..]].concat())
}

#[tokio::test]
async fn a_crash_while_files_are_compressed_loses_nothing_of_the_chain() {
    let Some(shop) = shop("audit_gzip") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let path = folder.path().join("audit.jsonl");
    let audit = || format!("audit: {{path: {}, rotate: {{bytes: 4096, keep: 10000, compress: gzip}}}}", path.display());
    let mut killed = proxy(&shop, &policies, audit());
    let support = shop.via(&killed, "support").await;
    let mut ran = 0;
    while files(folder.path()).iter().filter(|file| is_gzip(file)).count() < 3 {
        support.rows("SELECT email FROM customers LIMIT 1").await;
        ran += 1;
        // A disk that others keep busy is waited for, not filled.
        tokio::time::sleep(Duration::from_millis(if ran < 100 { 0 } else { 20 })).await;
        assert!(ran < 3000, "nothing is compressed: {}", killed.log());
    }
    killed.metric_reaches("pgcovenant_audit_events_total", &[("result", "written")], f64::from(ran)).await;
    killed.signal("KILL");
    killed.wait(Duration::from_secs(20)).unwrap();
    // As if it had been in the middle of two of them: one had not got its name, the other had lost its end.
    let gzipped: Vec<_> = files(folder.path()).into_iter().filter(|file| is_gzip(file)).collect();
    for (file, ending) in gzipped.iter().zip(["gz.new", "gz"]) {
        let packed = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut plain).unwrap();
        fs::write(file.with_extension(""), plain).unwrap();
        fs::write(file.with_extension(ending), &packed[..packed.len() / 2]).unwrap();
    }
    let whole = |paths: &[PathBuf]| {
        let (code, said) = verify(paths, &[]);
        assert_eq!(code, Some(0), "{said}");
        let (code, shown, problems) = show(paths);
        assert_eq!((code, problems.as_str()), (Some(0), ""));
        shown
    };
    let (code, said) = verify(&files(folder.path()), &[]);
    assert_eq!(code, Some(0), "before the next start: {said}");

    let again = proxy(&shop, &policies, audit());
    let all_gzipped = || {
        let files = files(folder.path());
        let plain = files.iter().filter(|file| !is_gzip(file)).count();
        plain == 1 && fs::read_dir(folder.path()).unwrap().count() == files.len() + 1
    };
    until("what was left is not compressed", all_gzipped);
    stop(again);
    assert_eq!(whole(&files(folder.path())).lines().count(), usize::try_from(ran).unwrap(), "all of them, and once");

    // One that is damaged is told by name and place, and is no good news.
    let victim = files(folder.path()).into_iter().find(|file| is_gzip(file)).unwrap();
    let packed = fs::read(&victim).unwrap();
    fs::write(&victim, &packed[..packed.len() - 20]).unwrap();
    let (code, said) = verify(&files(folder.path()), &[]);
    assert_eq!(code, Some(1), "{said}");
    let first = said.lines().next().unwrap();
    assert!(first.starts_with(&format!("{}:", victim.display())), "{said}");
    assert!(first.contains("the compressed file is damaged before the end of this line"), "{said}");
    assert!(first.contains(&format!("at byte {} of the compressed file", packed.len() - 20)), "{said}");
    let (code, _, problems) = show(&files(folder.path()));
    assert_eq!(code, Some(2));
    assert!(problems.contains(&victim.display().to_string()) && problems.contains("it is cut off"), "{problems}");
}
