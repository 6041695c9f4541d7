//! The server under test: the real binary on a free port.

use super::Result;
use super::talk::Talk;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the first scan of the largest data folder may take.
const SCAN: Duration = Duration::from_secs(60);

/// A running server; killed when dropped.
pub struct Tablekeep {
    child: Child,
    addr: SocketAddr,
    /// Kept open: the server may print more.
    _stdout: BufReader<ChildStdout>,
}

impl Tablekeep {
    /// Starts it over `data` and waits until all folders have been read.
    pub fn start(data: &Path) -> Result<Self> {
        Self::start_with(data, &[])
    }

    /// The same with further flags.
    pub fn start_with(data: &Path, flags: &[&str]) -> Result<Self> {
        let mut child = spawn("127.0.0.1:0", data, flags, Stdio::piped())?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut server = Self {
            child,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            _stdout: BufReader::new(stdout),
        };
        server.addr = server.read_addr()?;
        server.wait_for_scan()?;
        Ok(server)
    }

    fn read_addr(&mut self) -> Result<SocketAddr> {
        let mut line = String::new();
        while self._stdout.read_line(&mut line)? > 0 {
            if let Some(addr) = line.trim_end().strip_prefix("listening on http://") {
                return Ok(addr.parse()?);
            }
            line.clear();
        }
        Err("tablekeep ended without saying where it listens".into())
    }

    fn wait_for_scan(&self) -> Result<()> {
        let mut talk = Talk::to(self.addr)?;
        let start = Instant::now();
        while start.elapsed() < SCAN {
            let health = talk.ask("GET", "/health", "")?.body;
            let health: serde_json::Value = serde_json::from_slice(&health)?;
            if health["scanning"] == false {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("the first scan takes too long".into())
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Tablekeep {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Only started, for measuring how long that takes; killed when dropped.
pub struct Started(Child);

impl Started {
    /// Starts the server at `addr` over `data`.
    pub fn new(addr: SocketAddr, data: &Path) -> Result<Self> {
        Ok(Self(spawn(&addr.to_string(), data, &[], Stdio::null())?))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(listen: &str, data: &Path, flags: &[&str], stdout: Stdio) -> Result<Child> {
    let child = Command::new(env!("CARGO_BIN_EXE_tablekeep"))
        .args(["--listen", listen, "--loopback-gm", "true", "--qr", "false"])
        .arg("--data-dir")
        .arg(data)
        .args(flags)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()?;
    Ok(child)
}

/// An address that was free a moment ago.
pub fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
