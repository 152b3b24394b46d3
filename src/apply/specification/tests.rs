use super::*;
use crate::value::from_json;

fn judged(spec: &str, given: &str) -> Judgement {
    let read = |text: &str| from_json(serde_json::from_str(text).unwrap());
    let args = Value::map([(SPECIFICATION, read(spec)), (PROVIDED, read(given))]);
    judge(args.as_map().unwrap()).unwrap()
}

fn messages(spec: &str, given: &str) -> Vec<String> {
    judged(spec, given).misfits.into_iter().map(|misfit| misfit.message).collect()
}

/// A specification of several kinds, and what ansible-core 2.19 says of the arguments beneath, but for names of its classes.
const SPEC: &str = r#"{
    "n": { "type": "int" }, "l": { "type": "list" }, "d": { "type": "dict", "options": { "a": { "type": "int" } } },
    "sub": { "type": "dict", "options": { "a": { "type": "int" }, "c": { "required": true } } },
    "ch": { "choices": ["a", "b"] }, "fl": { "type": "int" },
    "el": { "type": "list", "elements": "int", "choices": [1, 2] },
    "by": { "type": "bytes" }, "m1": { "required": true }, "m0": { "required": true },
    "ol": { "type": "list", "elements": "dict", "options": { "x": { "type": "int", "required": true } } }
}"#;
const GIVEN: &str = r#"{
    "n": "many", "l": { "a": 1 }, "d": "text", "sub": { "a": "x", "zz": 1 }, "ch": "z", "fl": 1.5, "el": [1, "x"],
    "by": "5zz", "ol": [{ "x": 1 }, { "y": 2 }, 3], "zap": 1
}"#;

#[test]
fn messages_and_their_order_are_ansibles() {
    let expected = [
        "dictionary requested, could not parse JSON or key=value",
        "missing required arguments: m0, m1",
        r#"argument 'n' is of type str and we were unable to convert to int: "'many'" cannot be converted to an int"#,
        "argument 'l' is of type dict and we were unable to convert to list: <class 'dict'> cannot be converted to a list",
        "argument 'd' is of type str and we were unable to convert to dict: dictionary requested, could not parse JSON or key=value",
        r#"argument 'fl' is of type float and we were unable to convert to int: "1.5" cannot be converted to an int"#,
        r#"Elements value for option 'el' is of type str and we were unable to convert to int: "'x'" cannot be converted to an int"#,
        "argument 'by' is of type str and we were unable to convert to bytes: <class 'str'> cannot be converted to a Byte value",
        "Elements value for option 'ol' is of type int and we were unable to convert to dict: <class 'int'> cannot be converted to a dict",
        "value of ch must be one of: a, b, got: z",
        "value of 'd' must be of type dict or list of dicts",
        "missing required arguments: c found in sub",
        r#"argument 'a' is of type str found in 'sub'. and we were unable to convert to int: "'x'" cannot be converted to an int"#,
        "missing required arguments: x found in ol",
        "ol.y, sub.zz, zap. Supported parameters include: by, ch, d, el, fl, l, m0, m1, n, ol, sub.",
    ];
    assert_eq!(messages(SPEC, GIVEN), expected);
}

#[test]
fn faults_say_which_part_of_the_specification_is_not_met() {
    let judgement = judged(SPEC, GIVEN);
    let faults: Vec<_> = judgement.misfits.iter().flat_map(|m| &m.faults).collect();
    let find = |text: &str| faults.iter().find(|fault| fault.text == text).unwrap_or_else(|| panic!("{faults:?}"));
    let nested = find("`sub.a` must be an integer, found a string");
    assert_eq!((nested.argument.as_str(), nested.place.join("/")), ("sub", "sub/options/a/type".to_owned()));
    assert_eq!(find("`m0` must be given").place, ["m0"]);
    assert_eq!(find("`sub` has no option `zz`").place, ["sub"]);
    assert!(find("there is no argument `zap`").place.is_empty());
    assert_eq!(find("`ch` is `z`, which is none of a, b; did you mean `a` or `b`?").place, ["ch", "choices"]);
}

