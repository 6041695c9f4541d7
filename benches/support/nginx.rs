//! The yardstick: nginx over the same files, tuned as one would for static files.
//!
//! On two ports, with and without `tcp_nopush`, because neither is the better for all: with it small
//! files cost less, but every range that does not begin on a memory page stands still for 40 ms.

use super::tablekeep::free_addr;
use super::{Result, proc};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};
use tempfile::TempDir;

const MISSING: &str = "nginx is not on the PATH; install it (apt-get install nginx-light), or \
    choose rows that need none (cargo bench --bench files -- json upload list rename cold)";

const WORKERS: usize = 2;
const START: Duration = Duration::from_secs(5);
const STOP: Duration = Duration::from_secs(3);

/// A running nginx; stopped when dropped.
pub struct Nginx {
    master: Child,
    addrs: [SocketAddr; 2],
    pids: Vec<u32>,
    prefix: TempDir,
}

impl Nginx {
    /// Serves `data`'s maps and sounds under the paths that the table server has for them.
    pub fn start(data: &Path) -> Result<Self> {
        let prefix = tempfile::tempdir()?;
        let addrs = [free_addr()?, free_addr()?];
        fs::write(
            config_file(prefix.path()),
            config(prefix.path(), data, addrs)?,
        )?;
        let master = command(prefix.path()).spawn();
        let mut nginx = Self {
            master: master.map_err(|_| MISSING)?,
            addrs,
            pids: Vec::new(),
            prefix,
        };
        nginx.wait_for_workers()?;
        Ok(nginx)
    }

    fn wait_for_workers(&mut self) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < START {
            if let Some(status) = self.master.try_wait()? {
                return Err(format!("nginx ended at once ({status})").into());
            }
            let workers = proc::children(self.master.id())?;
            if workers.len() == WORKERS && TcpStream::connect(self.addrs[0]).is_ok() {
                self.pids = workers;
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("nginx does not start".into())
    }

    /// Where it listens: with `tcp_nopush`, and without.
    pub fn addrs(&self) -> [SocketAddr; 2] {
        self.addrs
    }

    /// Its workers, which do all the work.
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < STOP {
            if let Ok(Some(status)) = self.master.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killing the master would leave its workers behind, so it is asked to stop them.
        let _ = command(self.prefix.path()).args(["-s", "stop"]).status();
        if self.wait().is_none() {
            let _ = self.master.kill();
            let _ = self.master.wait();
        }
    }
}

/// Ends with the sentence that helps when nginx is not there, before anything slow is done.
pub fn check_installed() -> Result<()> {
    let version = Command::new("nginx")
        .arg("-v")
        .stderr(Stdio::null())
        .status();
    match version {
        Ok(status) if status.success() => Ok(()),
        _ => Err(MISSING.into()),
    }
}

fn command(prefix: &Path) -> Command {
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(prefix)
        .arg("-e")
        .arg(prefix.join("error.log"))
        .arg("-c")
        .arg(config_file(prefix))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn config_file(prefix: &Path) -> PathBuf {
    prefix.join("nginx.conf")
}

fn config(prefix: &Path, data: &Path, [pushless, pushing]: [SocketAddr; 2]) -> Result<String> {
    let (prefix, data) = (prefix.display(), data.display());
    let user = if is_root()? { "user root root;" } else { "" };
    let server = |addr: SocketAddr, nopush: &str| {
        format!(
            r#"
    server {{
        listen {addr} backlog=4096;
        tcp_nopush {nopush};
        location /maps/file/ {{ alias "{data}/maps/"; }}
        location /audio/file/ {{ alias "{data}/sounds/"; }}
    }}"#
        )
    };
    let servers = server(pushless, "on") + &server(pushing, "off");
    Ok(format!(
        r#"{user}
worker_processes {WORKERS};
daemon off;
pid "{prefix}/nginx.pid";
events {{ worker_connections 1024; }}
http {{
    types {{ image/png png; audio/wav wav; }}
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_timeout 75;
    keepalive_requests 1000000;
    client_body_temp_path "{prefix}/body";
    proxy_temp_path "{prefix}/proxy";
    fastcgi_temp_path "{prefix}/fastcgi";
    uwsgi_temp_path "{prefix}/uwsgi";
    scgi_temp_path "{prefix}/scgi";
{servers}
}}
"#
    ))
}

/// Workers of a master that runs as root become `nobody` by default, who may not look into the
/// temporary folders of root.
#[cfg(unix)]
fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> Result<bool> {
    Ok(false)
}
