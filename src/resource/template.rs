//! `template`: a file from a template.
//!
//! The compiler reads the template and has it rendered; here it arrives as `content` (or its digest) and is put in place
//! as `copy` does. The parameters that say how to render are the compiler's; they are declared here for those who read
//! the documentation, and refused nowhere but where they are wrong.

use super::copy::Copy;
use super::params::params;
use super::paths::Place;
use super::{Args, Context, Failure, Footprint, Mode, Outcome, ParamError, Resource};
use crate::machine::Machine;
use crate::template::FileOptions;
use crate::value::{Map, Value};

params! {
    /// Renders a template and puts the file in place, with this owner, group and mode.
    ///
    /// # Example
    /// ```yaml
    /// - template: { src: nginx.conf.j2, dest: /etc/nginx/nginx.conf, mode: "0644", validate: "nginx -t -c %s" }
    /// ```
    pub struct Template {
        /// The template, in the role's or play's `templates`.
        src: Option<String>;
        /// Where the file goes. With a trailing `/`, or where it is a directory, the name of `src` is added.
        dest: Place, required;
        /// Mode, octal in quotes or symbolic, or `preserve`.
        mode: Option<Mode>;
        /// Owner.
        owner: Option<String>;
        /// Group.
        group: Option<String>;
        /// Keep a copy of the old file beside it.
        backup: bool = false;
        /// Replace a file whose content differs.
        force: bool = true;
        /// Write through a link at the destination.
        follow: bool = false;
        /// A command that checks the new file before it takes the place; `%s` in it stands for the file.
        validate: Option<String>;
        /// Remove the newline after a block tag.
        trim_blocks: bool = true;
        /// Remove white space before a block tag.
        lstrip_blocks: bool = false;
        /// What starts a block.
        block_start_string: String = "{%";
        /// What ends a block.
        block_end_string: String = "%}";
        /// What starts an expression.
        variable_start_string: String = "{{";
        /// What ends an expression.
        variable_end_string: String = "}}";
        /// What starts a comment.
        comment_start_string: String = "{#";
        /// What ends a comment.
        comment_end_string: String = "#}";
        /// What lines of the template end with: `\\n`, `\\r` or `\\r\\n`.
        newline_sequence: Option<String>;
        /// The encoding of the file: UTF-8.
        output_encoding: String = "utf-8";
        /// (Set by the compiler.) The rendered text.
        content: Option<Value>;
        /// (Set by the compiler.) The SHA-256 of content that did not travel with the task.
        content_sha256: Option<String>, named "_content_sha256";
        /// (Set by the compiler.) The name a directory destination gets.
        original_basename: Option<String>, named "_original_basename";
        /// (Set by the compiler.) The mode of the source on the controller.
        source_mode: Option<u32>, named "_source_mode";
    }
}

impl Template {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// Where parameters do not fit together.
    pub fn check(&self) -> Result<(), ParamError> {
        if self.src.is_none() && self.original_basename.is_none() {
            return Err(ParamError::conflict("the parameter `src` is missing"));
        }
        if let Some(newline) = &self.newline_sequence
            && !matches!(newline.as_str(), "\n" | "\r" | "\r\n" | "\\n" | "\\r" | "\\r\\n")
        {
            return Err(ParamError::bad("newline_sequence", "`newline_sequence` is \\n, \\r or \\r\\n"));
        }
        let encoding = self.output_encoding.to_ascii_lowercase().replace(['-', '_'], "");
        if !matches!(encoding.as_str(), "utf8" | "u8") {
            let message = format!(
                "cfg writes UTF-8, not `{}`; `command: iconv` can make another one of it",
                self.output_encoding
            );
            return Err(ParamError::bad("output_encoding", message));
        }
        let options = self.options();
        let pairs = [&options.block, &options.variable, &options.comment];
        if pairs.iter().any(|(start, end)| start.is_empty() || end.is_empty()) {
            return Err(ParamError::conflict("what starts or ends a block, expression or comment must not be empty"));
        }
        Ok(())
    }

    /// How the template is to be rendered.
    pub fn options(&self) -> FileOptions {
        FileOptions {
            trim_blocks: self.trim_blocks,
            lstrip_blocks: self.lstrip_blocks,
            variable: (self.variable_start_string.clone(), self.variable_end_string.clone()),
            block: (self.block_start_string.clone(), self.block_end_string.clone()),
            comment: (self.comment_start_string.clone(), self.comment_end_string.clone()),
            ..FileOptions::default()
        }
    }

    fn copy(&self) -> Result<Copy, Failure> {
        let name = self.original_basename.clone().or_else(|| self.src.as_deref().and_then(file_name));
        let given = [
            ("dest", Some(Value::str(&*self.dest))),
            ("owner", self.owner.as_ref().map(Value::str)),
            ("group", self.group.as_ref().map(Value::str)),
            ("backup", Some(Value::Bool(self.backup))),
            ("force", Some(Value::Bool(self.force))),
            ("follow", Some(Value::Bool(self.follow))),
            ("validate", self.validate.as_ref().map(Value::str)),
            ("content", self.content.clone()),
            ("_content_sha256", self.content_sha256.as_ref().map(Value::str)),
            ("_original_basename", name.map(Value::from)),
            ("_source_mode", self.source_mode.map(Value::from)),
        ];
        let args: Map = given.into_iter().filter_map(|(name, value)| value.map(|value| (name.into(), value))).collect();
        let copy = Copy::from_args(Args::new(args)).map_err(|e| Failure::new(e.message))?;
        Ok(Copy { mode: self.mode.clone(), ..copy })
    }
}

/// Under Ansible the suffix of a template's name stays.
fn file_name(src: &str) -> Option<String> {
    std::path::Path::new(src).file_name().map(|name| name.to_string_lossy().into_owned())
}

impl Resource for Template {
    fn footprint(&self) -> Footprint {
        self.copy().map_or_else(|_| Footprint::world(), |copy| copy.footprint())
    }

    fn converge(&self, machine: &dyn Machine, context: &Context) -> Result<Outcome, Failure> {
        let copy = self.copy()?;
        copy.check().map_err(|_| Failure::new("the template was not rendered"))?;
        copy.converge(machine, context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn rendered_text_is_put_in_place() {
        let bench = Bench::with(&[]);
        let (outcome, changes) =
            bench.settle("template", "{src: a/motd.j2, dest: /etc/, content: \"hello\\n\", mode: '0600'}");
        assert_eq!(changes, 1);
        assert_eq!(bench.read("/etc/motd.j2"), "hello\n");
        assert_eq!(outcome.result.get("mode").and_then(|m| m.as_str()), Some("0600"));
        assert_eq!(bench.settle("template", "{src: x.j2, dest: /etc/motd, content: 'a', trim_blocks: false}").1, 1);
        assert!(bench.fails("template", "{src: x.j2, dest: /etc/motd}").contains("not rendered"));
        assert!(
            bench.fails("template", "{src: x.j2, dest: /etc/motd, newline_sequence: x}").contains("`newline_sequence`")
        );
    }
}
