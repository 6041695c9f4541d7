//! The real binary on a free port, and a client that sends exactly what it is told.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::{NamedTempFile, TempDir};
use tungstenite::WebSocket;
use tungstenite::handshake::client::Response;
use tungstenite::protocol::Message;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A picture of 1 × 1 pixels.
pub const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0,
    0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 13, b'I', b'D', b'A', b'T',
    0x78, 0x9c, 0x63, 0, 1, 0, 0, 5, 0, 1, 0x0d, 0x0a, 0x2d, 0xb4, 0, 0, 0, 0, b'I', b'E', b'N',
    b'D', 0xae, 0x42, 0x60, 0x82,
];

/// A second of silence: WAV, 8 kHz, 8 bit, mono.
pub fn wav(seconds: u32) -> Vec<u8> {
    let bytes = 8000 * seconds;
    let mut wav = Vec::from(*b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8000u32.to_le_bytes());
    wav.extend(8000u32.to_le_bytes());
    wav.extend(b"\x01\0\x08\0data");
    wav.extend(bytes.to_le_bytes());
    wav.resize(wav.len() + bytes as usize, 128);
    wav
}

/// A running server; killed when dropped.
pub struct TestServer {
    pub addr: SocketAddr,
    data: Option<TempDir>,
    folder: PathBuf,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: NamedTempFile,
}

/// A server with an empty data folder of its own, whose GM is the test.
pub fn start() -> TestServer {
    start_with(&[])
}

/// The same with further flags.
pub fn start_with(flags: &[&str]) -> TestServer {
    let data = tempfile::tempdir().unwrap();
    let mut server = start_in(data.path(), flags);
    server.data = Some(data);
    server
}

/// The same with environment variables.
pub fn start_with_vars(vars: &[(&str, &str)], flags: &[&str]) -> TestServer {
    let data = tempfile::tempdir().unwrap();
    let mut server = spawn(data.path(), vars, flags);
    server.data = Some(data);
    server
}

/// The same in a folder that the test has filled and keeps.
pub fn start_in(folder: &Path, flags: &[&str]) -> TestServer {
    spawn(folder, &[], flags)
}

/// The same by way of another program, such as `nohup`.
pub fn start_through(words: &[&str], folder: &Path) -> TestServer {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg(env!("CARGO_BIN_EXE_tablekeep"));
    launch(command, folder, &[], &[])
}

/// The same, when nobody reads what it logs.
pub fn start_unheard(folder: &Path) -> TestServer {
    let command = Command::new(env!("CARGO_BIN_EXE_tablekeep"));
    let (_, stderr) = std::io::pipe().unwrap();
    let log = NamedTempFile::new().unwrap();
    run(command, folder, &[], log, stderr.into())
}

/// The same for a server that files' permissions count for, although the tests are root's.
#[cfg(target_os = "linux")]
pub fn start_bounded_in(folder: &Path) -> TestServer {
    launch(bounded(), folder, &[], &[])
}

/// The program without root's right to read and write everything.
#[cfg(target_os = "linux")]
pub fn bounded() -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(env!("CARGO_BIN_EXE_tablekeep"));
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--bounding-set=-dac_override,-dac_read_search",
        env!("CARGO_BIN_EXE_tablekeep"),
    ]);
    command
}

fn spawn(folder: &Path, vars: &[(&str, &str)], flags: &[&str]) -> TestServer {
    let command = Command::new(env!("CARGO_BIN_EXE_tablekeep"));
    launch(command, folder, vars, flags)
}

fn launch(
    mut command: Command,
    folder: &Path,
    vars: &[(&str, &str)],
    flags: &[&str],
) -> TestServer {
    command.envs(vars.iter().copied());
    let log = NamedTempFile::new().unwrap();
    let stderr = log.reopen().unwrap().into();
    run(command, folder, flags, log, stderr)
}

