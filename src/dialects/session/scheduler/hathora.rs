//! Rooms in Hathora's cloud, over its REST API.

use super::{Host, SchedError, Scheduler};
use crate::access;
use crate::config::{Secret, Sessions};
use crate::dialects::session::RoomId;
use crate::error::Error;
use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

const API: &str = "https://api.hathora.dev";
const REGION: &str = "Chicago";
const JSON: &str = "application/json";
/// What may stand in a path as it is (RFC 3986, section 2.3).
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Longer answers are none of the API's.
const MAX_ANSWER: usize = 64 << 10;
/// Calls under way at the same time; further ones wait, as long as they have.
const CALLS: usize = 64;
/// Rooms of which is remembered where they are.
const REMEMBERED: usize = 10_000;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// To connect.
    pub connect: Duration,
    /// One call.
    pub request: Duration,
    /// Making or finding a room, with all its calls.
    pub whole: Duration,
    /// Between two looks at a room that is starting, a fifth more or less.
    pub poll: Duration,
    /// Before the second try after a failure; doubled for each further one, up to `longest_pause`.
    pub pause: Duration,
    /// See `pause`.
    pub longest_pause: Duration,
    /// How long a room that was found is taken to be where it was.
    pub remembered: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            request: Duration::from_secs(10),
            whole: Duration::from_secs(15),
            poll: Duration::from_millis(250),
            pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(2),
            remembered: Duration::from_secs(5),
        }
    }
}

type Answer = Result<Option<Host>, SchedError>;
type Looking = BoxFuture<'static, Answer>;

/// The scheduler of the cloud.
pub struct Hathora {
    api: Arc<Api>,
    found: Arc<Mutex<HashMap<RoomId, (Instant, Host)>>>,
    /// Lookups under way, for others who ask for the same.
    looking: Mutex<HashMap<RoomId, WeakShared<Looking>>>,
}

/// The calls.
struct Api {
    /// Made when first needed: it reads the system's certificates.
    client: OnceLock<Option<Client>>,
    /// `{base}/rooms/v2/{app}`.
    rooms: String,
    token: Secret,
    region: String,
    timing: Timing,
    calls: Semaphore,
    /// What the log was told last of why it refuses us.
    told: AtomicU16,
}

/// An answer that was not the one hoped for.
enum Failure {
    /// Try again, not before so long.
    Passing(SchedError, Option<Duration>),
    /// There is no such room.
    NoRoom,
    /// It would fail again.
    Lasting,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    room_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionInfo {
    #[serde(default)]
    exposed_port: Option<ExposedPort>,
}

#[derive(Deserialize)]
struct ExposedPort {
    host: String,
    port: u16,
}

impl Hathora {
    /// With settings that name an application and a token. Errors: a sentence about the address.
    pub fn new(settings: &Sessions, timing: Timing) -> Result<Self, Error> {
        let missing = || Error::Invalid("the hathora scheduler needs an id and a token".into());
        let app = settings.hathora_app_id.as_ref().ok_or_else(missing)?;
        let token = settings.hathora_token.clone().ok_or_else(missing)?;
        let base = settings.hathora_api_url.as_deref().unwrap_or(API);
        let base = base.trim_end_matches('/');
        let parsed = reqwest::Url::parse(base).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
        });
        if parsed.is_none() {
            return Err(Error::Invalid(
                "HATHORA_API_URL (--hathora-api-url) cannot be used: expected an address such as https://api.hathora.dev".into(),
            ));
        }
        let app = utf8_percent_encode(app, KEPT);
        let region = settings.hathora_region.as_deref().unwrap_or(REGION);
        Ok(Self {
            api: Arc::new(Api {
                client: OnceLock::new(),
                rooms: format!("{base}/rooms/v2/{app}"),
                token,
                region: region.to_owned(),
                timing,
                calls: Semaphore::new(CALLS),
                told: AtomicU16::new(0),
            }),
            found: Arc::default(),
            looking: Mutex::default(),
        })
    }

    /// Joins a lookup of this room that is under way, or begins one.
    fn look(&self, id: &RoomId) -> Shared<Looking> {
        let mut looking = lock(&self.looking);
        if let Some(shared) = looking.get(id).and_then(WeakShared::upgrade)
            && shared.peek().is_none()
        {
            return shared;
        }
        looking.retain(|_, weak| weak.upgrade().is_some());
        let (api, found, room) = (self.api.clone(), self.found.clone(), id.clone());
        let look = async move {
            let answer = api.find(&room).await;
            if let Ok(Some(host)) = &answer {
                let (mut found, now) = (lock(&found), Instant::now());
                if found.len() >= REMEMBERED {
                    found.retain(|_, (at, _)| now - *at < api.timing.remembered);
                }
                if found.len() < REMEMBERED {
                    found.insert(room, (now, host.clone()));
                }
            }
            answer
        };
        let shared = look.boxed().shared();
        if let Some(weak) = shared.downgrade() {
            looking.insert(id.clone(), weak);
        }
        shared
    }

    fn remembered(&self, id: &RoomId) -> Option<Host> {
        let found = lock(&self.found);
        let (at, host) = found.get(id)?;
        (at.elapsed() < self.api.timing.remembered).then(|| host.clone())
    }
}

