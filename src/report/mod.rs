//! What a person or a program sees of a run. Consumers of events; the only room that prints what a run says.

mod human;
mod json;
mod story;
mod style;

pub use human::{Human, HumanOptions, can_draw};
pub use json::Json;
pub use style::Style;

use crate::event::Event;

/// Takes the events of a run.
pub trait Report: Send {
    /// Takes one event.
    fn event(&mut self, event: &Event);
}
