//! The terminal: what changed, told once for hosts with the same story, failures at once, a recap line a host.

use std::collections::{BTreeMap, HashSet};
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::story::{self, shorten};
use super::{Report, Style};
use crate::event::{Counts, Event, RUN, Stats, Status, TaskOutcome, Warning};
use crate::secret::Redactor;
use crate::source::SourceMap;
use crate::value::readable;

/// How it is shown.
#[derive(Clone, Debug)]
pub struct HumanOptions {
    /// A plan: "would change".
    pub plan: bool,
    /// Show differences of content.
    pub diff: bool,
    /// `-v`, `-vv`, …
    pub verbose: u8,
    /// Every host for itself.
    pub expand: bool,
    /// Colours.
    pub style: Style,
    /// A live status block.
    pub live: bool,
    /// What to write after `cfg apply` to go on with what is left.
    pub again: String,
    /// Show at the end what tasks report with `set_stats`.
    pub stats: bool,
}

/// Writes for a person.
pub struct Human {
    options: HumanOptions,
    redactor: Redactor,
    sources: SourceMap,
    hosts: BTreeMap<String, HostStory>,
    order: Vec<String>,
    running: BTreeMap<String, (String, Instant)>,
    counts: BTreeMap<String, Counts>,
    status_lines: usize,
    drawn: Instant,
    started: Instant,
    play: String,
    compiled: (u32, u64),
    warned: HashSet<Warning>,
}

#[derive(Default)]
struct HostStory {
    lines: Vec<(u32, Vec<String>)>,
}

impl Human {
    /// Starts.
    pub fn new(options: HumanOptions, redactor: Redactor, sources: SourceMap) -> Self {
        let now = Instant::now();
        Self {
            options,
            redactor,
            sources,
            hosts: BTreeMap::new(),
            order: Vec::new(),
            running: BTreeMap::new(),
            counts: BTreeMap::new(),
            status_lines: 0,
            drawn: now,
            started: now,
            play: String::new(),
            compiled: (0, 0),
            warned: HashSet::new(),
        }
    }

    fn say(&mut self, text: &str) {
        self.clear_status();
        let text = self.redactor.redact(text).into_owned();
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{}", readable(&text)).and_then(|()| out.flush());
    }

    fn play_started(&mut self, play: &str, hosts: &[String], batch: (u32, u32)) {
        self.play = play.to_owned();
        self.hosts.clear();
        self.order = hosts.to_vec();
        let part = if batch.1 > 1 { format!(", batch {} of {}", batch.0, batch.1) } else { String::new() };
        let style = self.options.style;
        let plural = if hosts.len() == 1 { "host" } else { "hosts" };
        let line = format!("{}  {} {plural}{part}", style.bold(&format!("Play \"{play}\"")), hosts.len());
        self.say(&line);
    }

    fn finished(&mut self, host: &str, outcome: &TaskOutcome) {
        self.running.remove(host);
        self.counts.entry(host.to_owned()).or_default().add(outcome);
        let style = self.options.style;
        if outcome.status == Status::Failed {
            let text = self.failure(host, outcome);
            self.say(&text);
        }
        self.warn(host, outcome);
        let message = outcome.module.ends_with("debug") && outcome.status == Status::Ok;
        if message {
            for item in &outcome.items {
                if let Some(text) = &item.message {
                    let line = format!("{}  {}: {text}", style.grey("  »"), style.bold(host));
                    self.say(&line);
                }
            }
        }
        let lines = story::task_lines(outcome, self.options.diff, self.options.verbose, style);
        if outcome.status != Status::Failed || self.options.verbose > 0 {
            self.hosts.entry(host.to_owned()).or_default().lines.push((outcome.node, lines));
        }
    }

    /// What may not be meant, once for all hosts.
    fn warn(&mut self, host: &str, outcome: &TaskOutcome) {
        for warning in &outcome.warnings {
            if !self.warned.insert(warning.clone()) {
                continue;
            }
            let style = self.options.style;
            let mut lines = vec![format!("{} {host}  {}: {}", style.yellow("warning:"), outcome.name, warning.message)];
            if let Some((origin, length)) = &warning.place {
                lines.extend(self.excerpt(origin, *length));
            }
            lines.push(format!("    {} {}", style.cyan("help:"), warning.help));
            self.say(&lines.join("\n"));
        }
    }

