//! What a task inherits from the play, roles, blocks and includes around it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::graph::{BlockRef, Handler};
use crate::parse::{Keyword, Keywords, Role};
use crate::template::Term;
use crate::value::Value;
use crate::variables::Layer;
use crate::yaml::{Entry, Node as Yaml};

/// A role as it was called.
#[derive(Debug)]
pub struct RoleInstance {
    /// The role.
    pub role: Arc<Role>,
    /// Its parameters.
    pub params: Arc<Layer>,
    /// Its defaults.
    pub defaults: Arc<Layer>,
    /// Its variables.
    pub vars: Arc<Layer>,
    /// The roles that called it, outermost first.
    pub parents: Vec<Arc<RoleInstance>>,
    /// The variables of the roles it depends on, and of those these depend on, the strongest last.
    pub dependencies: OnceLock<Vec<Arc<Layer>>>,
    /// The parameters as they are written, without `vars`: its specification has to know each of them.
    pub given: Vec<Entry>,
    /// Its arguments are checked against its specification.
    pub validated: bool,
}

/// Where in the play the compiler is.
#[derive(Clone, Default)]
pub struct Frame {
    /// The role.
    pub role: Option<Arc<RoleInstance>>,
    /// `vars` of blocks and tasks and include parameters, the strongest first.
    pub vars: Vec<Arc<Layer>>,
    /// Conditions inherited.
    pub when: Vec<Term>,
    /// Conditions of dynamic includes, judged once.
    pub gates: Vec<Term>,
    /// Tags.
    pub tags: Arc<BTreeSet<String>>,
    /// Keywords that are inherited, the innermost last.
    pub keywords: Vec<Arc<Inherited>>,
    /// Blocks around.
    pub blocks: Vec<BlockRef>,
    /// The directory of the file tasks come from.
    pub dir: PathBuf,
    /// Handlers to notify, inherited.
    pub notify: Vec<Term>,
    /// The task is a handler.
    pub handler: Option<Handler>,
    /// The task is one of several of a handler.
    pub in_handler: bool,
    /// It is on its way to its host already, in a way of its own.
    pub in_login: bool,
    /// Files that are being included, to notice circles.
    pub including: Vec<PathBuf>,
    /// Loop variables of an include in a loop.
    pub locals: Vec<(String, Value)>,
    /// Variables of the task's own loop, which are not known where there is no item yet. What stands around it means others
    /// by these names.
    pub round: Vec<(String, Value)>,
    /// The host of each item, where the task is delegated to several.
    pub delegates: Vec<String>,
}

/// Keywords given on one level, for those below.
#[derive(Debug)]
pub struct Inherited(pub Keywords);

impl Frame {
    /// The innermost value of an inherited keyword: the task's own, then those around it.
    pub fn keyword<'a>(&'a self, own: &'a Keywords, keyword: Keyword) -> Option<&'a Yaml> {
        own.get(keyword).or_else(|| self.keywords.iter().rev().find_map(|level| level.0.get(keyword)))
    }

    /// Every value of an inherited keyword, outermost first.
    pub fn all<'a>(&'a self, own: &'a Keywords, keyword: Keyword) -> Vec<&'a Yaml> {
        self.keywords.iter().filter_map(|level| level.0.get(keyword)).chain(own.get(keyword)).collect()
    }

    /// The frame of what is gone through for an item, with the variables of the loop.
    #[must_use]
    pub fn in_round(&self, locals: &[(String, Value)]) -> Self {
        let mut frame = self.clone();
        frame.round.clear();
        frame.locals.extend_from_slice(locals);
        frame
    }

    /// A frame below this one, with the keywords of one more level.
    #[must_use]
    pub fn below(&self, keywords: &Keywords) -> Self {
        let mut frame = self.clone();
        frame.keywords.push(Arc::new(Inherited(keywords.clone())));
        frame
    }
}
