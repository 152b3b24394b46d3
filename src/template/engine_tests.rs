//! What evaluation means, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::source::Origin;
use crate::value::{Value, python_repr};

struct Vars(BTreeMap<String, Term>);

impl Bindings for Vars {
    fn binding(&self, name: &str) -> Option<Term> {
        self.0.get(name).cloned()
    }
    fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    fn condition(&self, text: &str) -> Option<Term> {
        let written = self.0.values().any(|term| *term == Term::Value(Value::str(text)));
        written.then(|| Term::expression(&Arc::from(text), origin(), Layout::default()))
    }
}

fn origin() -> Origin {
    Origin { file: Arc::from("t.yml"), line: 1, col: 1 }
}

fn text(template: &str) -> Term {
    Term::from_text(&Arc::from(template), origin(), Layout::default())
}

fn eval(template: &str) -> Result<String, String> {
    let mut vars = BTreeMap::new();
    for (name, term) in [
        ("a", text("{{ b }}-x")),
        ("b", Term::Value(Value::Int(1))),
        ("nested", Term::Value(Value::map([("x", Value::map([("y", Value::str("deep"))])), ("items", Value::Int(7))]))),
        ("list", Term::Value(Value::list([Value::str("a"), Value::str("b")]))),
        ("loop1", text("{{ loop2 }}")),
        ("loop2", text("{{ loop1 }}")),
        ("broken", text("{{ nothing_here }}")),
        ("late", Term::Value(Value::Unknown)),
        ("evil", Term::Value(Value::str("{{ b }}"))),
        ("result", Term::Value(Value::map([("changed", Value::Bool(true)), ("rc", Value::Unknown)]))),
    ] {
        vars.insert(name.to_owned(), term);
    }
    let scope = TermScope::new(Arc::new(Engine::default()), Arc::new(Vars(vars)));
    scope.evaluate(&text(template)).map(|v| python_repr(&v)).map_err(|e| e.message)
}

#[test]
fn evaluation_means_what_ansible_means() {
    let ok = [
        ("{{ b }}", "1"),
        ("{{ a }}", "'1-x'"),
        ("{{ nested.x.y }}", "'deep'"),
        ("{{ nested['x']['y'] }}", "'deep'"),
        ("{{ nested.items }}", "7"),
        ("{{ nested.none.at.all | default('d') }}", "'d'"),
        ("{{ nothing.at.all | default('d') }}", "'d'"),
        ("{{ nothing['at']['all'] | default('d') }}", "'d'"),
        ("{{ broken | default('d') }}", "'d'"),
        ("{{ broken is defined }}", "False"),
        ("{{ 'x' in nested }} {{ 'z' in nested }}", "'True False'"),
        ("{{ ('b' in list) and not ('z' in list) }}", "True"),
        ("{{ evil }}", "'{{ b }}'"),
        ("{{ evil }}!", "'{{ b }}!'"),
        ("{{ omit }}", "omit"),
        ("{{ nothing | default(omit) }}", "omit"),
        ("{{ [1, true, none] }}", "[1, True, None]"),
        ("{{ [1, true, none] }}\n", "[1, True, None]"),
        ("{{ [1, true, none] }} ", "'[1, True, None] '"),
        ("{{ b }}\n\n", "'1\\n\\n'"),
        ("{{ list[0] }}\n", "'a\\n'"),
        ("{% if b == 1 %}{{ list[0] }}{% endif %}\n", "'a\\n'"),
        ("{% set y = 1 %}\n{{ [1] }}\n", "[1]"),
        ("  {{- list[0] -}} \n", "'a\\n'"),
        ("{{ none }}\n", "None"),
        ("v: {{ [1, true, none] }}", "'v: [1, True, None]'"),
        ("{% if b == 1 %}yes{% endif %}", "'yes'"),
        ("{% for i in list %}{{ i }},{% endfor %}", "'a,b,'"),
        ("{{ late }}", "(known after apply)"),
        ("{{ late.stdout | upper }}", "(known after apply)"),
        ("{{ late == 1 }}", "(known after apply)"),
        ("{{ b == 2 and late }}", "False"),
        ("{{ result is changed }}", "True"),
        ("{{ result.rc == 0 }}", "(known after apply)"),
        ("{{ result.changed }}", "True"),
        ("{{ 'a' if b else nothing.x }}", "'a'"),
        ("{{ list | join(',') }}", "'a,b'"),
        ("{{ list[-1] }}", "'b'"),
        ("{{ 7 // 2 }} {{ 7 / 2 }} {{ 2 ** 3 }}", "'3 3.5 8'"),
        ("{{ 'a,b'.split(',') }}", "['a', 'b']"),
        ("{{ nested.x.keys() | list }}", "['y']"),
        ("{{ 'no' | bool }} {{ 'yes' | bool }}", "'False True'"),
        ("{{ b | ternary('t', 'f') }}", "'t'"),
    ];
    for (template, expected) in ok {
        assert_eq!(eval(template).as_deref(), Ok(expected), "{template}");
    }
    let bad = [
        ("{{ nothing }}", "`nothing` is not defined"),
        ("x {{ nothing.at.all }}", "`nothing` is not defined"),
        ("{{ nested.zz }}", "`nested.zz` is not defined"),
        ("{{ nested.zz == 1 }}", "`nested.zz` is not defined"),
        ("{{ broken }}", "`nothing_here` is not defined"),
        ("{{ nothing | upper }}", "`nothing` is not defined"),
        ("{{ list[7] }}", "`list[7]` is not defined"),
        ("{{ b | nofilter }}", "cfg has no filter `nofilter`"),
        ("{{ b is notest }}", "cfg has no test `notest`"),
        ("{{ nofunction() }}", "`nofunction` is not defined"),
    ];
    for (template, expected) in bad {
        assert_eq!(
            eval(template).as_ref().err().map(String::as_str),
            Some(expected),
            "{template} {:?}",
            eval(template)
        );
    }
    assert!(eval("{{ loop1 }}").unwrap_err().contains("`loop1` → `loop2` → `loop1`"));
    assert!(eval("{{ b + }}").unwrap_err().starts_with("not a valid template"));
}

