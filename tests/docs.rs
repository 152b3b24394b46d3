//! The examples of the pages about the language are playbooks cfg takes.

use std::path::Path;
use std::process::Command;

/// The fenced blocks of YAML under each heading.
fn sections(page: &str) -> Vec<(String, Vec<String>)> {
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        match &mut block {
            None if line.starts_with('#') => sections.push((line.trim_matches('#').trim().to_owned(), Vec::new())),
            None if line == "```yaml" => block = Some(String::new()),
            Some(text) if line == "```" => {
                sections.last_mut().expect("an example stands under a heading").1.push(std::mem::take(text));
                block = None;
            }
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    sections
}

/// A block that starts with the comment of a path is a file; another one a playbook, or tasks of one.
fn check(heading: &str, blocks: &[String]) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let (files, plays): (Vec<&String>, Vec<&String>) = blocks.iter().partition(|block| block.starts_with("# "));
    for file in files {
        let (path, text) = file.split_once('\n').unwrap();
        let path = dir.path().join(path.trim_start_matches("# "));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    for play in &plays {
        let whole = play.contains("hosts: ");
        let indented: String = play.lines().map(|line| format!("    {line}\n")).collect();
        let text = if whole { (*play).clone() } else { format!("- hosts: all\n  tasks:\n{indented}") };
        let path = dir.path().join("play.yml");
        std::fs::write(&path, &text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_cfg"))
            .args(["apply", "play.yml", "--local", "--syntax-check"])
            .current_dir(dir.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{heading}:\n{text}\n{said}");
        assert!(!said.contains("warning"), "{heading}:\n{text}\n{said}");
    }
    plays.len()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

#[test]
fn examples_of_the_language_are_taken() {
    let checked: usize = sections(&page("language.md")).iter().map(|(heading, blocks)| check(heading, blocks)).sum();
    assert!(checked >= 18, "{checked} examples");
}

#[test]
fn examples_for_those_who_know_others_are_taken() {
    for name in ["coming-from-salt.md", "coming-from-ansible.md"] {
        for (heading, blocks) in sections(&page(name)) {
            check(&heading, &blocks);
        }
    }
}
