//! Pages made from the code are what the code says. `UPDATE=1 cargo test --test generated` writes them anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cfg::diagnostic::CODES;
use cfg::resource::KINDS;

const MODULES: &str = "docs/reference/modules";

#[test]
fn pages_are_what_the_code_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = pages();
    let update = std::env::var_os("UPDATE").is_some_and(|v| v == "1");
    let mut stale: Vec<String> = Vec::new();
    for (name, text) in &pages {
        let path = root.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == *text) {
            continue;
        }
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        } else {
            stale.push(name.display().to_string());
        }
    }
    for entry in std::fs::read_dir(root.join(MODULES)).into_iter().flatten().flatten() {
        let name = Path::new(MODULES).join(entry.file_name());
        if pages.contains_key(&name) {
            continue;
        }
        if update {
            std::fs::remove_file(root.join(&name)).unwrap();
        } else {
            stale.push(format!("{} (no such module)", name.display()));
        }
    }
    assert!(stale.is_empty(), "not what the code says: {}\nrun UPDATE=1 cargo test --test generated", stale.join(", "));
}

fn pages() -> BTreeMap<PathBuf, String> {
    let made = "<!-- Made from the code by `UPDATE=1 cargo test --test generated`. -->\n\n";
    let mut pages = BTreeMap::new();
    let mut add = |name: String, text: String| pages.insert(PathBuf::from(name), format!("{}\n", text.trim_end()));
    add("docs/reference/commands.md".into(), cfg::cli::reference());
    add("docs/reference/settings.md".into(), format!("{made}{}", cfg::cli::settings_page()));
    for kind in KINDS {
        add(format!("{MODULES}/{}.md", kind.name), format!("{made}{}", cfg::cli::module_page(kind)));
    }
    let mut errors = format!("{made}# Errors\n\n`cfg explain CFG0312` shows one of them at the terminal.\n\n");
    for (code, text) in CODES {
        let text: Vec<&str> = text.lines().map(str::trim).collect();
        errors.push_str(&format!("## {code}\n\n{}\n\n", text.join("\n").trim()));
    }
    add("docs/reference/errors.md".into(), errors);
    let schema = serde_json::to_string_pretty(&cfg::cli::schema()).unwrap();
    add("schema/cfg.schema.json".into(), schema);
    pages
}
