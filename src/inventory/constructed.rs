//! `plugin: constructed`: variables and groups from the variables hosts have already.
//!
//! It sees what sources before it have said. Without `strict`, what is undefined for a host, or does not fit it, is left out for
//! that host: that is what the plugin is for. What can never be right, such as a filter that does not exist, is always an error.

use std::sync::Arc;

use super::Inventory;
use super::plugin::{self, check_keys, expression, failed, group_name, list, map, wrong};
use crate::diagnostic::{Code, Diagnostic};
use crate::parse::Files;
use crate::source::Span;
use crate::template::{Engine, Reason, Term, TermScope};
use crate::value::Value;
use crate::variables::{Definition, Layer, LayerKind};
use crate::yaml::{Entry, Node};

const OPTIONS: &[&str] = &[
    "plugin",
    "strict",
    "compose",
    "groups",
    "keyed_groups",
    "use_extra_vars",
    "use_vars_plugins",
    "leading_separator",
];
const KEYED: &[&str] = &["key", "prefix", "separator", "parent_group", "default_value", "trailing_separator"];

struct Constructed<'a> {
    files: &'a Files,
    engine: Arc<Engine>,
    strict: bool,
    leading_separator: bool,
    use_vars_plugins: bool,
    /// What -e gives, where expressions see it.
    extra: Option<Arc<Layer>>,
    compose: Vec<(Arc<str>, Span, Term)>,
    groups: Vec<(Arc<str>, Span, Term)>,
    keyed: Vec<Keyed>,
}

/// An entry of `keyed_groups`.
struct Keyed {
    span: Span,
    key: Term,
    prefix: String,
    separator: String,
    parent: Option<(Span, Term)>,
    default: Option<String>,
    trailing_separator: bool,
}

/// Reads a file of the plugin.
pub fn read(node: &Node, files: &Files, extra: Option<&Arc<Layer>>, inventory: &mut Inventory) {
    check_keys(node.as_map().unwrap_or_default(), OPTIONS, files);
    let expressions = |key: &str| -> Vec<(Arc<str>, Span, Term)> {
        let entry = |e: &Entry| (e.key.clone(), e.value.span, expression(&e.value, files));
        map(node.get(key), key, files).iter().map(entry).collect()
    };
    let constructed = Constructed {
        files,
        engine: Arc::new(Engine::default()),
        strict: flag(node, "strict", false, files),
        leading_separator: flag(node, "leading_separator", true, files),
        use_vars_plugins: flag(node, "use_vars_plugins", false, files),
        extra: flag(node, "use_extra_vars", false, files).then(|| extra.cloned()).flatten(),
        compose: expressions("compose"),
        groups: expressions("groups"),
        keyed: list(node.get("keyed_groups"), "keyed_groups", files).iter().filter_map(|n| keyed(n, files)).collect(),
    };
    inventory.measure();
    let hosts: Vec<Arc<str>> = inventory.hosts.keys().cloned().collect();
    for host in hosts {
        constructed.host(&host, inventory);
    }
}

fn flag(node: &Node, key: &str, default: bool, files: &Files) -> bool {
    match node.get(key).map(|node| (node.to_value(), node.span)) {
        None => default,
        Some((Value::Bool(b), _)) => b,
        Some((other, span)) => {
            wrong(files, span, format!("`{key}` is {}; expected true or false", other.type_name()));
            default
        }
    }
}

fn keyed(node: &Node, files: &Files) -> Option<Keyed> {
    check_keys(map(Some(node), "keyed_groups", files), KEYED, files);
    let Some(key) = node.get("key") else {
        wrong(files, node.span, "an entry of `keyed_groups` needs a `key`, an expression");
        return None;
    };
    let text = |name: &str| node.get(name).filter(|n| !n.is_null()).and_then(Node::text).map(str::to_owned);
    let template = |name: &str| node.get(name).filter(|n| !n.is_null()).map(|n| (n.span, plugin::template(n, files)));
    let trailing = node.get("trailing_separator");
    if let (Some(trailing), Some(_)) = (trailing, node.get("default_value")) {
        wrong(files, trailing.span, "`trailing_separator` and `default_value` exclude each other");
    }
    if let Some(prefix) = node.get("prefix").filter(|prefix| prefix.text().is_some_and(|text| text.contains("{{"))) {
        let report = Diagnostic::error(Code::BadInventory, "a `prefix` is text, no template").at(prefix.span, "");
        files.report(report.help("build the whole name in `key`, and leave the prefix empty"));
    }
    Some(Keyed {
        span: key.span,
        key: expression(key, files),
        prefix: text("prefix").unwrap_or_default(),
        separator: text("separator").unwrap_or_else(|| "_".to_owned()),
        parent: template("parent_group"),
        default: text("default_value"),
        trailing_separator: flag(node, "trailing_separator", true, files),
    })
}