#[test]
fn what_can_be_converted_fits() {
    let spec = r#"{
        "i": { "type": "int" }, "f": { "type": "float" }, "b": { "type": "bool" }, "l": { "type": "list", "elements": "int" },
        "d": { "type": "dict", "options": { "a": { "type": "int" }, "c": {} } }, "s": {}, "size": { "type": "bytes" },
        "bits": { "type": "bits" }, "json": { "type": "json" }, "yes": { "choices": [true, false] }, "nothing": { "type": "int" }
    }"#;
    let given = r#"{
        "i": " 5.0", "f": "1e3", "b": "Off", "l": "1,2", "d": "a=1, c='x y'", "s": { "any": "thing" }, "size": "1.5 MB",
        "bits": "10Kb", "json": [1], "yes": true, "nothing": null
    }"#;
    assert_eq!(messages(spec, given), [""; 0]);
    assert_eq!(messages(r#"{ "d": { "type": "dict", "options": { "a": {} } } }"#, r#"{ "d": "{'a': 1}" }"#), [""; 0]);
}

#[test]
fn sizes_are_of_bytes_or_of_bits() {
    for (kind, text, fits) in [
        ("bytes", "10K", true),
        ("bytes", "10kilobyte", true),
        ("bytes", "10Kb", false),
        ("bytes", "10.", false),
        ("bytes", "1ö", false),
        ("bits", "10Kb", true),
        ("bits", "10KB", false),
        ("bits", "", false),
    ] {
        assert_eq!(convert::convert(kind, &Value::str(text)).is_ok(), fits, "{kind} {text}");
    }
}

#[test]
fn options_are_related() {
    let option =
        |rule: &str| format!(r#"{{ "o": {{ "type": "dict", "options": {{ "a": {{}}, "b": {{}} }}, {rule} }} }}"#);
    for (rule, given, expected) in [
        (
            r#""mutually_exclusive": [["a", "b"]]"#,
            r#"{"a": 1, "b": 2}"#,
            "parameters are mutually exclusive: a|b found in o",
        ),
        (r#""required_together": [["a", "b"]]"#, r#"{"a": 1}"#, "parameters are required together: a, b found in o"),
        (r#""required_one_of": [["a", "b"]]"#, "{}", "one of the following is required: a, b found in o"),
        (
            r#""required_if": [["a", "x", ["b"]]]"#,
            r#"{"a": "x"}"#,
            "a is x but all of the following are missing: b found in o",
        ),
        (r#""required_by": {"a": "b"}"#, r#"{"a": 1}"#, "missing parameter(s) required by 'a': b found in o"),
    ] {
        assert_eq!(messages(&option(rule), &format!(r#"{{"o": {given}}}"#)), [expected], "{rule}");
        assert_eq!(messages(&option(rule), "{}"), [""; 0], "{rule}");
    }
    assert_eq!(messages(&option(r#""required_if": [["a", "x", ["b"]]]"#), r#"{"o": {"a": "y"}}"#), [""; 0]);
}

#[test]
fn aliases_and_defaults_count() {
    let aliased = r#"{ "a": { "type": "int", "required": true, "aliases": ["q"] } }"#;
    assert_eq!(messages(aliased, r#"{ "q": 1 }"#), [""; 0]);
    let with_alias = messages(aliased, r#"{ "q": 1, "z": 1 }"#);
    assert_eq!(with_alias, ["z. Supported parameters include: a (q)."]);
    let idle = messages(r#"{ "a": { "required": true, "default": 1 } }"#, "{}");
    assert_eq!(idle.first().unwrap(), "internal error: required and default are mutually exclusive for a");
    let applied = r#"{ "o": { "type": "dict", "apply_defaults": true, "options": { "a": { "required": true } } } }"#;
    assert_eq!(messages(applied, "{}"), ["missing required arguments: a found in o"]);
}

#[test]
fn values_that_are_not_to_be_logged_are_not_told() {
    let spec = r#"{
        "a": { "type": "int", "no_log": true }, "b": { "choices": ["x"], "no_log": true },
        "c": { "type": "list", "elements": "int", "no_log": true }, "d": { "type": "list", "choices": [1], "no_log": true }
    }"#;
    let judgement = judged(spec, r#"{ "a": "geheim", "b": "geheim", "c": ["geheim"], "d": ["geheim"] }"#);
    assert_eq!(judgement.misfits.len(), 4);
    let told = format!("{judgement:?}");
    assert!(!told.contains("geheim") && told.contains(HIDDEN), "{told}");
}

#[test]
fn what_is_not_known_may_fit() {
    let spec = r#"{ "a": { "type": "int", "required": true, "choices": [1] }, "b": { "type": "int" } }"#;
    let spec = from_json(serde_json::from_str(spec).unwrap());
    let args = |b: Value| {
        let given = Value::map([("a", Value::Unknown), ("b", b)]);
        Value::map([(SPECIFICATION, spec.clone()), (VARIABLES, given)])
    };
    let open = judge(args(Value::Int(1)).as_map().unwrap()).unwrap();
    assert!(open.open && open.misfits.is_empty());
    let wrong = judge(args(Value::str("x")).as_map().unwrap()).unwrap();
    assert_eq!(wrong.misfits.len(), 1, "what is known is judged all the same");
}

#[test]
fn what_is_no_specification_is_refused() {
    let judged = |entries: Vec<(&str, Value)>| judge(Value::map(entries).as_map().unwrap()).map(|_| ());
    assert!(judged(Vec::new()).is_err());
    let list = judged(vec![(SPECIFICATION, Value::list([]))]).unwrap_err();
    assert_eq!(list.message, "Incorrect type for argument_spec, expected dict and got <class 'list'>");
    assert!(judged(vec![(SPECIFICATION, Value::map([("a", Value::Int(5))]))]).is_err());
    let empty = Value::map::<&str>([]);
    assert!(judged(vec![(SPECIFICATION, empty.clone()), (PROVIDED, Value::Null)]).is_err());
    assert!(judged(vec![(SPECIFICATION, empty)]).is_ok());
}
