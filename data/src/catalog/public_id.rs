//! Identifiers of QuakeML: `smi:authority/resource`.

/// Shortest authority that QuakeML allows.
const MIN_AUTHORITY: usize = 3;

/// Identifier `smi:local/a/b` from its parts, such as `glitch` and a number.
///
/// Characters that QuakeML does not allow, such as the colons of a time, become `_`. Empty parts are left out.
pub fn public_id(parts: &[&str]) -> String {
    let clean = |part: &&str| -> String {
        let kept = |c: char| if is_resource(c) && c != '/' { c } else { '_' };
        part.chars().map(kept).collect()
    };
    let parts: Vec<String> = parts.iter().filter(|p| !p.is_empty()).map(clean).collect();
    let resource = parts.join("/");
    match resource.chars().next() {
        Some(first) if is_first(first) => format!("smi:local/{resource}"),
        _ => format!("smi:local/_{resource}"),
    }
}

/// True if QuakeML 1.2 allows an identifier.
pub(super) fn is_valid(text: &str) -> bool {
    let body = text.strip_prefix("smi:").or(text.strip_prefix("quakeml:"));
    let Some((authority, resource)) = body.and_then(|b| b.split_once('/')) else {
        return false;
    };
    let starts_with_word = authority.starts_with(is_word);
    let long = authority.chars().count() >= MIN_AUTHORITY;
    let starts_right = resource.starts_with(is_first);
    starts_with_word
        && long
        && authority.chars().all(is_first)
        && starts_right
        && resource.chars().all(is_resource)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_first(c: char) -> bool {
    is_word(c) || "-.*()~'".contains(c)
}

fn is_resource(c: char) -> bool {
    is_first(c) || "+?=,;#/&".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_made_valid() {
        for (parts, expected) in [
            (
                &["glitch", "2019-06-05T01:02:03Z"][..],
                "smi:local/glitch/2019-06-05T01_02_03Z",
            ),
            (
                &["XB.ELYSE.02", "a/b c\u{e9}", ""],
                "smi:local/XB.ELYSE.02/a_b_c_",
            ),
            (&[], "smi:local/_"),
            (&["+1"], "smi:local/_+1"),
        ] {
            assert_eq!(public_id(parts), expected);
            assert!(is_valid(expected), "{expected}");
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "smi:local",
            "smi:lo/x",
            "smi:local/",
            "smi:local/a b",
            "local/x",
            "smi:local/a:b",
            "smi:-ab/x",
            "smi:local/+",
        ] {
            assert!(!is_valid(text), "{text}");
        }
        assert!(is_valid("quakeml:eu.emsc/event?id=1&x=2"));
    }
}