impl Constructed<'_> {
    fn host(&self, host: &Arc<str>, inventory: &mut Inventory) {
        let scope = self.scope(host, inventory);
        let mut new = Vec::new();
        for (name, span, term) in &self.compose {
            if let Some(value) = self.value(&scope, term, *span) {
                let origin = Some(self.files.sources.origin(*span));
                new.push((name.clone(), Definition { term: value.into(), origin }));
            }
        }
        if let Some(entry) = inventory.hosts.get_mut(host) {
            entry.vars.extend(new);
        }
        // Groups see what was composed.
        let scope = self.scope(host, inventory);
        for (name, span, term) in &self.groups {
            if self.value(&scope, term, *span).is_some_and(|value| value.is_true()) {
                add(inventory, &group_name(name), host, *span);
            }
        }
        for keyed in &self.keyed {
            self.keyed_group(keyed, host, &scope, inventory);
        }
    }

    fn keyed_group(&self, keyed: &Keyed, host: &Arc<str>, scope: &Arc<TermScope>, inventory: &mut Inventory) {
        let Some(value) = self.value(scope, &keyed.key, keyed.span) else { return };
        let Ok(names) = names(&value, keyed) else {
            let message =
                format!("the key is {}; a group is made of a text, a list of texts, or a mapping", value.type_name());
            let report = Diagnostic::error(Code::BadInventory, message).at(keyed.span, "");
            return self.files.report(report.help("make it a text with the filter `string`"));
        };
        let separator = if keyed.prefix.is_empty() && !self.leading_separator { "" } else { keyed.separator.as_str() };
        let parent: Option<Arc<str>> = match &keyed.parent {
            None => None,
            Some((span, term)) => match self.value(scope, term, *span).map(|value| value.to_string()) {
                Some(parent) if !parent.is_empty() => Some(Arc::from(group_name(&parent))),
                _ => return,
            },
        };
        for name in names {
            let group = group_name(&format!("{}{separator}{name}", keyed.prefix));
            add(inventory, &group, host, keyed.span);
            if let Some(parent) = &parent {
                inventory.add_child(parent, &Arc::from(group));
            }
        }
    }

    /// The value of an expression for a host; `None` where it has none, which is said where it is a mistake.
    fn value(&self, scope: &Arc<TermScope>, term: &Term, span: Span) -> Option<Value> {
        match scope.evaluate(term) {
            Ok(value) => Some(value),
            Err(error) => {
                let never = matches!(error.reason, Reason::Syntax | Reason::UnknownName(_) | Reason::Loop);
                if never || self.strict {
                    failed(self.files, span, &error, if never { "" } else { " (`strict` is set)" });
                }
                None
            }
        }
    }

    /// What expressions see of a host: its variables in the inventory, and who it is.
    fn scope(&self, host: &Arc<str>, inventory: &Inventory) -> Arc<TermScope> {
        let mut layers =
            if self.use_vars_plugins { inventory.layers(host, None, self.files) } else { inventory.own_layers(host) };
        let short = host.split('.').next().unwrap_or(host);
        let groups = inventory.group_names(host).into_iter().map(Value::Str);
        let magic = [
            ("inventory_hostname".to_owned(), Value::Str(host.clone())),
            ("inventory_hostname_short".to_owned(), Value::str(short)),
            ("group_names".to_owned(), Value::list(groups)),
        ];
        layers.extend(self.extra.clone());
        layers.push(Arc::new(Layer::of_values(LayerKind::Play, magic)));
        layers.reverse();
        plugin::scope(&self.engine, layers)
    }
}

fn add(inventory: &mut Inventory, group: &str, host: &Arc<str>, span: Span) {
    let entry = inventory.groups.entry(Arc::from(group)).or_default();
    entry.span = entry.span.or(Some(span));
    entry.hosts.insert(host.clone());
}

/// The names a key makes, without their prefix.
fn names(value: &Value, keyed: &Keyed) -> Result<Vec<String>, ()> {
    let default = || keyed.default.clone().into_iter().collect::<Vec<_>>();
    match value {
        Value::Null => Ok(default()),
        Value::Str(text) if text.is_empty() => Ok(default()),
        Value::Str(text) => Ok(vec![text.to_string()]),
        Value::List(items) => {
            let mut names = Vec::new();
            for item in items.iter() {
                match item {
                    Value::Null if keyed.default.is_some() => names.extend(default()),
                    Value::Str(text) if text.is_empty() && keyed.default.is_some() => names.extend(default()),
                    Value::List(_) | Value::Map(_) => return Err(()),
                    item => names.push(item.to_string()),
                }
            }
            Ok(names)
        }
        Value::Map(map) => {
            let separator = &keyed.separator;
            let name = |(key, value): (&Arc<str>, &Value)| {
                let text = if *value == Value::Null { String::new() } else { value.to_string() };
                match (text.is_empty(), &keyed.default) {
                    (false, _) => format!("{key}{separator}{text}"),
                    (true, Some(default)) => format!("{key}{separator}{default}"),
                    (true, None) if keyed.trailing_separator => format!("{key}{separator}"),
                    (true, None) => key.to_string(),
                }
            };
            Ok(map.iter().map(name).collect())
        }
        _ => Err(()),
    }
}
