//! Sign-ins with a name: what an account's token proves, on its own or in a cookie.

use super::attempts::Client;
use super::cookie::{Signer, find, seconds, set};
use super::keys::Keys;
use super::tokens::{LEEWAY, TokenError, Tokens};
use crate::error::{Error, Result};
use actix_web::http::header::{self, HeaderMap};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use utoipa::ToSchema;

/// How long a sign-in with an account lasts.
pub const ACCOUNT_SIGN_IN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a browser is known to have been an account's.
const DEVICE: Duration = Duration::from_secs(180 * 24 * 60 * 60);

const ACCOUNT_COOKIE: &str = "tablekeep-account";
const DEVICE_COOKIE: &str = "tablekeep-account-device";

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[schema(rename_all = "lowercase")]
pub enum AccountRole {
    /// Runs the table and keeps the accounts.
    Admin,
    /// Sits at the table as a player.
    Viewer,
}

/// One sign-in of one account, as its token has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The account's number.
    pub account: u64,
    /// Which of the account's generations: another password is another one.
    pub generation: u64,
    /// Tells this sign-in from the account's others.
    pub id: [u8; 16],
    /// When it runs out, in seconds since 1970.
    pub until: u64,
}

impl Session {
    /// From when on its token does not count, in seconds since 1970.
    pub(super) fn end(&self) -> u64 {
        self.until.saturating_add(LEEWAY.as_secs())
    }
}

/// What a sign-in is worth now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This much.
    Good(AccountRole),
    /// Nothing, until an admin lets the account in again.
    Inactive,
    /// Nothing: signed out, revoked, or the account is gone.
    Ended,
}

/// Says which sign-ins still count.
pub trait Accounts: Send + Sync {
    /// What this sign-in is worth now.
    fn standing(&self, session: &Session) -> Standing;

    /// Ends this sign-in, durably. Blocks.
    fn end(&self, session: &Session) -> Result<()>;
}

/// Somebody has signed in with an account that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Which sign-in.
    pub session: Session,
    /// What the account may do.
    pub role: AccountRole,
}

/// What a request says of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountProof {
    /// Nothing.
    #[default]
    None,
    /// An `Authorization` of another scheme than `Bearer`.
    OtherScheme,
    /// A token that counts for nothing (any more).
    Void,
    /// One of an account that may not be used.
    Inactive,
    /// This sign-in.
    Good(SignedIn),
}

impl AccountProof {
    /// The sign-in, if there is one that counts.
    pub fn signed_in(self) -> Option<SignedIn> {
        match self {
            Self::Good(signed_in) => Some(signed_in),
            Self::None | Self::OtherScheme | Self::Void | Self::Inactive => None,
        }
    }

    /// The same as FastAPI says it. Errors: 403, 401 or 400.
    pub fn check(self) -> Result<SignedIn> {
        match self {
            Self::Good(signed_in) => Ok(signed_in),
            Self::None => Err(Error::Forbidden("Not authenticated".into())),
            Self::OtherScheme => Err(Error::Forbidden(
                "Invalid authentication credentials".into(),
            )),
            Self::Void => Err(Error::BadCredentials("Could not validate credentials")),
            Self::Inactive => Err(Error::Invalid("Inactive user".into())),
        }
    }
}

/// What a token says besides its stamp.
#[derive(Serialize, Deserialize)]
struct Claims {
    /// The account's name when it signed in; for clients that show it.
    sub: String,
    uid: u64,
    generation: u64,
}

/// A sign-in that was just made.
pub struct Issued {
    /// For the `Authorization` header.
    pub token: String,
    /// `Set-Cookie` lines, for the server's own pages.
    pub cookies: [String; 2],
}

/// Makes sign-ins with a name, and says what they prove.
pub struct AccountPasses {
    tokens: Tokens,
    device: Signer,
    accounts: Arc<dyn Accounts>,
}

impl AccountPasses {
    /// With keys of their own, derived from the server's.
    pub fn new(keys: &Keys, accounts: Arc<dyn Accounts>) -> Self {
        let key = keys.derive("account token", b"");
        Self {
            tokens: Tokens::new(&key, "account", ACCOUNT_SIGN_IN),
            device: Signer::new(&keys.derive("account device cookie", b"")),
            accounts,
        }
    }

