//! How a resource type declares its parameters: a struct with doc comments.
//!
//! [`params!`](crate::resource::params) makes from one declaration the struct, its reader with Ansible's lenient types,
//! and the table of [`ParamSpec`]s from which the documentation, the editor schema and "did you mean" are derived.

use crate::value::{Map, Value, parse_bool};

use super::args::{Arg, Args, ParamError, ParamErrorKind};

/// A parameter, for documentation and checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamSpec {
    /// Its name.
    pub name: &'static str,
    /// Other names it goes by.
    pub aliases: &'static [&'static str],
    /// Its doc comment.
    pub doc: &'static str,
    /// Its type in words.
    pub type_name: &'static str,
    /// The words it may have, where they are few.
    pub choices: &'static [&'static str],
    /// It must be given.
    pub required: bool,
    /// Its default, as it would be written; empty for none.
    pub default: &'static str,
    /// Its value is secret wherever it comes from.
    pub secret: bool,
    /// Its value is secret where another parameter is this word.
    pub secret_where: Option<(&'static str, &'static str)>,
}

impl ParamSpec {
    /// Every name it goes by.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Says whether its value is secret beside these arguments.
    pub fn is_secret(&self, args: &Map) -> bool {
        let is = |(param, word): (&str, &str)| args.get(param).and_then(Value::as_str) == Some(word);
        self.secret || self.secret_where.is_some_and(is)
    }

    /// The default as one would write it in a task: `State :: BuildDep` is the choice `build-dep`.
    pub fn shown_default(&self) -> String {
        let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        let word = self.default.rsplit("::").next().unwrap_or_default();
        let choice = self.choices.iter().find(|choice| !word.is_empty() && letters(choice) == letters(word));
        choice.map_or_else(|| self.default.trim_matches('"').to_owned(), |choice| (*choice).to_owned())
    }
}

/// Two tables of parameters as one; the second is not empty.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
pub const fn joined<const N: usize>(first: &[ParamSpec], second: &[ParamSpec]) -> [ParamSpec; N] {
    let mut all = [second[0]; N];
    let mut i = 0;
    while i < N {
        all[i] = if i < first.len() { first[i] } else { second[i - first.len()] };
        i += 1;
    }
    all
}

/// A type a parameter can have.
pub trait FromValue: Sized {
    /// The type in words.
    const TYPE: &'static str;
    /// The words it may have, where they are few.
    const CHOICES: &'static [&'static str] = &[];

    /// Reads a value.
    ///
    /// # Errors
    /// What was expected, in words.
    fn from_value(value: &Value) -> Result<Self, String>;
}

fn expected(what: &str, value: &Value) -> String {
    format!("expected {what}, found {} ({value})", value.type_name())
}

impl FromValue for String {
    const TYPE: &'static str = "string";
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Str(_) | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(value.to_string()),
            // Ansible writes collections given for text as JSON, as `copy: content=` needs.
            Value::List(_) | Value::Map(_) => Ok(crate::value::to_json(value).to_string()),
            _ => Err(expected("a string", value)),
        }
    }
}

impl FromValue for std::path::PathBuf {
    const TYPE: &'static str = super::paths::PATH;
    fn from_value(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| expected("a path", value))?;
        if text.is_empty() || text.contains('\0') {
            return Err("expected a path, found an empty one or one with a NUL byte".into());
        }
        Ok(text.into())
    }
}

impl FromValue for bool {
    const TYPE: &'static str = "boolean";
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(b) => Ok(*b),
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            Value::Str(text) => parse_bool(text).ok_or_else(|| expected("a boolean", value)),
            _ => Err(expected("a boolean", value)),
        }
    }
}

impl FromValue for i64 {
    const TYPE: &'static str = "integer";
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(i) => Ok(*i),
            Value::Float(x) if x.fract() == 0.0 => Ok(*x as Self),
            Value::Str(text) => text.trim().parse().map_err(|_| expected("an integer", value)),
            _ => Err(expected("an integer", value)),
        }
    }
}

