//! The rows, their goals, and how they are printed.

use super::Result;
use serde_json::{Value, json};
use std::fmt::Write;

/// Which rows to measure: all, or those whose key contains one of the words.
pub struct Wanted(Vec<String>);

impl Wanted {
    /// From the command line. Flags are left out: cargo adds `--bench` of its own.
    ///
    /// Errors: a word that chooses nothing, because a run of no rows looks like a good one.
    pub fn parse(args: &[String], keys: &[&str]) -> Result<Self> {
        let words: Vec<_> = args
            .iter()
            .filter(|arg| !arg.starts_with('-'))
            .map(|word| word.to_lowercase())
            .collect();
        let nothing = |word: &&String| keys.iter().all(|key| !key.contains(word.as_str()));
        if let Some(word) = words.iter().find(nothing) {
            return Err(format!("no row is called '{word}'; there are {}", keys.join(", ")).into());
        }
        Ok(Self(words))
    }

    /// Whether the row with this key is wanted.
    pub fn has(&self, key: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|word| key.contains(word.as_str()))
    }
}

/// What a figure is held against.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At most so many times what the program beside needs in the same run.
    Times(f64),
    /// At most so much, in the row's unit.
    AtMost(f64),
    /// Either of the two: at most so much, or at most so many times what stands beside.
    AtMostOrTimes(f64, f64),
    /// Measured to be known.
    None,
}

/// One measurement.
pub struct Row {
    /// What was done, and the figure's unit.
    pub name: &'static str,
    /// Medians.
    pub ours: f64,
    /// What the program beside needs; absent where it has nothing like it.
    pub beside: Option<f64>,
    /// See [`Goal`].
    pub goal: Goal,
}

impl Row {
    /// A figure that stands alone.
    pub fn alone(name: &'static str, ours: f64, goal: Goal) -> Self {
        Self {
            name,
            ours,
            beside: None,
            goal,
        }
    }

    fn ratio(&self) -> Option<f64> {
        self.beside.map(|beside| self.ours / beside)
    }

    fn verdict(&self) -> &'static str {
        let met = match self.goal {
            Goal::Times(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::AtMost(most) => Some(self.ours <= most),
            Goal::AtMostOrTimes(most, times) => {
                Some(self.ours <= most || self.ratio().is_some_and(|ratio| ratio <= times))
            }
            Goal::None => None,
        };
        match met {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        }
    }

    fn goal_text(&self, beside: &str) -> String {
        match self.goal {
            Goal::Times(most) => format!("<= {most:.2} x {beside}"),
            Goal::AtMost(most) => format!("<= {most}"),
            Goal::AtMostOrTimes(most, times) => format!("<= {most} or {times} x"),
            Goal::None => String::new(),
        }
    }
}

/// All rows of a run.
pub struct Report {
    /// The program beside.
    beside: &'static str,
    rows: Vec<Row>,
}

impl Report {
    /// Without rows. `beside` is what the figures are held against.
    pub fn beside(beside: &'static str) -> Self {
        let rows = Vec::new();
        Self { beside, rows }
    }

    /// Adds a row, and shows on standard error that the run gets on.
    pub fn add(&mut self, row: Row) {
        eprintln!("  {}: {}", row.name, figure(row.ours));
        self.rows.push(row);
    }

    /// Aligned columns, one line for each row.
    pub fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max();
        let width = width.unwrap_or_default();
        let mut text = String::new();
        let mut line = |cells: [&str; 6]| {
            let [name, ours, beside, ratio, goal, verdict] = cells;
            let line = format!(
                "{name:<width$}  {ours:>9}  {beside:>9}  {ratio:>6}  {goal:<15}  {verdict}"
            );
            let _ = writeln!(text, "{}", line.trim_end());
        };
        line(["", "ours", self.beside, "ratio", "goal", "verdict"]);
        for row in &self.rows {
            line([
                row.name,
                &figure(row.ours),
                &row.beside.map(figure).unwrap_or_default(),
                &row.ratio().map(|r| format!("{r:.2}")).unwrap_or_default(),
                &row.goal_text(self.beside),
                row.verdict(),
            ]);
        }
        text
    }

    /// The same, a list of objects.
    pub fn json(&self) -> Value {
        self.rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "ours": row.ours,
                    (self.beside): row.beside,
                    "ratio": row.ratio(),
                    "goal": row.goal_text(self.beside),
                    "verdict": row.verdict(),
                })
            })
            .collect()
    }
}

/// Three digits that mean something.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size < 10.0 => format!("{value:.3}"),
        size if size < 100.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}
