//! Trees, and what is refused.

use proptest::prelude::*;

use super::*;

fn own(namespace: &str) -> bool {
    namespace == "urn:own"
}

fn fault(text: &str) -> (u64, String) {
    let error = parse(text.as_bytes(), own).expect_err(text);
    (error.line, error.reason)
}

#[test]
fn elements_attributes_and_text() {
    let text = "\u{feff}<?xml version='1.0' encoding='UTF-8'?>\n<!-- c -->\n<r xmlns='urn:own' a='1 &amp; 2'>\n  \
                <x b=\"\">one &lt; &#x74;wo<![CDATA[ & <three>]]></x>\n <y/>\n <x> 2.5e1 </x></r>\n";
    let document = parse(text.as_bytes(), own).unwrap();
    let root = document.root();
    assert_eq!((root.name(), root.line()), ("r", 3));
    assert_eq!(root.attribute("a").unwrap(), "1 & 2");
    let names: Vec<&str> = root.children().map(|e| e.name()).collect();
    assert_eq!(names, ["x", "y", "x"]);
    let first = root.child("x").unwrap();
    assert_eq!(first.text(), "one < two & <three>");
    assert_eq!((first.line(), first.attribute("b")), (4, None));
    assert_eq!(root.all("x").nth(1).unwrap().number().unwrap(), 25.0);
    assert_eq!(
        root.required("z").unwrap_err().reason,
        "`r` has no element `z`"
    );
    let error = first.number().unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 4: `x` is `one < two & <three>`, not a finite number"
    );
}

#[test]
fn other_namespaces_are_dropped_with_all_inside() {
    let text = "<o:r xmlns:o='urn:own' xmlns:p='urn:other' xmlns='urn:third'>\n\
                <p:x>lost<o:x>lost</o:x></p:x><x>lost</x><o:x>kept</o:x><q:x>lost</q:x></o:r>";
    let document = parse(text.as_bytes(), own).unwrap();
    let kept: Vec<&str> = document.root().children().map(|e| e.text()).collect();
    assert_eq!(kept, ["kept"]);
    assert_eq!(document.root().name(), "r");
}

#[test]
fn entities_are_refused() {
    let bomb = "<!DOCTYPE r [\n<!ENTITY a \"ha\">\n<!ENTITY b \"&a;&a;&a;\">]>\n<r>&b;</r>";
    assert_eq!(
        fault(bomb),
        (
            1,
            "the DOCTYPE defines entities, which are not read; remove it".into()
        )
    );
    assert_eq!(
        fault("<r>\n&b;</r>"),
        (2, "the entity `&b;` is unknown".into())
    );
    assert!(parse(b"<!DOCTYPE r SYSTEM 'x.dtd'><r/>", own).is_ok());
}

#[test]
fn bounds_hold() {
    let deep = "<a>".repeat(1000);
    assert_eq!(fault(&deep).1, "more than 64 levels of elements");
    let foreign = format!("<a xmlns:p='urn:p'>{}", "<p:a>".repeat(1000));
    assert_eq!(fault(&foreign).1, "more than 64 levels of elements");
    let attributes: String = (0..1000).map(|i| format!(" a{i}='1'")).collect();
    assert_eq!(
        fault(&format!("<a{attributes}/>")).1,
        "an element has more than 64 attributes"
    );
    let namespaces: String = (0..1000).map(|i| format!(" xmlns:p{i}='u'")).collect();
    assert_eq!(
        fault(&format!("<a{namespaces}/>")).1,
        "more than 128 namespaces are declared"
    );
    let many = format!("<a>{}</a>", "<b/>".repeat(4_000_001));
    assert_eq!(fault(&many).1, "more than 4000000 elements");
}

#[test]
fn faults_have_their_lines() {
    for (text, line, reason) in [
        ("", 1, "no element"),
        ("time,x\n1,2\n", 1, "text outside of the root element"),
        ("<a>\n<b>\n</a>", 3, "expected `</b>`"),
        (
            "<a>\n<b>\n",
            3,
            "the file ends inside of `b`, which starts in line 2",
        ),
        ("<a/>\n<b/>", 2, "a second root element"),
        (
            "<a>\n<b c='1' c='2'/></a>",
            2,
            "an attribute cannot be read",
        ),
        ("<a>\n<b c=1/></a>", 2, "an attribute cannot be read"),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?><a>\u{e9}</a>",
            1,
            "convert the file to UTF-8",
        ),
        ("<a>\n\n<b", 3, "tag not closed"),
    ] {
        let (found, why) = fault(text);
        assert!(
            why.contains(reason) && found == line,
            "{text:?}: {found} {why}"
        );
    }
    let long = fault(&format!("<{}>\n</b>", "a".repeat(100_000))).1;
    assert!(long.len() < 500 && long.ends_with("..."), "{long}");
    let error = parse(b"<a>\n\xff</a>", own).unwrap_err();
    assert_eq!(error.line, 2);
    assert!(error.reason.starts_with("the text is not UTF-8"), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(<a x='1'>|</a>|<p:b xmlns:p='u'>|</p:b>|<c/>|&amp;|&x;|<!\\[CDATA\\[|\\]\\]>|<!DOCTYPE a>|\\n|é|.){0,60}") {
        match parse(text.as_bytes(), own) {
            Ok(document) => prop_assert!(!document.root().name().is_empty()),
            Err(error) => prop_assert!(!error.reason.is_empty() && error.line >= 1),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = parse(&bytes, own) {
            prop_assert!(!error.reason.is_empty());
        }
    }
}