impl FromValue for u64 {
    const TYPE: &'static str = "integer, 0 or more";
    fn from_value(value: &Value) -> Result<Self, String> {
        i64::from_value(value).and_then(|i| Self::try_from(i).map_err(|_| expected("0 or more", value)))
    }
}

impl FromValue for u32 {
    const TYPE: &'static str = "integer, 0 or more";
    fn from_value(value: &Value) -> Result<Self, String> {
        i64::from_value(value).and_then(|i| Self::try_from(i).map_err(|_| expected("0 or more", value)))
    }
}

impl FromValue for f64 {
    const TYPE: &'static str = "number";
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Int(i) => Ok(*i as Self),
            Value::Float(x) => Ok(*x),
            Value::Str(text) => text.trim().parse().map_err(|_| expected("a number", value)),
            _ => Err(expected("a number", value)),
        }
    }
}

impl FromValue for Value {
    const TYPE: &'static str = "any value";
    fn from_value(value: &Value) -> Result<Self, String> {
        Ok(value.clone())
    }
}

impl FromValue for crate::value::Map {
    const TYPE: &'static str = "mapping";
    fn from_value(value: &Value) -> Result<Self, String> {
        value.as_map().cloned().ok_or_else(|| expected("a mapping", value))
    }
}

/// A list, a single value standing for a list of one, or words separated by commas.
impl<T: FromValue> FromValue for Vec<T> {
    const TYPE: &'static str = "list";
    const CHOICES: &'static [&'static str] = T::CHOICES;
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items.iter().map(T::from_value).collect(),
            Value::Str(text) if text.trim().is_empty() => Ok(Self::new()),
            Value::Str(text) => text.split(',').map(|part| T::from_value(&Value::str(part.trim()))).collect(),
            Value::Null => Ok(Self::new()),
            other => T::from_value(other).map(|one| vec![one]),
        }
    }
}

/// Null counts as not given, as in Ansible.
impl<T: FromValue> FromValue for Option<T> {
    const TYPE: &'static str = T::TYPE;
    const CHOICES: &'static [&'static str] = T::CHOICES;
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// Reads a parameter that may be absent.
///
/// # Errors
/// Where its value does not fit.
pub fn optional<T: FromValue>(args: &mut Args, spec: &ParamSpec) -> Result<Option<T>, ParamError> {
    match args.take(spec.name, spec.aliases)? {
        Some(Arg { value: Value::Null, .. }) | None => Ok(None),
        Some(arg) => T::from_value(&arg.value).map(Some).map_err(|message| ParamError::bad(&arg.name, message)),
    }
}

/// Reads a parameter that must be there.
///
/// # Errors
/// Where it is missing or its value does not fit.
pub fn required<T: FromValue>(args: &mut Args, spec: &ParamSpec) -> Result<T, ParamError> {
    optional(args, spec)?.ok_or_else(|| ParamError {
        param: None,
        message: format!("missing required arguments: {}", spec.name),
        kind: ParamErrorKind::Missing,
    })
}