    /// A failure, with where it comes from and what to do.
    fn failure(&self, host: &str, outcome: &TaskOutcome) -> String {
        let style = self.options.style;
        let mut lines = Vec::new();
        for item in outcome.items.iter().filter(|item| item.status == Status::Failed) {
            let label = item.label.as_ref().map(|l| format!(" ({})", shorten(l, 60))).unwrap_or_default();
            let note = match (outcome.ignored, outcome.rescued) {
                (true, _) => style.grey("  (ignored)"),
                (_, true) => style.grey("  (rescued)"),
                _ => String::new(),
            };
            let place = style.grey(&outcome.origin.to_string());
            lines.push(format!("{} {}  {}{label}  {place}{note}", style.red("✗"), style.bold(host), outcome.name));
            let message = item.message.as_deref().unwrap_or("it failed");
            lines.extend(message.lines().map(|line| format!("    {line}")));
            let said = ["stderr", "stdout"].iter().filter_map(|key| item.result.get(key)?.as_str().map(str::to_owned));
            for text in said.filter(|t| !t.trim().is_empty()).take(1) {
                let tail: Vec<&str> = text.trim_end().lines().collect();
                lines.extend(tail.iter().skip(tail.len().saturating_sub(10)).map(|line| format!("    | {line}")));
            }
            if let Some((origin, length)) = &item.place {
                lines.extend(self.excerpt(origin, *length));
            }
            if let Some(help) = &item.help {
                lines.push(format!("    {} {help}", style.cyan("help:")));
            }
        }
        lines.join("\n")
    }

    /// The line an expression stands in, with carets under it.
    fn excerpt(&self, origin: &crate::source::Origin, length: u32) -> Vec<String> {
        let mut lines = vec![format!("    at {}:{}:{}", origin.file, origin.line, origin.col)];
        if let Some(span) = self.sources.span_at(origin, length) {
            let file = self.sources.file(span.file);
            if let Some(text) = file.text.lines().nth(origin.line.saturating_sub(1) as usize) {
                lines.push(format!("      {text}"));
                let pad = " ".repeat(origin.col.saturating_sub(1) as usize);
                lines.push(format!("      {pad}{}", "^".repeat(length.max(1) as usize)));
            }
        }
        lines
    }

    /// Tells the stories of the hosts since they were told last: hosts with the same lines share them.
    fn tell(&mut self) {
        let mut groups: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        for host in self.order.clone() {
            let Some(story) = self.hosts.get_mut(&host) else { continue };
            // In written order, whatever ended first.
            let mut tasks = std::mem::take(&mut story.lines);
            tasks.sort_by_key(|(node, _)| *node);
            let lines: Vec<String> = tasks.into_iter().flat_map(|(_, lines)| lines).collect();
            if lines.is_empty() {
                continue;
            }
            match groups.iter_mut().find(|(_, known)| *known == lines) {
                Some((hosts, _)) if !self.options.expand => hosts.push(host),
                _ => groups.push((vec![host], lines)),
            }
        }
        let first = groups.first().map(|(hosts, lines)| (hosts.join(", "), lines.clone()));
        for (i, (hosts, lines)) in groups.iter().enumerate() {
            let style = self.options.style;
            self.say("");
            let shared: Vec<&String> = match (&first, i) {
                (Some((_, known)), 1..) if !self.options.expand => {
                    lines.iter().filter(|l| !known.contains(l)).collect()
                }
                _ => lines.iter().collect(),
            };
            let same = shared.len() < lines.len();
            let title = style.bold(&hosts.join(", "));
            match (&first, same) {
                (Some((name, _)), true) => self.say(&format!("{title}   the same as {name}, but:")),
                _ => self.say(&title),
            }
            let text = shared.iter().map(|line| line.as_str()).collect::<Vec<_>>().join("\n");
            self.say(&text);
        }
    }

    /// What tasks reported, in the form of Ansible's: each host's, then that of the run.
    fn custom_stats(&mut self, stats: &Stats) {
        let json = |data: &crate::value::Map| {
            let json = crate::value::to_json(&crate::value::Value::from(data.clone()));
            let text = serde_json::to_string_pretty(&json).unwrap_or_default();
            let line = text.lines().map(str::trim_start).collect::<Vec<_>>().join(" ");
            self.redactor.redact(&line).into_owned()
        };
        let mut lines = vec!["\nCUSTOM STATS:".to_owned()];
        lines.extend(stats.iter().filter(|(of, _)| *of != RUN).map(|(host, data)| format!("\t{host}: {}", json(data))));
        lines.extend(stats.get(RUN).map(|data| format!("\tRUN: {}", json(data))));
        self.say(&lines.join("\n"));
    }

