//! This machine, without SSH.

use crate::fleet::{cfg, events};

fn playbook(dir: &std::path::Path, text: &str) -> String {
    let path = dir.join("play.yml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn without_an_inventory_the_error_says_where_it_looked() {
    let dir = tempfile::tempdir().unwrap();
    let play = playbook(dir.path(), "- hosts: all\n  tasks: []\n");
    let output = cfg(&["apply", &play]).current_dir(dir.path()).env_remove("ANSIBLE_INVENTORY").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("inventory.yml") && text.contains("/etc/ansible/hosts") && text.contains("--local"),
        "{text}"
    );
}

#[test]
fn independent_states_run_at_once_and_dependent_ones_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let play = playbook(
        dir.path(),
        "- hosts: all\n  order: explicit\n  tasks:\n\
         \x20   - { name: slow a, command: sleep 1, id: a }\n\
         \x20   - { name: slow b, command: sleep 1, id: b }\n\
         \x20   - { name: after both, command: \"true\", require: [a, b] }\n",
    );
    let started = std::time::Instant::now();
    let run = events(cfg(&["apply", &play, "--local"]));
    run.converged();
    let position = |what: &str, name: &str| {
        run.events
            .iter()
            .position(|e| e["event"] == what && (e["name"] == name || e["outcome"]["name"] == name))
            .unwrap()
    };
    // Both were started before either had ended, and the third after both.
    assert!(position("task_started", "slow b") < position("task_finished", "slow a"));
    assert!(position("task_started", "slow a") < position("task_finished", "slow b"));
    for name in ["slow a", "slow b"] {
        assert!(position("task_finished", name) < position("task_started", "after both"));
    }
    println!("two states of one second each took {:?}", started.elapsed());
}

#[test]
fn what_is_written_after_a_failure_has_not_happened() {
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old");
    let play = playbook(
        dir.path(),
        "- hosts: all\n  gather_facts: false\n  tasks:\n\
         \x20   - { name: fails, copy: { dest: '{{ playbook_dir }}/missing/x', content: x } }\n\
         \x20   - { name: looks, stat: { path: /etc/passwd } }\n\
         \x20   - { name: writes, file: { path: '{{ playbook_dir }}/old', state: absent } }\n",
    );
    // Whether the later ones are quicker than the failure is a matter of luck.
    for _ in 0..10 {
        std::fs::write(&old, "").unwrap();
        let run = events(cfg(&["apply", &play, "--local"]));
        let seen = |what: &str, name: fn(&serde_json::Value) -> &serde_json::Value| -> Vec<String> {
            let events = run.events.iter().filter(|e| e["event"] == what);
            events.map(|e| name(e).as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(seen("task_started", |e| &e["name"]), ["fails"]);
        assert_eq!(seen("task_finished", |e| &e["outcome"]["name"]), ["fails"]);
        assert!(old.exists(), "the states look at once, but change things in written order");
    }
}

#[test]
fn a_handler_that_is_not_there_is_missed_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let play = playbook(
        dir.path(),
        "- hosts: all\n  gather_facts: false\n  tasks:\n\
         \x20   - { command: echo restart wbe, register: said }\n\
         \x20   - { name: works, file: { path: '{{ playbook_dir }}/made', state: directory }, notify: '{{ said.stdout }}' }\n\
         \x20 handlers: [{ name: restart web, command: echo }]\n",
    );
    let run = events(cfg(&["apply", &play, "--local"]));
    let finished = run.events.iter().filter(|e| e["event"] == "task_finished" && e["outcome"]["name"] == "works");
    let said: Vec<_> = finished.map(|e| e["outcome"]["items"][0]["message"].as_str().unwrap()).collect();
    assert_eq!(said, ["there is no handler `restart wbe`"]);
    assert!(!dir.path().join("made").exists());
}

#[test]
fn a_plan_sees_what_earlier_plays_would_have_changed() {
    let dir = tempfile::tempdir().unwrap();
    let play = playbook(
        dir.path(),
        "- hosts: all\n  gather_facts: false\n  tasks:\n\
         \x20   - { name: folder, file: { path: '{{ playbook_dir }}/made', state: directory } }\n\
         - hosts: all\n  gather_facts: false\n  tasks:\n\
         \x20   - { name: file, copy: { dest: '{{ playbook_dir }}/made/x', content: x } }\n\
         \x20   - { name: real, command: cat made/x, args: { chdir: '{{ playbook_dir }}' }, check_mode: false }\n",
    );
    let planned = events(cfg(&["plan", &play, "--local"]));
    let statuses: Vec<&str> = planned
        .events
        .iter()
        .filter(|e| e["event"] == "task_finished")
        .map(|e| e["outcome"]["status"].as_str().unwrap())
        .collect();
    // What is run for real and fails may fail for want of what the plan only foresees.
    assert_eq!(statuses, ["changed", "changed", "unknown"]);
    assert!(!dir.path().join("made").exists());
    events(cfg(&["apply", &play, "--local"])).converged();
    assert!(dir.path().join("made/x").exists());
}

#[test]
fn with_step_one_answer_counts_for_all_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let play = playbook(
        dir.path(),
        "- hosts: all\n  gather_facts: false\n  tasks:\n\
         \x20   - { name: first, command: \"true\", notify: again }\n\
         \x20   - { name: refused, command: \"true\" }\n\
         \x20   - { name: one by one, command: \"true\", loop: [1, 2] }\n\
         \x20   - { name: only b, command: \"true\", when: inventory_hostname == 'b', notify: at last }\n\
         \x20 handlers:\n\
         \x20   - { name: nobody, command: \"true\" }\n\
         \x20   - { name: again, command: \"true\" }\n\
         \x20   - { name: at last, command: \"true\" }\n",
    );
    let inventory = dir.path().join("inventory.ini");
    std::fs::write(&inventory, "[all:vars]\nansible_connection=local\n[web]\na\nb\nc\n").unwrap();
    let stepped = |answers: &str| {
        let stdin = dir.path().join("answers");
        std::fs::write(&stdin, answers).unwrap();
        let mut command = cfg(&["apply", &play, "-i", inventory.to_str().unwrap(), "--step"]);
        command.stdin(std::fs::File::open(stdin).unwrap());
        let run = events(command);
        let asked = run.events.iter().filter(|e| e["event"] == "asked").map(|e| e["name"].as_str().unwrap().to_owned());
        (asked.collect::<Vec<_>>(), run)
    };
    let on =
        |name: &str, hosts: &[&str]| hosts.iter().map(|host| ((*host).to_owned(), name.to_owned())).collect::<Vec<_>>();

    let (asked, run) = stepped("y\nn\ny\ny\nn\ny\n");
    assert_eq!(asked, ["first", "refused", "one by one", "only b", "again", "at last"], "{}", run.text);
    let all = ["a", "b", "c"];
    let ran = [on("first", &all), on("one by one", &all), on("only b", &["b"]), on("at last", &["b"])].concat();
    assert_eq!(run.converged().changed(), ran.into_iter().collect(), "{}", run.text);

    // What was refused is still due, and after "continue" nobody is asked any more.
    let (asked, run) = stepped("n\nc\n");
    assert_eq!(asked, ["first", "refused"], "{}", run.text);
    let again: Vec<_> = run.changed().into_iter().filter(|(_, name)| name == "again").collect();
    assert_eq!(again, on("again", &all), "{}", run.text);
}

