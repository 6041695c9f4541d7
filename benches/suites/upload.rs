//! Uploads: CPU time for each byte, and memory that does not grow with the file.

use crate::support::contest::Side;
use crate::support::crowd::Tally;
use crate::support::folders::{empty, picture};
use crate::support::proc::{forget_peak, peak_mib, resident_mib};
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::talk::Talk;
use crate::support::{Result, median};

const UPLOADS: usize = 3;
const FILE_BYTES: usize = 200_000_000;
/// What is sent again and again until the file is full.
const PIECE: usize = 1 << 20;
const BOUNDARY: &str = "----table-upload-7f3a";

pub fn run(wanted: &Wanted, report: &mut Report) -> Result<()> {
    if !wanted.has("upload") {
        return Ok(());
    }
    let data = empty()?;
    let server = Tablekeep::start(data.path())?;
    let side = Side::ours(&server);
    let mut talk = Talk::to(server.addr())?;
    forget_peak(server.pid())?;
    let before = resident_mib(server.pid())?;
    let mut cpu = Vec::new();
    for _ in 0..UPLOADS {
        let (seconds, tally) = side.spent(|| upload(&mut talk))?;
        cpu.push(seconds * 1e9 / tally.bytes as f64);
    }
    let rise = peak_mib(server.pid())? - before;
    report.add(Row::alone(
        "upload of 200 MB, CPU s/GB",
        median(cpu),
        Goal::AtMost(0.7),
    ));
    report.add(Row::alone(
        "upload of 200 MB, peak RSS rise, MiB",
        rise,
        Goal::AtMost(16.0),
    ));
    Ok(())
}

/// Sends a map as a browser's form does; it replaces the one before.
fn upload(talk: &mut Talk) -> Result<Tally> {
    let before = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"large.png\"\r\n\
         Content-Type: image/png\r\n\r\n"
    );
    let behind = format!("\r\n--{BOUNDARY}--\r\n");
    let kind = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n");
    let length = before.len() + FILE_BYTES + behind.len();
    talk.send_head("POST", "/maps/upload", &kind, length)?;
    talk.send(before.as_bytes())?;
    let piece = picture(PIECE);
    let mut left = FILE_BYTES;
    while left > 0 {
        let now = left.min(PIECE);
        talk.send(&piece[..now])?;
        left -= now;
    }
    talk.send(behind.as_bytes())?;
    let answer = talk.answer()?;
    if answer.head.status != 200 {
        let body = String::from_utf8_lossy(&answer.body);
        return Err(format!("upload: {} {body}", answer.head.status).into());
    }
    Ok(Tally {
        requests: 1,
        bytes: FILE_BYTES as u64,
    })
}