/// Refuses what no parameter took.
///
/// # Errors
/// Names the first such argument and the nearest parameter.
pub fn finish(args: &Args, specs: &[ParamSpec]) -> Result<(), ParamError> {
    let Some(name) = args.rest().next() else { return Ok(()) };
    let known = specs.iter().flat_map(ParamSpec::names);
    let hint = crate::diagnostic::did_you_mean(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
    let message = format!("there is no parameter `{name}`{hint}");
    Err(ParamError { param: Some(name.to_owned()), message, kind: ParamErrorKind::Unknown })
}

/// Texts for people to read, which an agent does not carry over the wire.
#[cfg(feature = "controller")]
macro_rules! documentation {
    ($($text:literal),*) => { concat!($($text),*) };
}
#[cfg(not(feature = "controller"))]
macro_rules! documentation {
    ($($text:literal),*) => {
        ""
    };
}
pub(crate) use documentation;

/// Declares the parameters of a resource type.
///
/// ```text
/// params! {
///     /// Sets the host name.                      doc of the type
///     pub struct Hostname {
///         /// The name.
///         name: String, required;                  must be given
///         /// How.
///         using: Option<Strategy>, alias "use";    may be absent
///         /// A secret.
///         password: Option<String>, secret;
///         /// A secret where another parameter says so.
///         value: Option<Value>, secret_where "vtype" "password";
///         /// With a default.
///         force: bool = false, alias "overwrite" "thirsty";
///     }
/// }
/// ```
macro_rules! params {
    (@secret secret) => { true };
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $fdoc:literal])*
                $field:ident : $ty:ty $(= $default:expr)? $(, required $($required:lifetime)?)? $(, secret $($secret:lifetime)?)? $(, secret_where $param:literal $word:literal)? $(, named $named:literal)? $(, alias $($alias:literal)+)? ;
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[doc = $fdoc])* pub $field: $ty, )*
        }

        impl $name {
            /// The documentation of the type.
            #[allow(dead_code, reason = "what is part of several types has none of its own")]
            pub const DOC: &'static str = $crate::resource::documentation!($($doc, "\n"),*);

            /// The parameters.
            pub const PARAMS: &'static [$crate::resource::ParamSpec] = &[
                $( $crate::resource::ParamSpec {
                    name: $crate::resource::params!(@name $field $($named)?),
                    aliases: &[$($($alias),+)?],
                    doc: $crate::resource::documentation!($($fdoc, "\n"),*),
                    type_name: <$ty as $crate::resource::FromValue>::TYPE,
                    choices: <$ty as $crate::resource::FromValue>::CHOICES,
                    required: $crate::resource::params!(@flag $(required $($required)?)?),
                    default: $crate::resource::params!(@default $($default)?),
                    secret: $crate::resource::params!(@flag $(secret $($secret)?)?),
                    secret_where: $crate::resource::params!(@pair $($param $word)?),
                }, )*
            ];

            /// Reads the arguments of a task.
            ///
            /// # Errors
            /// Where one is unknown, missing, or of the wrong type.
            #[allow(unused_mut, unused_variables, reason = "a type may have no parameters")]
            pub fn from_args(mut args: $crate::resource::Args) -> Result<Self, $crate::resource::ParamError> {
                let mut specs = Self::PARAMS.iter();
                $(
                    let $field = match specs.next() {
                        Some(spec) => $crate::resource::params!(@read args spec, $($default)?),
                        None => return Err($crate::resource::ParamError::conflict("too many parameters")),
                    };
                )*
                $crate::resource::finish_params(&args, Self::PARAMS)?;
                Ok(Self { $($field),* })
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $named:literal) => { $named };
    (@flag) => { false };
    (@flag $word:ident) => { true };
    (@pair) => { None };
    (@pair $param:literal $word:literal) => { Some(($param, $word)) };
    (@default) => { "" };
    (@default $default:expr) => { stringify!($default) };
    (@read $args:ident $spec:ident, ) => { $crate::resource::read_param(&mut $args, $spec)? };
    (@read $args:ident $spec:ident, $default:expr) => {
        match $crate::resource::optional_param(&mut $args, $spec)? {
            Some(value) => value,
            None => $default.into(),
        }
    };
}
pub(crate) use params;

/// Reads a parameter without a default: `Option` fields may be absent, others must be there.
///
/// # Errors
/// Where it is missing or its value does not fit.
pub fn read<T: FromValue>(args: &mut Args, spec: &ParamSpec) -> Result<T, ParamError> {
    if spec.required {
        return required(args, spec);
    }
    match args.take(spec.name, spec.aliases)? {
        Some(arg) => T::from_value(&arg.value).map_err(|message| ParamError::bad(&arg.name, message)),
        // Only an optional or list type reads null.
        None => T::from_value(&Value::Null).map_err(|_| ParamError {
            param: None,
            message: format!("missing required arguments: {}", spec.name),
            kind: ParamErrorKind::Missing,
        }),
    }
}