#[test]
fn a_pause_asks_once_for_all_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let play = playbook(
        dir.path(),
        "- hosts: all\n  gather_facts: false\n  tasks:\n\
         \x20   - { pause: { prompt: All well }, register: said }\n\
         \x20   - { debug: { msg: \"heard {{ said.user_input }}\" } }\n\
         \x20   - { pause: , when: said.user_input == 'no' }\n\
         \x20   - { pause: { prompt: \"{{ item }}\" }, loop: [one, two], register: many }\n\
         \x20   - { debug: { msg: \"{{ many.results | map(attribute='user_input') | join('+') }}\" } }\n\
         \x20 handlers:\n    - { name: nobody, pause: }\n",
    );
    let inventory = dir.path().join("inventory.ini");
    std::fs::write(&inventory, "[all:vars]\nansible_connection=local\n[web]\na\nb\n").unwrap();
    let call = format!("'{}' apply '{play}' -i '{}'", env!("CARGO_BIN_EXE_cfg"), inventory.display());
    // A terminal of its own.
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &call, "/dev/null"]).env("NO_COLOR", "1").env("CI", "1");
    let Ok(mut child) = script.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn() else {
        return eprintln!("skipped: no `script` to make a terminal with");
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"fine\n1\n2\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for expected in ["All well: ", "a: heard fine", "b: heard fine", "one: ", "two: ", "a: 1+2", "b: 1+2"] {
        assert_eq!(text.matches(expected).count(), 1, "{expected} in {text}");
    }
    assert!(output.status.success() && !text.contains("Press Enter"), "{text}");

    // Nobody is there.
    let run = events(cfg(&["apply", &play, "-i", inventory.to_str().unwrap()]));
    assert!(run.converged().text.contains("nobody is there to answer"), "{}", run.text);
}

#[test]
fn a_circle_is_refused_with_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let play = playbook(
        dir.path(),
        "- hosts: all\n  tasks:\n\
         \x20   - { name: first, command: \"true\", id: a, require: [b] }\n\
         \x20   - { name: second, command: \"true\", id: b, require: [a] }\n",
    );
    let output = cfg(&["plan", &play, "--local"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("wait for each other in a circle") && text.contains("play.yml:3") && text.contains("require: b"),
        "{text}"
    );
}

