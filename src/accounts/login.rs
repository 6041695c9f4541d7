//! From a name and a password to a sign-in.

use super::book::{NewUser, Refused};
use super::stamp::micros;
use super::user::{Email, User, UserName, check_password};
use super::{Book, Changes, Ledger};
use crate::access::{
    AccountRole, Attempt, Attempts, Client, Issued, NOBODYS, Passwords, Policy, Wrongs, is_secure,
    random,
};
use crate::error::{Error, Problem, Result};
use crate::http::{blocking, to_the_end};
use crate::metrics::{Login, Metrics};
use actix_web::HttpRequest;
use actix_web::web::Data;
use serde_json::Value;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::sleep;

/// Wrong passwords for one name, from anywhere, that are nothing special: at once, and per minute.
const NAME_BURST: NonZeroU32 = NonZeroU32::new(20).expect("twenty is not zero");
const NAME_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
/// How long everybody waits who tries a name for which there were more.
const SLOW: Duration = Duration::from_secs(2);

const WRONG: Error = Error::BadCredentials("Incorrect username or password");

/// The accounts, and the way to them.
pub struct Accounts {
    ledger: Arc<Ledger>,
    passwords: Passwords,
    attempts: Attempts,
    names: Wrongs,
    /// By chance, so that nobody can choose names that are counted as another's.
    hasher: RandomState,
    metrics: Arc<Metrics>,
    most: usize,
}

impl Accounts {
    /// `most`: how many accounts there may be.
    pub fn new(
        ledger: Arc<Ledger>,
        passwords: Passwords,
        metrics: Arc<Metrics>,
        most: usize,
    ) -> Self {
        Self {
            ledger,
            passwords,
            attempts: Attempts::default(),
            names: Wrongs::of(NAME_BURST, NAME_PER_MINUTE),
            hasher: RandomState::new(),
            metrics,
            most,
        }
    }

    /// All accounts, as they are now.
    pub(super) async fn book(&self) -> Result<Arc<Book>> {
        let ledger = self.ledger.clone();
        blocking(move || ledger.book()).await
    }