// Locks for small maps, held for a look and never across an await.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scheduler for Hathora {
    fn create_room(&self, _: access::Client) -> BoxFuture<'_, Result<RoomId, SchedError>> {
        self.api.create().boxed()
    }

    fn room_host<'a>(&'a self, id: &'a RoomId) -> BoxFuture<'a, Answer> {
        async {
            match self.remembered(id) {
                Some(host) => Ok(Some(host)),
                None => self.look(id).await,
            }
        }
        .boxed()
    }
}

impl Api {
    async fn create(&self) -> Result<RoomId, SchedError> {
        let url = format!("{}/create", self.rooms);
        let made = self.persist(|| async {
            let body = json!({ "region": self.region }).to_string();
            let created: Created = self.call(Method::POST, &url, Some(body)).await?;
            // An id that no client could use is as good as none.
            RoomId::parse(&created.room_id)
                .map(Some)
                .ok_or(Failure::Lasting)
        });
        made.await?.ok_or(SchedError::Unavailable)
    }

    async fn find(&self, id: &RoomId) -> Answer {
        let id = utf8_percent_encode(id.as_str(), KEPT);
        let url = format!("{}/connectioninfo/{id}", self.rooms);
        self.persist(|| async {
            loop {
                let info: ConnectionInfo = self.call(Method::GET, &url, None).await?;
                if let Some(ExposedPort { host, port }) = info.exposed_port {
                    return Ok(Some(format!("{host}:{port}")));
                }
                // It is starting, or in a state that nobody knew when this was written.
                sleep(jittered(self.timing.poll)).await;
            }
        })
        .await
    }

    /// Tries until it works, fails for good, or has taken too long.
    async fn persist<T, F>(&self, attempt: impl Fn() -> F) -> Result<Option<T>, SchedError>
    where
        F: Future<Output = Result<Option<T>, Failure>>,
    {
        let end = Instant::now() + self.timing.whole;
        let mut pause = self.timing.pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let outcome = timeout(left, attempt()).await;
            let (error, wait) = match outcome {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(Failure::NoRoom)) => return Ok(None),
                Ok(Err(Failure::Lasting)) | Err(_) => return Err(SchedError::Unavailable),
                Ok(Err(Failure::Passing(error, wait))) => (error, wait),
            };
            let wait = wait.unwrap_or_default().max(jittered(pause));
            if Instant::now() + wait >= end {
                return Err(error);
            }
            sleep(wait).await;
            pause = (pause * 2).min(self.timing.longest_pause);
        }
    }

    /// One call. With a body it is authorized.
    async fn call<T: for<'a> Deserialize<'a>>(
        &self,
        method: Method,
        url: &str,
        body: Option<String>,
    ) -> Result<T, Failure> {
        let unreachable = || Failure::Passing(SchedError::Unavailable, None);
        let _turn = self.calls.acquire().await.map_err(|_| unreachable())?;
        let client = self.client.get_or_init(|| client(&self.timing));
        let client = client.as_ref().ok_or(Failure::Lasting)?;
        let mut request = client.request(method, url).header(ACCEPT, JSON);
        if let Some(body) = body {
            let token = format!("Bearer {}", self.token.expose());
            let authorized = request.header(AUTHORIZATION, token);
            request = authorized.header(CONTENT_TYPE, JSON).body(body);
        }
        let mut answer = request.send().await.map_err(|error| {
            tracing::debug!(error = %error.without_url(), "the scheduler was not reached");
            unreachable()
        })?;
        let status = answer.status();
        if !status.is_success() {
            let wait = answer.headers().get(RETRY_AFTER);
            let wait = wait.and_then(|wait| wait.to_str().ok()?.trim().parse::<u32>().ok());
            let wait = wait.map(|seconds| Duration::from_secs(seconds.into()));
            return Err(self.failed(status, wait));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| unreachable())? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::Lasting);
            }
            bytes.extend_from_slice(&chunk);
        }
        self.told.store(0, Ordering::Relaxed);
        // Something in between has answered.
        serde_json::from_slice(&bytes).map_err(|_| unreachable())
    }

    /// What a status means, whatever the body says.
    fn failed(&self, status: StatusCode, wait: Option<Duration>) -> Failure {
        match status.as_u16() {
            404 => Failure::NoRoom,
            429 => Failure::Passing(SchedError::RateLimited, wait),
            408 | 502..=504 => Failure::Passing(SchedError::Unavailable, wait),
            other => {
                if self.told.swap(other, Ordering::Relaxed) != other {
                    tracing::error!(status = other, "the scheduler refuses with {status}");
                }
                Failure::Lasting
            }
        }
    }
}

fn client(timing: &Timing) -> Option<Client> {
    // The first call counts; there is nothing else that could be installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(timing.connect)
        .timeout(timing.request)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("tablekeep/", env!("CARGO_PKG_VERSION")))
        .build();
    client
        .inspect_err(|error| tracing::error!(%error, "no scheduler can be asked: {error}"))
        .ok()
}

/// A fifth more or less, so that not all ask at the same time.
fn jittered(pause: Duration) -> Duration {
    let dice = crate::access::random::<1>().map_or(128, |[byte]| byte);
    pause.mul_f64(0.8 + 0.4 * f64::from(dice) / 255.0)
}