#[test]
fn results_decide_on_the_target() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let play = playbook(
        dir.path(),
        &format!(
            "- hosts: all\n  vars: {{ shown: \"got {{{{ said.stdout }}}}\" }}\n  tasks:\n\
             \x20   - {{ command: echo yes, register: said, changed_when: false }}\n\
             \x20   - {{ copy: {{ dest: {0}, content: \"{{{{ shown }}}}\" }}, when: said.stdout == 'yes', register: written }}\n\
             \x20   - {{ copy: {{ dest: {0}.no, content: x }}, when: said.stdout == 'no' }}\n\
             \x20   - {{ command: \"echo {{{{ item }}}}\", loop: \"{{{{ said.stdout_lines }}}}\", register: each, changed_when: false }}\n\
             \x20   - assert: {{ that: [written is changed, \"each.results[0].stdout == 'yes'\"] }}\n\
             \x20   - {{ set_fact: {{ mode: \"{{{{ said.stdout | length }}}}\" }} }}\n\
             \x20   - assert: {{ that: mode | int == 3 }}\n",
            out.display()
        ),
    );
    let planned = events(cfg(&["plan", &play, "--local"]));
    assert_eq!(planned.status, 0, "{}", planned.text);
    assert!(!out.exists(), "a plan writes nothing");
    let run = events(cfg(&["apply", &play, "--local"]));
    run.converged();
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "got yes");
    assert!(!dir.path().join("out.no").exists());
}

#[test]
fn files_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("files/site/sub")).unwrap();
    std::fs::write(dir.path().join("files/site/sub/page"), "hello").unwrap();
    // More than one part.
    std::fs::write(dir.path().join("large"), vec![7; 3 << 20]).unwrap();
    let play = playbook(
        dir.path(),
        &format!(
            "- hosts: all\n  tasks:\n\
             \x20   - {{ copy: {{ src: site/, dest: {0}/www }} }}\n\
             \x20   - {{ find: {{ paths: {0}/www, recurse: true }}, register: found }}\n\
             \x20   - {{ assert: {{ that: found.matched == 1 }} }}\n\
             \x20   - {{ fetch: {{ src: {0}/large, dest: out/ }}, register: fetched }}\n\
             \x20   - {{ fetch: {{ src: {0}/www/sub/page, dest: \"out/{{{{ ansible_facts.system }}}}/\", flat: true }} }}\n\
             \x20   - {{ assert: {{ that: fetched.checksum == fetched.remote_checksum }} }}\n\
             \x20   - {{ getent: {{ database: passwd, key: root }} }}\n\
             \x20   - {{ assert: {{ that: [\"getent_passwd.root[1] == '0'\", ansible_facts.getent_passwd is defined] }} }}\n",
            dir.path().display()
        ),
    );
    let planned = events(cfg(&["plan", &play, "--local"]));
    assert_eq!(planned.status, 0, "{}", planned.text);
    assert!(!dir.path().join("out").exists() && !dir.path().join("www").exists(), "a plan writes nothing");
    events(cfg(&["apply", &play, "--local"])).converged();
    let fetched = dir.path().join("out/localhost").join(dir.path().join("large").strip_prefix("/").unwrap());
    assert_eq!(std::fs::read(fetched).unwrap(), vec![7; 3 << 20]);
    assert_eq!(std::fs::read_to_string(dir.path().join("out/Linux/page")).unwrap(), "hello");
    let again = events(cfg(&["apply", &play, "--local"]));
    assert!(again.converged().changed().is_empty(), "{:?}", again.changed());
}

#[test]
fn a_play_says_whether_handlers_are_forced_and_the_end_what_was_reported() {
    let dir = tempfile::tempdir().unwrap();
    let text = |play: &str| {
        format!(
            "- name: {}\n  hosts: all\n  gather_facts: false\n{play}  tasks:\n    - {{ command: \"true\", notify: h }}\n\
             \x20   - set_stats: {{ data: {{ n: 10 }} }}\n    - set_stats: {{ data: {{ n: 15 }} }}\n    - fail:\n\
             \x20 handlers:\n    - {{ name: h, debug: }}\n",
            dir.path().display()
        )
    };
    for (play, runs) in [("", true), ("  force_handlers: false\n", false)] {
        let play = playbook(dir.path(), &text(play));
        let run = events(cfg(&["apply", &play, "--local", "--force-handlers"]));
        let ran = run.events.iter().any(|e| e["event"] == "task_finished" && e["outcome"]["name"] == "h");
        assert_eq!(ran, runs);
        let end = run.events.iter().find(|e| e["event"] == "run_finished").unwrap();
        assert_eq!(end["stats"]["_run"]["n"], 25);
    }
}

