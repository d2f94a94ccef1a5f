//! `$.card.number`, `$.tags[*]`, `$."first name"`: where in a document a value stands.

/// One step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `.name`: the member of an object.
    Member(String),
    /// `[*]`: every item of an array.
    Items,
}

/// The steps of a path, or what is wrong with it.
pub(super) fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut rest = path.strip_prefix('$').ok_or_else(|| "it must start with `$`, the whole document".to_owned())?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = step(rest)?;
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

fn step(rest: &str) -> Result<(Step, &str), String> {
    if let Some(after) = rest.strip_prefix("[*]") {
        return Ok((Step::Items, after));
    }
    if rest.starts_with('[') {
        return Err("`[*]` stands for every item, and single items cannot be told apart".to_owned());
    }
    let Some(name) = rest.strip_prefix('.') else {
        return Err(format!("`{rest}` is neither `.name` nor `[*]`"));
    };
    if let Some(quoted) = name.strip_prefix('"') {
        return member_in_quotes(quoted);
    }
    let end = name.find(['.', '[', '"', '*', ' ']).unwrap_or(name.len());
    match name.split_at_checked(end) {
        Some((name, after)) if !name.is_empty() => Ok((Step::Member(name.to_owned()), after)),
        _ => Err("a name is missing behind the point; one with other signs in it stands in double quotes".to_owned()),
    }
}

/// A name up to its closing quote; a backslash takes the next character as it is.
fn member_in_quotes(quoted: &str) -> Result<(Step, &str), String> {
    let mut name = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok((Step::Member(name), characters.as_str())),
            '\\' => name.extend(characters.next()),
            other => name.push(other),
        }
    }
    Err("a double quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_step_by_step() {
        let member = |name: &str| Step::Member(name.to_owned());
        assert_eq!(parse("$"), Ok(Vec::new()));
        assert_eq!(parse("$.a.b-c[*].d_1"), Ok(vec![member("a"), member("b-c"), Step::Items, member("d_1")]));
        assert_eq!(parse("$[*][*]"), Ok(vec![Step::Items, Step::Items]));
        assert_eq!(parse(r#"$."a.b \"c\""."ü""#), Ok(vec![member("a.b \"c\""), member("ü")]));
        for wrong in ["", "a", "$a", "$.", "$..a", "$.a[0]", "$.a[", "$.*", "$.\"a", "$ .a"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
