//! Lookups that need no project: what they read out of text. Expected values are those of ansible-core 2.19.

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
