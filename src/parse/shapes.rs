//! What keywords take: checked as it is written, and again where an expression has come to a value.

use super::keywords::Keyword;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::value::{Value, is_variable_name};
use crate::yaml::Node;

/// What a keyword takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One text.
    Text,
    /// A number.
    Number,
    /// A number without a fraction.
    Integer,
    /// A boolean.
    Flag,
    /// A boolean, or an expression without markers that comes to one.
    Condition,
    /// The name of a variable, as it is written.
    Variable,
    /// A text or a list of texts.
    Names,
    /// A mapping, as it is written.
    Mapping,
    /// A mapping, or an expression that comes to one.
    Arguments,
    /// A mapping or a list of mappings.
    Mappings,
    /// Whoever reads it says what it takes.
    Other,
}

impl Keyword {
    /// What it takes.
    pub fn shape(self) -> Shape {
        match self {
            Self::Name
            | Self::BecomeUser
            | Self::BecomeMethod
            | Self::BecomeExe
            | Self::RemoteUser
            | Self::Connection
            | Self::FactPath
            | Self::DelegateTo => Shape::Text,
            Self::Delay => Shape::Number,
            Self::GatherTimeout
            | Self::Port
            | Self::Throttle
            | Self::Timeout
            | Self::Retries
            | Self::Async
            | Self::Poll => Shape::Integer,
            Self::AnyErrorsFatal | Self::DelegateFacts | Self::ForceHandlers | Self::GatherFacts => Shape::Flag,
            Self::Become
            | Self::CheckMode
            | Self::Diff
            | Self::IgnoreErrors
            | Self::IgnoreUnreachable
            | Self::NoLog
            | Self::RunOnce => Shape::Condition,
            Self::Register => Shape::Variable,
            Self::Tags | Self::Notify | Self::Collections => Shape::Names,
            Self::LoopControl | Self::Vars => Shape::Mapping,
            Self::Args => Shape::Arguments,
            Self::ModuleDefaults => Shape::Mappings,
            _ => Shape::Other,
        }
    }
}

impl Shape {
    /// What it is called.
    pub fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Flag | Self::Condition => "a boolean",
            Self::Variable => "the name of a variable",
            Self::Names => "a list of names",
            Self::Mapping | Self::Arguments => "a mapping",
            Self::Mappings => "a mapping or a list of them",
            Self::Other => "something else",
        }
    }

    /// Says whether it may be meant, as it is written: whatever its expressions come to.
    pub fn fits(self, node: &Node) -> bool {
        let text = node.text();
        let is_template = text.is_some_and(|text| text.contains("{{") || text.contains("{%"));
        match self {
            _ if node.is_null() => true,
            Self::Text => node.as_scalar().is_some(),
            Self::Number | Self::Integer | Self::Flag if is_template => true,
            Self::Number | Self::Integer => text.is_some_and(|text| self.takes(&Value::str(text))),
            Self::Flag => self.takes(&node.to_value()),
            // Text is an expression.
            Self::Condition => self.takes(&node.to_value()) || matches!(node.to_value(), Value::Str(_)),
            Self::Variable => text.is_some_and(is_variable_name),
            Self::Names => node.as_map().is_none(),
            Self::Mapping => node.as_map().is_some(),
            Self::Arguments => node.as_map().is_some() || is_template || node.as_list().is_some(),
            Self::Mappings => {
                let maps = |items: &[Node]| items.iter().all(|item| item.as_map().is_some());
                node.as_map().is_some() || is_template || node.as_list().is_some_and(maps)
            }
            Self::Other => true,
        }
    }

    /// Says whether a value that an expression has come to may be meant. What is not known yet may.
    pub fn takes(self, value: &Value) -> bool {
        if matches!(value, Value::Null | Value::Omit) || value.has_unknown() {
            return true;
        }
        match self {
            Self::Number => value.as_number().is_some(),
            Self::Integer => value.as_whole_number().is_some(),
            Self::Flag | Self::Condition => value.as_flag().is_some(),
            _ => true,
        }
    }

    /// Reports a value that cannot be meant.
    pub fn report(self, name: &str, found: &str, at: Span) -> Diagnostic {
        let message = format!("`{name}` takes {}; found {found}", self.wanted());
        Diagnostic::error(Code::WrongShape, message).at(at, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_expressions_come_to() {
        let text = Value::str;
        let table: [(Shape, Vec<Value>, Vec<Value>); 3] = [
            (
                Shape::Integer,
                vec![
                    Value::Int(3),
                    text("3"),
                    text(" 3 "),
                    Value::Bool(true),
                    Value::Null,
                    Value::Omit,
                    Value::Unknown,
                ],
                vec![text("abc"), text(""), text("3.7"), Value::Float(3.7), Value::list([]), Value::map::<&str>([])],
            ),
            (Shape::Number, vec![Value::Float(0.5), text("0.5")], vec![text("abc"), Value::list([])]),
            (
                Shape::Flag,
                vec![
                    Value::Bool(false),
                    text("yes"),
                    text("F"),
                    Value::Int(0),
                    Value::Float(1.0),
                    Value::Null,
                    Value::Omit,
                ],
                vec![text("abc"), text(""), Value::Int(2), Value::list([]), Value::map::<&str>([])],
            ),
        ];
        for (shape, good, bad) in table {
            good.iter().for_each(|value| assert!(shape.takes(value), "{shape:?} {value:?}"));
            bad.iter().for_each(|value| assert!(!shape.takes(value), "{shape:?} {value:?}"));
        }
    }
}
