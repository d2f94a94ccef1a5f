//! The files that Grafana reads, and their questions to Prometheus, asked as Grafana asks them.

use std::collections::BTreeSet;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::{http, project, prometheus::Prometheus, prometheus::encoded};

/// One dashboard.
pub struct Page {
    pub uid: String,
    json: Value,
}

/// One question, and where it comes from.
#[derive(Debug, Clone)]
pub struct Question {
    page: String,
    place: String,
    pub text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Instant,
    Range,
    Label,
}

impl Page {
    /// All that are provisioned.
    pub fn all() -> Vec<Self> {
        let folder = project("deploy/grafana/provisioning/dashboards");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let pages: Vec<_> = files
            .map(|file| {
                let json: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
                Self { uid: json["uid"].as_str().unwrap().to_owned(), json }
            })
            .collect();
        assert_eq!(pages.len(), 7);
        pages
    }

    pub fn panels(&self) -> &[Value] {
        self.json["panels"].as_array().unwrap()
    }

    pub fn variables(&self) -> BTreeSet<String> {
        let variables = self.json["templating"]["list"].as_array().unwrap();
        variables.iter().map(|variable| variable["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The sources that anything on the page names.
    pub fn sources(&self) -> BTreeSet<String> {
        fn collect(value: &Value, found: &mut BTreeSet<String>) {
            if let Some(uid) = value["datasource"]["uid"].as_str() {
                found.insert(uid.to_owned());
            }
            match value {
                Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
                Value::Object(fields) => fields.values().for_each(|item| collect(item, found)),
                _ => {}
            }
        }
        let mut found = BTreeSet::new();
        collect(&self.json, &mut found);
        found
    }

    /// The pages that links on this one lead to.
    pub fn links(&self) -> BTreeSet<String> {
        let text = self.json.to_string();
        let after = text.split("\"/d/").skip(1);
        after.map(|rest| rest.split(['?', '"', '/']).next().unwrap().to_owned()).collect()
    }

    /// Of panels, variables and annotations.
    pub fn questions(&self) -> Vec<Question> {
        let question = |place: &Value, text: &Value, kind| Question {
            page: self.uid.clone(),
            place: place.as_str().unwrap().to_owned(),
            text: text.as_str().unwrap().to_owned(),
            kind,
        };
        let mut questions = Vec::new();
        for panel in self.panels() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let kind = if target["instant"] == true { Kind::Instant } else { Kind::Range };
                questions.push(question(&panel["title"], &target["expr"], kind));
            }
        }
        for variable in self.json["templating"]["list"].as_array().unwrap() {
            questions.push(question(&variable["name"], &variable["query"]["query"], Kind::Label));
        }
        for annotation in self.json["annotations"]["list"].as_array().unwrap() {
            questions.push(question(&annotation["name"], &annotation["expr"], Kind::Range));
        }
        questions
    }
}

impl Question {
    /// Variables in it, such as `datname` for `$datname`.
    pub fn variables(&self) -> BTreeSet<String> {
        let after = self.text.split('$').skip(1);
        let name = |rest: &str| {
            let rest = rest.trim_start_matches('{');
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap().to_owned()
        };
        after.map(name).collect()
    }

    /// How many values there are that are numbers, or what Prometheus has against the question.
    pub fn ask(&self, prometheus: &Prometheus, database: &str) -> Result<usize, String> {
        let text = self.filled(database);
        let path = match self.kind {
            Kind::Instant => format!("/api/v1/query?query={}", encoded(&text)),
            Kind::Range => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
                format!("/api/v1/query_range?query={}&start={}&end={now}&step=1", encoded(&text), now - 60)
            }
            Kind::Label => {
                let inner = text.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
                let (metric, label) = inner.and_then(|inner| inner.rsplit_once(", ")).ok_or("no label_values")?;
                format!("/api/v1/label/{label}/values?match[]={}", encoded(metric))
            }
        };
        let (_, body) = http::get(prometheus.port(), &path).ok_or("no answer")?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        if answer["status"] != "success" {
            return Err(format!("{text}: {}", answer["error"]));
        }
        if self.kind == Kind::Label {
            return Ok(answer["data"].as_array().map_or(0, Vec::len));
        }
        let series = answer["data"]["result"].as_array().ok_or("no result")?;
        let values = series.iter().flat_map(|one| match self.kind {
            Kind::Instant => vec![&one["value"]],
            _ => one["values"].as_array().map(|values| values.iter().collect()).unwrap_or_default(),
        });
        let numbers = values.filter(|value| value[1].as_str().is_some_and(|text| text != "NaN"));
        Ok(numbers.count())
    }

    /// With what Grafana puts in the place of variables.
    fn filled(&self, database: &str) -> String {
        let values = [
            ("$__rate_interval", "10s"),
            ("$__range", "60s"),
            ("$datname", database),
            ("$schemaname", "public"),
            ("$relname", "orders"),
            ("$application", ".*"),
            ("$operation", ".*"),
            ("$instance", ".*"),
            ("$classification", ".*"),
        ];
        let filled = values.iter().fold(self.text.clone(), |text, (name, value)| text.replace(name, value));
        assert!(!filled.contains('$'), "{self:?}: what is {filled}");
        filled
    }
}
