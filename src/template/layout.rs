//! How the text of a template lies in the file it was written in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::source::Origin;

/// Where the lines of a text stand, and where it does not follow its file letter by letter: behind escapes, and where lines
/// were folded into one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Columns by which every line after the first is indented in its file.
    indent: u32,
    /// From this byte of the text on, it goes on at this line and column. In order.
    turns: Arc<Vec<Turn>>,
}

/// A byte of a text, and its line and column.
type Turn = (u32, u32, u32);

impl Layout {
    /// The layout of a text that starts at `origin`, of all places in it that may not follow from what is before them.
    pub fn new(text: &str, origin: &Origin, indent: u32, turns: impl IntoIterator<Item = Turn>) -> Self {
        let mut kept = Vec::new();
        let mut last = (0, origin.line, origin.col);
        for turn in turns {
            if advance(text, last, turn.0, indent) != turn {
                kept.push(turn);
            }
            last = turn;
        }
        Self { indent, turns: Arc::new(kept) }
    }

    /// The place of a byte of the text.
    pub fn place(&self, origin: &Origin, text: &str, offset: usize) -> Origin {
        let (_, line, col) = advance(text, self.before(origin, offset as u32), offset as u32, self.indent);
        Origin { file: origin.file.clone(), line, col }
    }

    /// The last turn that is not behind a byte.
    fn before(&self, origin: &Origin, offset: u32) -> Turn {
        let behind = self.turns.partition_point(|(at, ..)| *at <= offset);
        behind.checked_sub(1).and_then(|last| self.turns.get(last)).copied().unwrap_or((0, origin.line, origin.col))
    }

    /// The layout of what begins at a byte of the text.
    #[must_use]
    pub fn from(&self, start: usize) -> Self {
        let behind = self.turns.iter().filter(|(at, ..)| *at as usize > start);
        let turns = behind.map(|(at, line, col)| (at - start as u32, *line, *col)).collect();
        Self { indent: self.indent, turns: Arc::new(turns) }
    }

    /// The layout of a text made of parts of this one, each with the byte it begins at in the new one.
    #[must_use]
    pub fn spliced(&self, origin: &Origin, text: &str, parts: &[(usize, std::ops::Range<usize>)]) -> Self {
        let mut turns = Vec::new();
        for (at, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
            let moved = |was: u32| *at as u32 + (was - part.start as u32);
            let start = self.place(origin, text, part.start);
            turns.push((*at as u32, start.line, start.col));
            let inside = self.turns.iter().filter(|(was, ..)| part.contains(&(*was as usize)));
            turns
                .extend(inside.filter(|(was, ..)| *was as usize > part.start).map(|(was, l, c)| (moved(*was), *l, *c)));
        }
        Self { indent: self.indent, turns: Arc::new(turns) }
    }

    /// The layout of the text after a byte was doubled at each of these offsets of it.
    #[must_use]
    pub fn doubled(&self, origin: &Origin, text: &str, doubled: &[usize]) -> Self {
        if doubled.is_empty() {
            return self.clone();
        }
        let mut last = (0, origin.line, origin.col);
        let behind = doubled.iter().map(|at| {
            let behind = *at as u32 + 1;
            last = advance(text, self.before(origin, behind).max(last), behind, self.indent);
            last
        });
        let mut turns: Vec<Turn> = self.turns.iter().copied().chain(behind).collect();
        turns.sort_unstable();
        turns.dedup_by_key(|(at, ..)| *at);
        for (at, ..) in &mut turns {
            *at += doubled.partition_point(|doubled| *doubled < *at as usize) as u32;
        }
        Self { indent: self.indent, turns: Arc::new(turns) }
    }
}

/// Moves on to another byte, along the lines of the text.
fn advance(text: &str, (at, line, col): Turn, to: u32, indent: u32) -> Turn {
    let to = (to as usize).min(text.len());
    let between = text.get(at as usize..to).unwrap_or("");
    let last = between.rsplit('\n').next().unwrap_or("").chars().count() as u32;
    let down = between.matches('\n').count() as u32;
    let col = if down == 0 { col + last } else { indent + last + 1 };
    (to as u32, line + down, col)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin { file: Arc::from("a.yml"), line: 3, col: 7 }
    }

    fn at(layout: &Layout, text: &str, offset: usize) -> (u32, u32) {
        let place = layout.place(&origin(), text, offset);
        (place.line, place.col)
    }

    #[test]
    fn only_what_does_not_follow_is_kept() {
        let text = "one two\nthree";
        let layout = Layout::new(text, &origin(), 6, [(4, 4, 7), (8, 5, 7)]);
        assert_eq!(layout.turns.as_ref(), &[(4, 4, 7)]);
        assert_eq!((at(&layout, text, 2), at(&layout, text, 5), at(&layout, text, 9)), ((3, 9), (4, 8), (5, 8)));
        assert_eq!(at(&layout.from(4), &text[4..], 1), (3, 8));
        assert_eq!(at(&layout.from(2), &text[2..], 3), (4, 8));
    }

    #[test]
    fn many_lines_and_escapes_take_no_square_of_time() {
        let text = "{{ '\\\\' }}\n".repeat(50_000);
        let doubled: Vec<usize> = text.match_indices('\\').map(|(at, _)| at).collect();
        let turns = text.match_indices('\n').map(|(at, _)| at as u32 + 1).zip(4..).map(|(at, line)| (at, line, 7));
        let layout = Layout::new(&text, &origin(), 6, turns);
        assert!(layout.turns.is_empty());
        assert_eq!(layout.doubled(&origin(), &text, &doubled).turns.len(), doubled.len());
    }

    #[test]
    fn what_was_doubled_stands_where_it_did() {
        let (text, doubled) = (r"'\1' x", r"'\\1' x");
        let layout = Layout::default().doubled(&origin(), text, &[1]);
        for letter in ['1', 'x'] {
            let (was, is) = (text.find(letter).unwrap(), doubled.find(letter).unwrap());
            assert_eq!(at(&layout, doubled, is), at(&Layout::default(), text, was));
        }
    }
}