#[test]
fn the_connection_of_the_command_line_is_the_weakest() {
    let dir = tempfile::tempdir().unwrap();
    let play = playbook(dir.path(), "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: \"true\"\n");
    let call = |inventory: &str, more: &[&str]| {
        let mut args = vec!["apply", &play, "-i", inventory, "--connect-retries", "0"];
        args.extend(more);
        events(cfg(&args))
    };
    let reached = |run: &crate::fleet::Run| !run.events.iter().any(|event| event["event"] == "unreachable");
    assert!(reached(&call("no.such.host.invalid,", &["-c", "local"])));
    assert!(reached(&call("127.0.0.1,", &["-c", "local"])));
    let stronger = ["-c", "local", "-e", "ansible_connection=ssh"];
    assert!(!reached(&call("no.such.host.invalid,", &stronger)));
}

/// debconf keeps its answers in files of this test's own.
#[test]
fn answers_for_debconf() {
    if !std::path::Path::new("/usr/bin/debconf-set-selections").exists() {
        return println!("skipped: answers_for_debconf: this machine has no debconf");
    }
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().display();
    let driver = |name: &str, more: &str| format!("Name: {name}\nDriver: File\nFilename: {place}/{name}\n{more}\n");
    let settings = ["Config: all\nTemplates: templates\n\n".to_owned()]
        .into_iter()
        .chain([driver("config", "Reject-Type: password\n"), driver("passwords", "Accept-Type: password\n")])
        .chain(["Name: all\nDriver: Stack\nStack: config, passwords\n\n".to_owned(), driver("templates", "")]);
    std::fs::write(dir.path().join("debconf.conf"), settings.collect::<String>()).unwrap();
    // debconf makes files it does not find, whatever it is asked.
    let files = ["config", "passwords", "templates"].map(|name| dir.path().join(name));
    files.iter().for_each(|file| std::fs::write(file, "").unwrap());
    let tasks = [
        "{ name: cfg, question: cfg/line, vtype: string, value: ' two  words' }",
        "{ name: cfg, question: cfg/sure, vtype: boolean, value: true, unseen: true }",
        "{ name: cfg, question: cfg/some, vtype: multiselect, value: [b, a] }",
        "{ name: cfg, question: cfg/secret, vtype: password, value: 'hush hush' }",
    ];
    let text = |tasks: &[&str]| {
        let named = |(i, task): (usize, &&str)| format!("    - {{ name: 'answer {i}', debconf: {task} }}\n");
        let tasks: String = tasks.iter().enumerate().map(named).collect();
        format!(
            "- hosts: all\n  gather_facts: false\n  environment: {{ DEBCONF_SYSTEMRC: {place}/debconf.conf }}\n  tasks:\n{tasks}\
             \x20   - {{ debconf: {{ name: cfg }}, register: all }}\n\
             \x20   - {{ assert: {{ that: \"all.current['cfg/some'] in ['b, a', 'c']\" }} }}\n\
             \x20   - {{ debug: {{ var: all.current }} }}\n"
        )
    };
    let play = playbook(dir.path(), &text(&tasks));
    let changed = |run: &crate::fleet::Run| run.changed().len();
    let planned = events(cfg(&["plan", &play, "--local", "--diff"]));
    assert_eq!(changed(&planned), 4, "{}", planned.text);
    assert!(files.iter().all(|file| std::fs::read(file).unwrap().is_empty()), "a plan writes nothing");
    let first = events(cfg(&["apply", &play, "--local", "--diff"]));
    assert_eq!(changed(first.converged()), 4, "{}", first.text);
    let again = events(cfg(&["apply", &play, "--local"]));
    assert_eq!(changed(again.converged()), 0, "{}", again.text);
    for run in [&planned, &first, &again] {
        assert!(!run.text.contains("hush"), "{}", run.text);
    }
    assert!(again.text.contains(" two  words") && again.text.contains("(password omitted)"), "{}", again.text);
    let kept = std::fs::read_to_string(&files[1]).unwrap();
    assert!(kept.contains("Value: hush hush\n"), "{kept}");

    let news = [
        "{ name: cfg, question: cfg/line, vtype: seen, value: false }",
        "{ name: cfg, question: cfg/sure, vtype: boolean, value: 'TRUE' }",
        "{ name: cfg, question: cfg/some, vtype: multiselect, value: c }",
        "{ name: cfg, question: cfg/secret, vtype: password, value: '' }",
    ];
    let play = playbook(dir.path(), &text(&news));
    for expected in [3, 0] {
        let planned = events(cfg(&["plan", &play, "--local"]));
        assert_eq!(changed(&planned), expected, "{}", planned.text);
        let run = events(cfg(&["apply", &play, "--local"]));
        assert_eq!(changed(run.converged()), expected, "{}", run.text);
    }
}