    /// Changes the accounts; sockets whose sign-in ends by it are closed.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        policy: &Data<Policy>,
        change: impl FnMut(&mut Book) -> Result<T, Refused> + Send + 'static,
    ) -> Result<Result<T, Refused>> {
        let (ledger, policy) = (self.ledger.clone(), policy.clone());
        to_the_end(async move {
            let outcome = blocking(move || ledger.change(change)).await;
            policy.close_ended();
            outcome
        })
        .await
    }

    /// Makes an account.
    pub(super) async fn add(
        &self,
        policy: &Data<Policy>,
        username: UserName,
        email: Email,
        role: AccountRole,
        password: String,
        if_first: bool,
    ) -> Result<Result<User, Refused>> {
        let new = NewUser {
            username,
            email,
            role,
            password: self.passwords.hash(password).await?,
            generation: u32::from_be_bytes(random()?),
        };
        let (most, now) = (self.most, micros(SystemTime::now()));
        self.change(policy, move |book| {
            if if_first && !book.is_empty() {
                return Err(Refused::NotTheFirst);
            }
            book.add(new.clone(), most, now)
        })
        .await
    }

    /// Changes one account; `password` is what it becomes.
    pub(super) async fn alter(
        &self,
        policy: &Data<Policy>,
        id: u64,
        changes: Changes,
        password: Option<String>,
    ) -> Result<Result<User, Refused>> {
        let password = match password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => changes.password,
        };
        let changes = Changes {
            password,
            ..changes
        };
        let now = micros(SystemTime::now());
        self.change(policy, move |book| book.change(id, changes.clone(), now))
            .await
    }

    /// Signs somebody in.
    ///
    /// Errors: 401 when name and password do not fit, 400 when the account may not be used, 429 when
    /// this address has tried too often, 503 when too many passwords wait to be checked.
    pub(super) async fn sign_in(
        &self,
        policy: &Data<Policy>,
        req: &HttpRequest,
        username: &str,
        password: &str,
    ) -> Result<(User, Issued)> {
        let outcome = self.judge(policy, req, username, password).await;
        let from = req.peer_addr().map(|addr| addr.ip());
        self.metrics.login(match &outcome {
            Ok(_) => Login::Accepted,
            Err(Error::TooManyAttempts { .. }) => Login::Slowed,
            Err(Error::Unavailable(_)) => Login::Busy,
            Err(_) => Login::Refused,
        });
        match &outcome {
            Ok((user, _)) => tracing::info!(
                account = user.id,
                ?from,
                "account {} has signed in",
                user.id
            ),
            Err(Error::BadCredentials(_)) => {
                tracing::warn!(?from, "a login with a wrong name or password");
            }
            Err(_) => {}
        }
        outcome
    }

    async fn judge(
        &self,
        policy: &Data<Policy>,
        req: &HttpRequest,
        username: &str,
        password: &str,
    ) -> Result<(User, Issued)> {
        let book = self.book().await?;
        let name = UserName::parse(username).ok();
        let user = name.as_ref().and_then(|name| book.by_name(name)).cloned();
        let passes = policy.accounts()?;
        let known = passes.client(req.headers(), user.as_ref().map(|user| user.id));
        let client = known.unwrap_or_else(|| Client::of_request(req));
        self.attempts.take(Attempt::Login, client)?;
        let key = name.as_ref().map_or(username.to_owned(), UserName::key);
        let key = Client::Name(self.hasher.hash_one(key));
        // Slow, not locked: nobody can lock somebody else out by guessing. And not even slow where
        // the account has signed in before.
        if known.is_none() && self.names.is_slow(key) {
            sleep(SLOW).await;
        }
        let user = match user {
            None if book.is_empty() && policy.passes().is_gm_password(password) => {
                self.first(policy, username, password).await?
            }
            user => user,
        };
        let kept = user.as_ref().map_or(NOBODYS, |user| &user.password);
        let right = self
            .passwords
            .is_right(password.to_owned(), kept.to_owned());
        let right = right.await?;
        let Some(user) = user.filter(|_| right) else {
            self.names.wrong(Attempt::Login, key);
            return Err(WRONG);
        };
        if !user.is_active {
            return Err(Error::Invalid("Inactive user".into()));
        }
        // Should the account have changed in the meantime, the token is of a former generation.
        let now = SystemTime::now();
        let name = user.username.as_str();
        let issued = passes.issue(user.id, user.generation, name, now, is_secure(req))?;
        self.attempts.give_back(Attempt::Login, client);
        Ok((user, issued))
    }

    /// Where there is no account yet, the GM's password makes the first one, which has it from then on.
    async fn first(
        &self,
        policy: &Data<Policy>,
        username: &str,
        password: &str,
    ) -> Result<Option<User>> {
        let wrong = |name: &str, why: &str| {
            let loc = vec!["body".into(), name.into()];
            let text = format!("Value error, {why}");
            Error::from(Problem::new("value_error", loc, &text, Value::Null))
        };
        let name = UserName::parse(username).map_err(|why| wrong("username", why))?;
        check_password(password).map_err(|why| wrong("password", why))?;
        let (email, role) = (Email::made_for(&name), AccountRole::Admin);
        let made = self.add(policy, name.clone(), email, role, password.to_owned(), true);
        match made.await? {
            Ok(user) => {
                tracing::info!(
                    account = user.id,
                    "the first account was made with the GM's password"
                );
                Ok(Some(user))
            }
            // Somebody else was faster.
            Err(Refused::NotTheFirst) => Ok(self.book().await?.by_name(&name).cloned()),
            Err(refused) => Err(Error::Conflict(refused.to_string())),
        }
    }
}
