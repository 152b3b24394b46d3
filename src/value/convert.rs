//! Values that stand for others: texts for numbers and booleans, and texts that can be names.

use super::{Value, parse_bool};

impl Value {
    /// The number it is, finite: a number, a boolean or text.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Bool(flag) => Some(f64::from(u8::from(*flag))),
            Self::Int(_) | Self::Float(_) | Self::Str(_) => {
                self.to_string().trim().parse().ok().filter(|number: &f64| number.is_finite())
            }
            _ => None,
        }
    }

    /// The number without a fraction it is: a number, a boolean or text.
    pub fn as_whole_number(&self) -> Option<i64> {
        match self {
            Self::Str(text) => text.trim().parse().ok(),
            Self::Float(float) if float.fract() == 0.0 => Some(*float as i64),
            Self::Int(number) => Some(*number),
            Self::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    /// The boolean it is: one, 0 or 1, or a word for it.
    pub fn as_flag(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            Self::Int(_) | Self::Float(_) | Self::Str(_) => parse_bool(&self.to_string()),
            _ => None,
        }
    }
}

/// Says whether expressions can use a name.
pub fn is_variable_name(name: &str) -> bool {
    const WORDS: &[&str] =
        &["true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else"];
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    letters && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && !WORDS.contains(&name)
}