    fn run_finished(&mut self, run: &str, hosts: &[(String, Counts)], seconds: f64, cancelled: bool) {
        let style = self.options.style;
        self.say("");
        let width = hosts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, counts) in hosts {
            let line = format!(
                "{name:<width$} : ok={} changed={} unreachable={} failed={} skipped={} rescued={} ignored={}",
                counts.ok,
                counts.changed,
                counts.unreachable,
                counts.failed,
                counts.skipped,
                counts.rescued,
                counts.ignored
            );
            let painted = match counts {
                c if c.failed > 0 || c.unreachable > 0 => style.red(&line),
                c if c.changed > 0 => style.yellow(&line),
                _ => style.green(&line),
            };
            self.say(&painted);
        }
        let count = |test: fn(&Counts) -> bool| hosts.iter().filter(|(_, counts)| test(counts)).count();
        let failed = count(|c| c.failed > 0);
        let unreachable = count(|c| c.unreachable > 0);
        let changed = count(|c| c.changed > 0);
        let unknown = count(|c| c.unknown > 0);
        let good = hosts.len() - failed - unreachable;
        let time = if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") };
        let summary = if self.options.plan {
            let total: u32 = hosts.iter().map(|(_, c)| c.changed).sum();
            let open = if unknown > 0 { ", with parts that are known after apply" } else { "" };
            format!(
                "{changed} of {} hosts would change, {total} changes in all{open}.  Nothing was changed.  ({time})",
                hosts.len()
            )
        } else {
            let plural = if good == 1 { "host" } else { "hosts" };
            format!(
                "Run {run}: {good} {plural} converged ({changed} changed), {failed} failed, {unreachable} unreachable, in {time}."
            )
        };
        self.say(&summary);
        if cancelled {
            self.say(&format!("It was cancelled. Go on with:  {}", self.options.again));
        } else if failed + unreachable > 0 && !self.options.plan {
            self.say(&format!("Go on with what is left:  {} --limit @{run}:failed", self.options.again));
        }
    }

    fn clear_status(&mut self) {
        if self.status_lines > 0 {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\x1b[{}A\x1b[J", self.status_lines).and_then(|()| out.flush());
            self.status_lines = 0;
        }
    }

    /// Draws the status block, at most five times a second.
    fn draw_status(&mut self) {
        if !self.options.live || self.drawn.elapsed() < Duration::from_millis(200) || self.running.is_empty() {
            return;
        }
        self.clear_status();
        self.drawn = Instant::now();
        let done = self.order.len().saturating_sub(self.running.len());
        let changed = self.counts.values().filter(|c| c.changed > 0).count();
        let failed = self.counts.values().filter(|c| c.failed > 0 || c.unreachable > 0).count();
        let elapsed = self.started.elapsed().as_secs();
        let mut lines =
            vec![format!("{done}/{} hosts done   changed {changed}   failed {failed}   {elapsed} s", self.order.len())];
        for (host, (task, since)) in self.running.iter().take(6) {
            lines.push(format!("  {host:<16} {}  {:.1} s", shorten(task, 60), since.elapsed().as_secs_f64()));
        }
        let text = self.redactor.redact(&lines.join("\n")).into_owned();
        let mut out = std::io::stderr().lock();
        let _ = writeln!(out, "{}", readable(&text)).and_then(|()| out.flush());
        self.status_lines = lines.len();
    }
}

impl Report for Human {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStarted { .. } | Event::HostReady { .. } => {}
            Event::PlayStarted { play, hosts, batch } => self.play_started(play, hosts, *batch),
            Event::Compiled { nodes, micros, .. } => {
                self.compiled.0 += nodes;
                self.compiled.1 = self.compiled.1.max(*micros);
            }
            Event::TaskStarted { host, name, .. } => {
                self.running.insert(host.clone(), (name.clone(), Instant::now()));
                self.draw_status();
            }
            Event::TaskRetried { host, name, left } => {
                if self.options.verbose > 0 {
                    let line = format!("  … {host}  {name}: not yet, {left} more tries");
                    self.say(&line);
                }
            }
            Event::TaskFinished { host, outcome } => {
                self.finished(host, outcome);
                self.draw_status();
            }
            Event::Unreachable { host, why } => {
                self.counts.entry(host.clone()).or_default().unreachable = 1;
                let style = self.options.style;
                let mut text = format!("{} {}  unreachable: {}", style.red("✗"), style.bold(host), why.message);
                if let Some(help) = &why.help {
                    text.push_str(&format!("\n    {} {help}", style.cyan("help:")));
                }
                self.say(&text);
            }
            Event::HostMessage { host, level, text } => {
                if level != "note" || self.options.verbose > 0 {
                    self.say(&format!("{level}: {host}: {text}"));
                }
            }
            Event::Asked { .. } | Event::Prompted { .. } => {
                self.tell();
                self.clear_status();
            }
            Event::PlayFinished { .. } => self.tell(),
            Event::RunFinished { run, hosts, seconds, cancelled, stats } => {
                self.run_finished(run, hosts, *seconds, *cancelled);
                if self.options.stats && !stats.is_empty() {
                    self.custom_stats(stats);
                }
            }
        }
    }
}

/// Says whether a live status block can be drawn.
pub fn can_draw() -> bool {
    std::io::stderr().is_terminal() && std::io::stdout().is_terminal() && std::env::var_os("CI").is_none()
}