    /// Signs this account in. Errors: `Internal`.
    pub fn issue(
        &self,
        account: u64,
        generation: u64,
        name: &str,
        now: SystemTime,
        secure: bool,
    ) -> Result<Issued> {
        let claims = Claims {
            sub: name.to_owned(),
            uid: account,
            generation,
        };
        let (token, _) = self.tokens.sign(&claims, now)?;
        let device = self.device.sign(&account.to_be_bytes());
        let cookies = [
            set(ACCOUNT_COOKIE, &token, ACCOUNT_SIGN_IN, secure),
            set(DEVICE_COOKIE, &device, DEVICE, secure),
        ];
        Ok(Issued { token, cookies })
    }

    /// What these headers prove. `cookies`: whether they count.
    pub(super) fn read(&self, headers: &HeaderMap, cookies: bool, now: SystemTime) -> AccountProof {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            return match bearer(value.to_str().unwrap_or_default()) {
                Some(("", _) | (_, "")) | None => AccountProof::None,
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    self.judge(token, now)
                }
                Some(_) => AccountProof::OtherScheme,
            };
        }
        match find(headers, ACCOUNT_COOKIE).filter(|token| cookies && !token.is_empty()) {
            Some(token) => self.judge(token, now),
            None => AccountProof::None,
        }
    }

    /// What a token proves.
    pub(super) fn judge(&self, token: &str, now: SystemTime) -> AccountProof {
        let Ok(session) = self.open(token, now) else {
            return AccountProof::Void;
        };
        match self.accounts.standing(&session) {
            Standing::Good(role) => AccountProof::Good(SignedIn { session, role }),
            Standing::Inactive => AccountProof::Inactive,
            Standing::Ended => AccountProof::Void,
        }
    }

    fn open(&self, token: &str, now: SystemTime) -> Result<Session, TokenError> {
        let verified = self.tokens.verify::<Claims>(token, now)?;
        let mut id = [0; 16];
        let named = verified.stamp.id.ok_or(TokenError::Malformed)?;
        let length = URL_SAFE_NO_PAD.decode_slice(named, &mut id);
        if length != Ok(id.len()) {
            return Err(TokenError::Malformed);
        }
        Ok(Session {
            account: verified.claims.uid,
            generation: verified.claims.generation,
            id,
            until: verified.stamp.expires,
        })
    }

    /// Whether this sign-in still counts.
    pub(super) fn counts(&self, session: &Session, now: SystemTime) -> bool {
        seconds(now) < session.end() && matches!(self.standing(session), Standing::Good(_))
    }

    /// What this sign-in is worth, whatever the time.
    pub(super) fn standing(&self, session: &Session) -> Standing {
        self.accounts.standing(session)
    }

    /// Ends the sign-in of these headers, if there is one, and returns the `Set-Cookie` line that makes
    /// the browser forget it. Blocks.
    pub(super) fn sign_out(
        &self,
        headers: &HeaderMap,
        now: SystemTime,
        secure: bool,
    ) -> Result<String> {
        if let Some(signed_in) = self.read(headers, true, now).signed_in() {
            self.accounts.end(&signed_in.session)?;
        }
        Ok(set(ACCOUNT_COOKIE, "", Duration::ZERO, secure))
    }

    /// Who tries to sign in as `account`: a browser in which that account has signed in before is
    /// counted by itself, so that nobody who shares its address can use up its attempts.
    pub fn client(&self, headers: &HeaderMap, account: Option<u64>) -> Option<Client> {
        let known = self.device.open(find(headers, DEVICE_COOKIE)?)?;
        let known = u64::from_be_bytes(known);
        (Some(known) == account).then_some(Client::Account(known))
    }
}

