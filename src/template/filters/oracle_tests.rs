//! What ansible-core 2.19 makes of expressions, and what we make of them. `oracle.json` and `oracle_more.json` were written by Ansible's own
//! `Templar` (password hashes: by `crypt(3)`), never by us.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::source::Origin;
use crate::template::{Bindings, Engine, Term, TermScope};
use crate::value::{Value, from_json, python_repr};

struct Nothing;

impl Bindings for Nothing {
    fn binding(&self, _name: &str) -> Option<Term> {
        None
    }
    fn names(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    fn condition(&self, _text: &str) -> Option<Term> {
        None
    }
}

#[test]
fn filters_and_tests_do_what_they_do_in_ansible() {
    let rows = |text: &str| serde_json::from_str::<Vec<serde_json::Value>>(text).unwrap();
    let table = [rows(include_str!("oracle.json")), rows(include_str!("oracle_more.json"))].concat();
    let mut wrong = BTreeMap::new();
    for row in &table {
        let expression = row[0].as_str().unwrap();
        let expected = python_repr(&from_json(row[1].clone()));
        let found = evaluate(expression).map_or_else(|e| format!("error: {e}"), |v| python_repr(&v));
        if found != expected {
            wrong.insert(expression.to_owned(), (expected, found));
        }
    }
    let report: String = wrong.iter().map(|(e, (x, f))| format!("{e}\n  ansible {x}\n  cfg     {f}\n")).collect();
    assert!(wrong.is_empty(), "{} differ:\n{report}", wrong.len());
}

fn evaluate(expression: &str) -> Result<Value, String> {
    let scope = TermScope::new(Arc::new(Engine::default()), Arc::new(Nothing));
    // The oracle was asked for bare expressions, in which backslashes mean what Jinja says.
    let term = Term::expression(
        &Arc::from(expression),
        Origin { file: Arc::from("t.yml"), line: 1, col: 1 },
        crate::template::Layout::default(),
    );
    scope.evaluate(&term).map_err(|e| e.message)
}
