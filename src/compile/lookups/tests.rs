//! Lookups that need no project: what they read out of text. Expected values are those of ansible-core 2.19.

use super::sequence::one;
use super::template::header;
use crate::template::FileOptions;

#[test]
fn headers_of_templates() {
    let mut options = FileOptions::default();
    let text =
        "#jinja2: variable_start_string:'[%', variable_end_string : '%]', trim_blocks: False, lstrip_blocks:True\nx";
    assert_eq!(header(text, &mut options), Ok(("x", 2)));
    assert_eq!(options.variable, ("[%".to_owned(), "%]".to_owned()));
    assert!(!options.trim_blocks && options.lstrip_blocks);
    assert_eq!(header("plain", &mut options), Ok(("plain", 1)));
    assert!(header("#jinja2: no_such: 1\n", &mut options).is_err());
    assert!(header("#jinja2: trim_blocks: maybe\n", &mut options).is_err());
    assert!(header("#jinja2: newline_sequence: '\\n\\n'\n", &mut options).is_err());
}

#[test]
fn sequences() {
    let table = [
        ("start=1 end=4", "1 2 3 4"),
        ("4", "1 2 3 4"),
        ("2-6/2", "2 4 6"),
        ("7-8:host%02d", "host07 host08"),
        ("start=3 end=0 stride=-1", "3 2 1 0"),
        ("count=5 start=0 stride=2", "0 2 4 6 8"),
        ("count=0", ""),
        ("start=0x0f00 count=2 format=%04x", "0f00 0f01"),
    ];
    for (text, expected) in table {
        let found = one(text, &crate::value::Map::new()).unwrap();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), expected, "{text}");
    }
    for bad in ["start=1", "start=A end=3", "start=3 end=1", "start=1 end=4 format=d", "junk=3"] {
        assert!(one(bad, &crate::value::Map::new()).is_err(), "{bad}");
    }
}
