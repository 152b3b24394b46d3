//! Colours, each with one meaning: green in place, yellow changed, red failed, cyan unknown until apply, grey skipped.

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// They are.
    pub colour: bool,
}

macro_rules! paints {
    ($($name:ident = $code:literal, $doc:literal;)+) => {
        impl Style {
            $(#[doc = $doc]
            pub fn $name(self, text: &str) -> String {
                if self.colour { format!(concat!("\x1b[", $code, "m{}\x1b[0m"), text) } else { text.to_owned() }
            })+
        }
    };
}

paints! {
    green = "32", "In place.";
    yellow = "33", "Changed, or would be.";
    red = "31;1", "Failed.";
    cyan = "36", "Known after apply.";
    grey = "90", "Skipped, or beside the point.";
    bold = "1", "A heading.";
}