/// Scheme and credentials of an `Authorization` header.
fn bearer(value: &str) -> Option<(&str, &str)> {
    value.split_once(' ').or(Some((value, "")))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use std::sync::Mutex;
    use std::time::UNIX_EPOCH;

    /// Sign-ins count as the test says.
    pub struct Book(pub Mutex<Standing>);

    impl Accounts for Book {
        fn standing(&self, _: &Session) -> Standing {
            *self.0.lock().unwrap()
        }

        fn end(&self, _: &Session) -> Result<()> {
            *self.0.lock().unwrap() = Standing::Ended;
            Ok(())
        }
    }

    const GOOD: Standing = Standing::Good(AccountRole::Admin);
    const NOW: SystemTime = UNIX_EPOCH;

    fn passes() -> (AccountPasses, Arc<Book>) {
        let book = Arc::new(Book(Mutex::new(GOOD)));
        let passes = AccountPasses::new(&Keys::new(&[1; 32]), book.clone());
        (passes, book)
    }

    fn header(name: header::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    fn authorization(value: &str) -> HeaderMap {
        header(header::AUTHORIZATION, value)
    }

    #[test]
    fn a_sign_in_counts_as_a_token_and_as_a_cookie() {
        let (passes, _) = passes();
        let issued = passes.issue(7, 3, "Änna", NOW, false).unwrap();
        let token = authorization(&format!("bEARER {}", issued.token));
        let proof = passes.read(&token, false, NOW).check().unwrap();
        assert_eq!((proof.session.account, proof.session.generation), (7, 3));
        assert_eq!(proof.role, AccountRole::Admin);
        let pair = issued.cookies[0].split(';').next().unwrap();
        let cookie = header(header::COOKIE, pair);
        assert_eq!(passes.read(&cookie, true, NOW).check().unwrap(), proof);
        assert_eq!(passes.read(&cookie, false, NOW), AccountProof::None);
        let over = NOW + ACCOUNT_SIGN_IN + Duration::from_secs(60);
        assert_eq!(passes.read(&token, false, over), AccountProof::Void);
        let other = AccountPasses::new(&Keys::new(&[2; 32]), passes.accounts.clone());
        assert_eq!(other.read(&token, false, NOW), AccountProof::Void);
    }

    #[test]
    fn what_is_said_of_a_header_is_what_fastapi_says() {
        let (passes, _) = passes();
        let said = |value: &str| {
            let proof = passes.read(&authorization(value), true, NOW);
            proof.check().unwrap_err().to_string()
        };
        for (value, expected) in [
            ("", "Not authenticated"),
            ("Bearer", "Not authenticated"),
            ("Bearer ", "Not authenticated"),
            ("Basic YTpi", "Invalid authentication credentials"),
            ("Bearer x", "Could not validate credentials"),
            ("Bearer  x", "Could not validate credentials"),
        ] {
            assert_eq!(said(value), expected, "{value}");
        }
    }

    #[test]
    fn what_has_ended_counts_no_more_and_a_header_counts_before_a_cookie() {
        let (passes, book) = passes();
        let issued = passes.issue(7, 3, "anna", NOW, false).unwrap();
        let pair = issued.cookies[0].split(';').next().unwrap();
        let mut both = header(header::COOKIE, pair);
        assert!(passes.read(&both, true, NOW).signed_in().is_some());
        both.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert_eq!(passes.read(&both, true, NOW), AccountProof::Void);
        *book.0.lock().unwrap() = Standing::Inactive;
        let cookie = header(header::COOKIE, pair);
        let inactive = passes.read(&cookie, true, NOW);
        assert_eq!(inactive.check().unwrap_err().to_string(), "Inactive user");
        *book.0.lock().unwrap() = GOOD;
        let line = passes.sign_out(&cookie, NOW, false).unwrap();
        assert!(line.contains("tablekeep-account=;") && line.contains("Max-Age=0"));
        assert_eq!(passes.read(&cookie, true, NOW), AccountProof::Void);
    }

    #[test]
    fn a_browser_is_known_for_its_own_account_only() {
        let (passes, _) = passes();
        let issued = passes.issue(7, 3, "anna", NOW, false).unwrap();
        let device = header(header::COOKIE, issued.cookies[1].split(';').next().unwrap());
        assert_eq!(passes.client(&device, Some(7)), Some(Client::Account(7)));
        assert_eq!(passes.client(&device, Some(8)), None);
        assert_eq!(passes.client(&device, None), None);
        assert_eq!(passes.client(&HeaderMap::new(), Some(7)), None);
        assert_eq!(passes.read(&device, true, NOW), AccountProof::None);
    }
}
