//! From YAML to syntax: plays, blocks, tasks, roles, with a span on everything.
//!
//! Invariants: parsing never fails as a whole; what can be read is returned and the rest is reported. Nothing is
//! evaluated here, and no keyword is ever ignored: it is known and kept, known and refused with a reason, or unknown.

mod args;
mod files;
mod keywords;
mod meta;
mod play;
mod role;
mod shapes;
mod task;

pub use args::{TaskArgs, split_pairs};
pub use files::{Files, VarsFile};
pub use keywords::{Keyword, Keywords, Level, levels, unknown_keyword};
pub use play::{Play, Playbook, PlaybookEntry};
pub use role::{Role, RoleRef};
pub use shapes::Shape;
pub use task::{Block, Item, Task, parse_items};
