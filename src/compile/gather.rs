//! Facts at the start of a play. A host's agent has read them with its first answer; they are read again where the play would
//! find others.

use std::sync::Arc;

use super::Stop;
use super::early::says_gathering;
use super::frame::{Frame, Inherited};
use super::host::{Facts, HostCompiler};
use crate::facts::variable_name;
use crate::parse::{Keyword, Keywords, Task, TaskArgs};
use crate::value::{Map, Value};
use crate::variables::{Layer, LayerKind};
use crate::yaml::{Entry, Kind, Node as Yaml};

/// That the facts of a host were gathered by a play of this run: a variable that no playbook can name by chance.
const GATHERED: &str = "__cfg_gathered";

impl HostCompiler<'_> {
    /// Gathers facts anew, where the play gathers any and those at hand are not the ones it would find.
    pub(super) fn gather(&mut self, frame: &Frame) -> Result<(), Stop> {
        if !self.gathers() {
            return Ok(());
        }
        self.set_runtime(GATHERED, Value::Bool(true));
        let path = self.play.keywords.get(Keyword::FactPath).cloned();
        if path.is_none() && !self.would_find_others() {
            return Ok(());
        }
        let span = path.as_ref().map_or(self.play.span, |path| path.span);
        let mut keywords = Keywords::default();
        keywords.set_name("Gathering Facts", span);
        let named = path.into_iter().map(|value| Entry { key: "fact_path".into(), key_span: span, value }).collect();
        let args = TaskArgs { named, free: None };
        let task = Task { span, module: "setup".into(), module_span: span, args, keywords, with: None };
        let mut frame = frame.clone();
        if let (Some(environment), Some(play)) = (self.environment_of_gathering(), frame.keywords.last_mut()) {
            *play = Arc::new(Inherited(play.0.with(Keyword::Environment, environment)));
        }
        self.task(&Arc::new(task), &frame)
    }

    /// The environment facts are asked with: that of the play, without what is made of facts itself.
    fn environment_of_gathering(&self) -> Option<Yaml> {
        self.play.keywords.get(Keyword::Environment).map(without_facts)
    }

    /// Nothing is known of the host from here on, as if nobody had asked it; `gathered` is what tasks had found out.
    pub(super) fn forget_facts(&mut self, gathered: Option<Value>) {
        self.facts_layer = Arc::new(Layer::new(LayerKind::Facts));
        let runtime = Arc::make_mut(&mut self.runtime);
        if let Some(Value::Map(gathered)) = gathered {
            gathered.keys().for_each(|name| drop(runtime.remove(&variable_name(name))));
        }
        self.set_runtime("ansible_facts", Value::map::<&str>([]));
    }

    /// Says whether the play gathers facts: by its keyword, or as the setting `gathering` has it.
    fn gathers(&self) -> bool {
        let by_default =
            || match self.project.settings.get("DEFAULT_GATHERING").map(|(how, _)| how.to_string()).as_deref() {
                Some("explicit") => false,
                Some("smart") => !self.runtime.contains_key(GATHERED),
                _ => true,
            };
        says_gathering(self.project, self.play).unwrap_or_else(by_default)
    }

    /// Facts are about the user who asks, the environment of the question, and the machine as it was then.
    fn would_find_others(&mut self) -> bool {
        let Facts::Known(first) = &self.facts else { return false };
        // The agent of a host that cannot be reached has none.
        if first.is_empty() || self.is_rehearsal() {
            return false;
        }
        if self.hosts.changed || self.environment_of_gathering().is_some_and(|node| !is_empty(&node)) {
            return true;
        }
        let user = |facts: &Map| facts.get("user_id").map(ToString::to_string);
        let own = user(first);
        let at_hand = self.runtime.get("ansible_facts").and_then(Value::as_map).map_or_else(|| own.clone(), user);
        at_hand != self.play_become().map(|r#become| r#become.user).or(own)
    }
}

/// An environment without the entries that speak of facts, as in `PATH: "{{ ansible_env.PATH }}:/opt/bin"`.
fn without_facts(node: &Yaml) -> Yaml {
    let kind = match &node.kind {
        Kind::Map(entries) => {
            let known = |entry: &&Entry| entry.value.text().is_none_or(|text| !text.contains("ansible_"));
            Kind::Map(Arc::new(entries.iter().filter(known).cloned().collect()))
        }
        Kind::List(items) => Kind::List(Arc::new(items.iter().map(without_facts).collect())),
        Kind::Scalar(scalar) if scalar.text.contains("ansible_") => Kind::Map(Arc::default()),
        Kind::Scalar(scalar) => Kind::Scalar(scalar.clone()),
    };
    Yaml { kind, ..node.clone() }
}

fn is_empty(node: &Yaml) -> bool {
    match &node.kind {
        Kind::Map(entries) => entries.is_empty(),
        Kind::List(items) => items.iter().all(is_empty),
        Kind::Scalar(_) => node.is_null(),
    }
}
