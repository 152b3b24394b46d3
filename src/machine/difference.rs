//! How paths differ after a task, in full, for tasks that ask for it (`diff: true`).

/// One path, before and after.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// The path.
    pub path: String,
    /// As it was.
    pub before: Side,
    /// As it is.
    pub after: Side,
}

/// How a path is at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Its text, where it is a text file that may be shown; empty where nothing is there.
    pub text: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// Adds a difference; a second one of the same path joins the first.
pub fn join(all: &mut Vec<Difference>, new: Difference) {
    match all.iter_mut().find(|difference| difference.path == new.path) {
        Some(first) => first.after = new.after,
        None => all.push(new),
    }
}