fn run(
    mut command: Command,
    folder: &Path,
    flags: &[&str],
    log: NamedTempFile,
    stderr: Stdio,
) -> TestServer {
    for (name, value) in [
        ("--listen", "127.0.0.1:0"),
        ("--qr", "false"),
        ("--workers", "2"),
        ("--loopback-gm", "true"),
    ] {
        if !flags.contains(&name) {
            command.args([name, value]);
        }
    }
    command.arg("--data-dir").arg(folder).args(flags);
    command.stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let addr = line.trim().strip_prefix("listening on http://");
    let mut addr: SocketAddr = addr
        .expect("the server prints its address")
        .parse()
        .unwrap();
    if addr.ip().is_unspecified() {
        addr.set_ip([127, 0, 0, 1].into());
    }
    TestServer {
        addr,
        data: None,
        folder: folder.to_owned(),
        child,
        stdout,
        stderr: log,
    }
}

impl TestServer {
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// Writes a file below the data folder, as a person would.
    pub fn put_file(&self, below: &str, bytes: &[u8]) {
        write_file(&self.folder, below, bytes);
    }

    pub fn read_json(&self, below: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(below)).unwrap()).unwrap()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, &body.to_string())
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.json("PUT", path, &body.to_string())
    }

    pub fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(
            method,
            path,
            &[("content-type", "application/json")],
            body.as_bytes(),
        )
    }

    pub fn upload(&self, path: &str, form: &Form) -> Answer {
        self.send(
            "POST",
            path,
            &[("content-type", Form::CONTENT_TYPE)],
            &form.bytes(),
        )
    }

    /// Uploads a map, which must work.
    pub fn upload_map(&self, folder: &str, name: &str) {
        let answer = self.upload(
            "/maps/upload",
            &Form::new().text("folder", folder).file(name, PNG),
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Sends the bytes as they are: URL libraries would tidy hostile paths.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        send_to(self.addr, method, path, headers, body)
    }

    /// Waits until `condition` is true of what `GET path` answers.
    pub fn wait_for(&self, path: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let answer = self.get(path).value();
            if condition(&answer) {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "never came true: {answer}");
            std::thread::yield_now();
        }
    }

    pub fn websocket(&self) -> Socket {
        self.websocket_with(&[]).unwrap()
    }

    pub fn websocket_with(&self, headers: &[(&'static str, &str)]) -> tungstenite::Result<Socket> {
        self.websocket_at("/ws", headers)
    }

    pub fn websocket_at(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> tungstenite::Result<Socket> {
        let stream = TcpStream::connect(self.addr).unwrap();
        Socket::over(stream, self.addr, path, headers)
    }

    /// Where it listens for the clients of one system (`--speak`); in the order of the settings.
    pub fn listener(&mut self, name: &str) -> SocketAddr {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let addr = line
            .trim()
            .strip_prefix(&format!("listening ({name}) on http://"));
        addr.unwrap_or_else(|| panic!("not where {name} listens: {line}"))
            .parse()
            .unwrap()
    }

    /// Stops the server as an operator would and returns its exit code.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> i32 {
        self.signal("TERM");
        self.exit_code()
    }

    /// Sends a signal, such as `HUP`.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &id]).status();
        assert!(kill.unwrap().success());
    }

    /// How it has ended, once it has; -1 when a signal has ended it.
    pub fn exit_code(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Stops the server as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The process.
    #[cfg(target_os = "linux")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Memory in use, in bytes.
    #[cfg(target_os = "linux")]
    pub fn resident_bytes(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// The banner and the log, as far as they are written.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.stderr.path()).unwrap()
    }

    /// Waits until the log has these words.
    pub fn wait_for_log(&self, words: &str) -> String {
        let start = Instant::now();
        loop {
            let log = self.log();
            if log.contains(words) {
                return log;
            }
            assert!(start.elapsed() < PATIENCE, "{words} never came: {log}");
            std::thread::yield_now();
        }
    }

    /// What else the server printed, once it has ended.
    pub fn rest_of_output(&mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn write_file(folder: &Path, below: &str, bytes: &[u8]) {
    let path = folder.join(below);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

pub fn send_to(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head.push_str(&format!("host: {addr}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    raw(addr, &[head.as_bytes(), body].concat())
}

/// A WebSocket on this connection, and the answer that opened it.
pub fn websocket_on(
    stream: TcpStream,
    url: &str,
    headers: &[(&'static str, &str)],
) -> tungstenite::Result<(Socket, Response)> {
    use tungstenite::client::IntoClientRequest;
    let mut request = url.into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let (socket, answer) = tungstenite::client(request, stream).map_err(|error| match error {
        tungstenite::HandshakeError::Failure(error) => error,
        tungstenite::HandshakeError::Interrupted(_) => unreachable!("the socket blocks"),
    })?;
    Ok((Socket(socket), answer))
}

/// Sends bytes and reads until the server closes.
pub fn raw(addr: SocketAddr, bytes: &[u8]) -> Answer {
    exchange(TcpStream::connect(addr).unwrap(), bytes)
}

/// The same from another address of this machine, such as 127.0.0.2.
#[cfg(target_os = "linux")]
pub fn raw_from(ip: &str, addr: SocketAddr, bytes: &[u8]) -> Answer {
    exchange(connect_from(ip, addr), bytes)
}

/// A connection from another address of this machine.
#[cfg(target_os = "linux")]
pub fn connect_from(ip: &str, addr: SocketAddr) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let ip: std::net::IpAddr = ip.parse().unwrap();
    socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
    socket.connect(&addr.into()).unwrap();
    socket.into()
}

fn exchange(stream: TcpStream, bytes: &[u8]) -> Answer {
    exchange_within(PATIENCE, stream, bytes)
}

/// Sends bytes and reads until the server closes, which may take that long.
pub fn exchange_within(patience: Duration, mut stream: TcpStream, bytes: &[u8]) -> Answer {
    stream.set_read_timeout(Some(patience)).unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Answer::parse(&answer)
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let split = bytes.windows(4).position(|w| w == b"\r\n\r\n");
        let split =
            split.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: bytes[split + 4..].to_vec(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// What a browser sends back as `Cookie`; deleted ones are left out.
    pub fn cookies(&self) -> String {
        let lines = self.headers.iter().filter(|(n, _)| n == "set-cookie");
        let kept = lines.filter(|(_, line)| !line.contains("Max-Age=0"));
        let pairs: Vec<_> = kept
            .filter_map(|(_, line)| line.split(';').next())
            .collect();
        pairs.join("; ")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Status and JSON body at once, for whole comparisons.
    pub fn whole(&self) -> (u16, Value) {
        (self.status, self.value())
    }
}

/// A multipart form as browsers write it.
#[derive(Default)]
pub struct Form(Vec<u8>);

impl Form {
    pub const CONTENT_TYPE: &str = "multipart/form-data; boundary=XBOUNDARYX";

    pub fn new() -> Self {
        Self::default()
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value.as_bytes())
    }

    pub fn file(self, name: &str, bytes: &[u8]) -> Self {
        let name = name.replace('"', "%22");
        self.part(
            &format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: image/png"),
            bytes,
        )
    }

    pub fn part(mut self, disposition: &str, bytes: &[u8]) -> Self {
        self.0.extend(
            format!("--XBOUNDARYX\r\nContent-Disposition: form-data; {disposition}\r\n\r\n")
                .bytes(),
        );
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        [&self.0[..], b"--XBOUNDARYX--\r\n"].concat()
    }
}

/// A WebSocket that blocks, with patience.
pub struct Socket(pub WebSocket<TcpStream>);

impl Socket {
    /// Shakes hands over a connection that is there.
    pub fn over(
        stream: TcpStream,
        addr: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> tungstenite::Result<Self> {
        websocket_on(stream, &format!("ws://{addr}{path}"), headers).map(|(socket, _)| socket)
    }

    pub fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// The next text message.
    pub fn hear(&mut self) -> String {
        let start = Instant::now();
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Ping(_) | Message::Pong(_) => {
                    assert!(start.elapsed() < PATIENCE, "nothing was said");
                }
                other => panic!("expected text, got {other:?}"),
            }
        }
    }

    /// The code with which the server closes.
    pub fn close_code(&mut self) -> u16 {
        loop {
            match self.0.read() {
                Ok(Message::Close(Some(frame))) => return frame.code.into(),
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        }
    }

    /// Checks that nothing has come, by asking for something that comes last.
    pub fn expect_silence(&mut self) {
        self.0
            .send(Message::Ping(b"done".as_slice().into()))
            .unwrap();
        loop {
            match self.0.read().unwrap() {
                Message::Pong(payload) if &payload[..] == b"done" => return,
                Message::Pong(_) | Message::Ping(_) => {}
                other => panic!("expected nothing, got {other:?}"),
            }
        }
    }
}