/// What ansible-core 2.19 makes of texts with statements in them; `oracle_templates.json` was written by its own engine.
#[test]
fn statements_do_what_they_do_in_ansible() {
    let rows: Vec<serde_json::Value> = serde_json::from_str(include_str!("oracle_templates.json")).unwrap();
    let mut wrong = String::new();
    for row in &rows {
        let template = row[0].as_str().unwrap();
        let expected = python_repr(&crate::value::from_json(row[1].clone()));
        let found = eval(template).unwrap_or_else(|error| format!("error: {error}"));
        if found != expected {
            wrong += &format!("{template}\n  ansible {expected}\n  cfg     {found}\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn what_cannot_be_changed_names_the_way_round() {
    let table = [
        ("{% set _ = list.append(1) %}{{ list }}", "set x = x + [item]"),
        ("{% do nested.update({'a': 1}) %}{{ nested }}", "combine"),
        ("{% macro m() %}{{ varargs }}{% endmacro %}{{ m() }}", "`varargs` is not defined"),
        ("{{ lipsum() }}", "no function `lipsum`"),
    ];
    for (template, part) in table {
        let found = eval(template).unwrap_err();
        assert!(found.contains(part), "{template}: {found}");
    }
}

/// What the fuzzers found, or were told to find: each ends soon, with a mistake or a small value.
#[test]
fn nothing_takes_all_the_time_or_memory() {
    let shared = "{% set x = [1] %}".to_owned() + &"{% set x = [x, x] %}".repeat(60);
    let table = [
        (format!("{shared}{{{{ x | to_json }}}}"), "a value is too large, or is nested too deeply"),
        (format!("{shared}{{{{ x }}}}"), "a value is too large, or is nested too deeply"),
        (shared.replace("[x, x]", "[x, x] | list") + "{{ x | list }}", "a value is too large, or is nested too deeply"),
        (
            "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = ns.x | zip([1]) %}{% endfor %}".into(),
            "a value is too large, or is nested too deeply",
        ),
        (
            "{% set ns = namespace(x=[]) %}{% set ns.x = [result] %}{{ ns.x[0].changed }}".into(),
            "True",
        ),
        (
            "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}".into(),
            "a value is too large, or is nested too deeply",
        ),
        (
            "{% set ns = namespace(x={}) %}{% for i in range(99999) %}{% set ns.x = {'i': i, 'x': ns.x} %}{% endfor %}"
                .into(),
            "a value is too large, or is nested too deeply",
        ),
        (
            "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = ns.x + [[i]] %}{% endfor %}{{ ns.x | length }}"
                .into(),
            "9999",
        ),
        ("{{ '%(größe)s' | format({'größe': 1}) }}".into(), "the key in `%(name)s` is made of ASCII characters only"),
        ("{{ '%(ö' | format(1) }}".into(), "the key in `%(name)s`"),
        ("{{ '100 %% (größe) %(a)s' | format({'a': 1}) }}".into(), "'100 % (größe) 1'"),
        ("{{ '{0[}ö]}'.format({'a': 1}) }}".into(), "the key in `{0[key]}` is made of ASCII characters only"),
        ("{{ '{:}>99999999999}'.format(1) }}".into(), "`.format()` pads to 65535 characters at most"),
        ("{{ '{:.99999999999999999999f}'.format(1) }}".into(), "`.format()` pads to 65535 characters at most"),
        ("{{ '{:.70000f}'.format(1) }}".into(), "`.format()` pads to 65535 characters at most"),
        ("{{ '{:.65000f}'.format(1) | length }}".into(), "65002"),
        ("{{ '%.70000f' % 1 }}".into(), "`%` pads to 65535 characters at most"),
        ("{{ '%-70000d' | format(1) }}".into(), "`%` pads to 65535 characters at most"),
        ("{{ ('%.65000f' | format(1)) | length }}".into(), "65002"),
        ("{{ '%(a)070000x' | format({'a': 1}) }}".into(), "`%` pads to 65535 characters at most"),
        ("{{ '%*d' | format(70000, 1) }}".into(), "a width of `*` is not supported"),
        ("{{ '100% 99999999 of %s%%' | format(1) }}".into(), "`%` pads to 65535 characters at most"),
        ("{{ '{:*^7.2f}|{a}'.format(1.5, a='größe') }}".into(), "'*1.50**|größe'"),
        ("{{ '%99999999999d' | format(1) }}".into(), "`%` pads to 65535 characters at most"),
        (
            format!("{{{{ [1, 2] | product({}[1]) }}}}", "[1, 2], ".repeat(16) + &"[1], ".repeat(1500)),
            "the template takes too long",
        ),
        ("{% for i in [1] %}{% endfor %}{{ 1 / 0 }}".into(), "division by zero: 1 / 0"),
        ("{% set a = [] %}{% set _ = a.append(a) %}{{ a }}".into(), "a collection cannot be put into itself"),
        ("{% set a = [] %}{% set b = [a] %}{% set _ = a.append(b) %}{{ a }}".into(), "a collection cannot be put into"),
        ("{% set a = {} %}{% set _ = a.update({'a': a}) %}{{ a }}".into(), "a collection cannot be put into itself"),
        ("{{ 'x' | password_hash('sha512', 's', rounds=999999999) }}".into(), "the template takes too long"),
        ("{{ ('x' * 5000) | password_hash }}".into(), "a password has at most 4096 bytes"),
        (
            "{{ 'a' | regex_replace('', 'aaaaaaaaaa')".to_owned()
                + &"| regex_replace('a', 'aaaaaaaaaa')".repeat(12)
                + "}}",
            "the template takes too long",
        ),
        ("{{ 'a' * 10 ** 9 }}{{ 'a' * 10 ** 9 }}{{ 'a' * 10 ** 9 }}".into(), "repeated string is too large"),
        ("{{ ('\n' * 1000000) | indent('x' * 1000000) }}".into(), "the template takes too long"),
        ("{{ ('a b ' * 1000000) | wordwrap(1, wrapstring='x' * 1000000) }}".into(), "the template takes too long"),
        ("{{ 'a' | comment(prefix='x' * 10000000, prefix_count=1000) }}".into(), "the template takes too long"),
        ("{{ ('a' * 1000000) | wordwrap(1) | length }}".into(), "1999999"),
        ("{{ range(50000) | list | unique | length }}".into(), "50000"),
        ("{{ range(50000) | difference(range(49999)) }}".into(), "[49999]"),
        ("{{ (range(50000) | map('string') | list) is subset(range(50000)) }}".into(), "False"),
        (
            "{{ [1, 1.0, true, '1', 0.0, -0.0, [1], [1], {'a': 1, 'b': 2}, {'b': 2, 'a': 1}] | unique }}".into(),
            "[1, '1', 0.0, [1], {'a': 1, 'b': 2}]",
        ),
        (
            "{{ '--9223372036854775808' | int }} {{ '-9223372036854775807' | int }} {{ '+-5' | int }}".into(),
            "'0 -9223372036854775807 0'",
        ),
        ("{{ (-9223372036854775807 - 1) | random(0, -1) is number }}".into(), "True"),
    ];
    let mut wrong = Vec::new();
    for (template, expected) in table {
        let start = std::time::Instant::now();
        let (Ok(said) | Err(said)) = eval(&template);
        if !said.starts_with(expected) || start.elapsed().as_secs() >= 20 {
            let part = |text: &str| text.chars().take(150).collect::<String>();
            wrong.push(format!("{} gave {} after {:?}", part(&template), part(&said), start.elapsed()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
