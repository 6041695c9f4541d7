//! What the measurements stand on: clients, servers, test data, the process table, the report.

pub mod contest;
pub mod crowd;
pub mod folders;
pub mod head;
pub mod nginx;
pub mod proc;
pub mod report;
pub mod tablekeep;
pub mod talk;

/// Any error ends the run with its sentence.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The middle one; 0 when there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
