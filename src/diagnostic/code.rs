//! The table of mistakes cfg knows, each with the text `cfg explain CODE` shows.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal;)+) => {
        /// The kind of a mistake. Numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $name = $number,)+ }

        /// Every code with its explanation.
        pub const CODES: &[(Code, &str)] = &[$((Code::$name, concat!($($doc, "\n"),+)),)+];
    };
}

codes! {
    /// The text is not YAML: the parser stopped at the place shown. Often an indentation that does not line up, a tab, a
    /// missing quote, or a value that starts with `{{` and wants quotes around it.
    YamlSyntax = 101;
    /// A mapping has the same key twice. PyYAML silently takes the last one, which hides mistakes; cfg refuses. Remove one
    /// of the two.
    DuplicateKey = 102;
    /// A YAML tag cfg does not know. `!vault` and `!unsafe` are understood.
    UnknownTag = 103;
    /// The document is nested too deeply, or its aliases expand to too many values.
    YamlLimit = 104;
    /// A file that is needed could not be read.
    FileUnreadable = 105;
    /// The text is not TOML: the parser stopped at the place shown.
    TomlSyntax = 106;
    /// The thing found there is not of the shape that is needed, such as a mapping where a list belongs.
    WrongShape = 110;
    /// A play, block or task has a keyword that does not exist. cfg never ignores what it does not know.
    UnknownKeyword = 111;
    /// A task names no module, so there is nothing to do.
    NoModule = 112;
    /// A task names two modules. Split it into two tasks.
    TwoModules = 113;
    /// The module does not exist in cfg. It is an error only where its task would run.
    UnknownModule = 114;
    /// The module has no such parameter.
    UnknownParameter = 115;
    /// A parameter that must be given is missing.
    MissingParameter = 116;
    /// A parameter has a value of the wrong type or outside of its choices.
    BadParameter = 117;
    /// Parameters that exclude each other were given together.
    ConflictingParameters = 118;
    /// The keyword is Ansible's but cfg does not support it yet; it is refused instead of being ignored.
    Unsupported = 119;
    /// A role was not found in the places where roles are looked for.
    RoleNotFound = 120;
    /// A file named by a task, such as a template or an included task file, does not exist.
    FileNotFound = 121;
    /// A file includes itself, directly or through others.
    IncludeLoop = 122;
    /// A task notifies a handler that no play or role defines.
    HandlerNotFound = 123;
    /// A role's argument does not fit its `meta/argument_specs.yml`, or a variable the specification of a task
    /// `validate_argument_spec`.
    BadRoleArgument = 124;
    /// The template text is not valid Jinja.
    TemplateSyntax = 301;
    /// A template names a filter, test, function or lookup that cfg does not have.
    UnknownFilter = 302;
    /// A filter, test or operator was given something it cannot work on.
    TemplateFailed = 303;
    /// A variable that is used is not defined for this host.
    UndefinedVariable = 312;
    /// Variables that are defined in terms of each other.
    VariableLoop = 313;
    /// A condition is not a boolean. It is taken by its truth; `--strict` refuses it, as Ansible 2.19 does.
    NonBooleanCondition = 314;
    /// The inventory could not be read.
    BadInventory = 401;
    /// No inventory was given and none was found.
    NoInventory = 402;
    /// The pattern matches no host of the inventory.
    NoHostsMatched = 403;
    /// A host or group is not defined in the inventory.
    UnknownHost = 404;
    /// States wait for each other in a circle, so none of them can start.
    Cycle = 501;
    /// A requisite names a state that does not exist.
    RequisiteNotFound = 502;
    /// Two states have the same `id`.
    DuplicateId = 503;
    /// Encrypted text could not be decrypted: no password was given, or it is the wrong one.
    Vault = 601;
    /// A setting on the command line or in a configuration file is wrong.
    Usage = 701;
    /// An assertion that can be judged before any host is contacted does not hold.
    AssertionFailed = 702;
}

impl Code {
    /// Reads a code as it is shown, such as `CFG0312`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().to_ascii_uppercase().strip_prefix("CFG")?.parse::<u16>().ok()?;
        CODES.iter().map(|(code, _)| *code).find(|code| *code as u16 == digits)
    }

    /// The text `cfg explain` shows.
    pub fn explanation(self) -> &'static str {
        CODES.iter().find(|(code, _)| *code == self).map_or("", |(_, text)| text)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CFG{:04}", *self as u16)
    }
}
