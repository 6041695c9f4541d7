//! `/auth/*`: signing in with a name, and the accounts themselves, as SpellTable has it.

use super::book::{Changes, Refused};
use super::login::Accounts;
use super::stamp::naive;
use super::user::{
    ADMIN_STATE_BYTES, EMAIL_CHARS, Email, NAME_CHARS, User, UserName, check_password,
};
use crate::access::{AccountRole, Admin, Policy, SignedIn, Verdict};
use crate::error::{Error, ErrorBody, Problem, Result};
use crate::http::{
    AccountErrors, AdminErrors, GuestErrors, JsonBody, Message, Registrar, ShortBody, docs,
};
use crate::json::NodeKind;
use actix_web::http::header;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, delete, get, post, put};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

const ROLES: [(&str, AccountRole); 2] = [
    ("admin", AccountRole::Admin),
    ("viewer", AccountRole::Viewer),
];

/// All routes of this module.
pub fn routes(config: &mut impl Registrar) {
    config
        .service(login)
        .service(register)
        .service(me)
        .service(read_admin_state)
        .service(write_admin_state)
        .service(list)
        .service(read)
        .service(change)
        .service(remove);
}

/// One account.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
struct UserItem {
    #[schema(example = 1)]
    id: u64,
    #[schema(example = "admin")]
    username: String,
    #[schema(example = "admin@spelltable.com")]
    email: String,
    role: AccountRole,
    is_active: bool,
    /// UTC, in microseconds.
    #[schema(example = "2026-11-20T09:23:46.216488")]
    created_at: String,
    updated_at: String,
    /// What the admin's page keeps.
    #[schema(value_type = Option<Object>)]
    admin_state: Option<Box<RawValue>>,
}

impl UserItem {
    fn of(user: &User) -> Self {
        Self {
            id: user.id,
            username: user.username.to_string(),
            email: user.email.to_string(),
            role: user.role,
            is_active: user.is_active,
            created_at: naive(user.created_at),
            updated_at: naive(user.updated_at),
            admin_state: state_of(user),
        }
    }
}

fn state_of(user: &User) -> Option<Box<RawValue>> {
    let state = user.admin_state.clone()?;
    RawValue::from_string(state).ok()
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct Credentials {
    #[schema(example = "admin")]
    username: String,
    #[schema(example = "correct horse")]
    password: String,
}

/// A sign-in.
#[derive(Serialize, ToSchema)]
struct Token {
    /// For `Authorization: Bearer`, for 7 days.
    access_token: String,
    #[schema(example = "bearer")]
    token_type: &'static str,
    user: UserItem,
}

/// Signs in with an account: an admin is the GM, a viewer a player.
///
/// The token proves it over REST and to sockets; on the server's own pages a cookie does the same.
/// Where there is no account yet, the GM's password makes the first one, an admin of the given name.
/// Attempts are slowed down per address; a browser in which the account has signed in before is
/// counted by itself.
#[utoipa::path(tag = "accounts", request_body = Credentials, responses((status = 200, body = Token),
    (status = 401, description = "Name and password do not fit", body = ErrorBody), (status = 507, body = ErrorBody), GuestErrors))]
#[post("/auth/login")]
async fn login(
    accounts: Data<Accounts>,
    policy: Data<Policy>,
    body: ShortBody,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let mut fields = body.fields()?;
    let (username, password) = (fields.text("username"), fields.text("password"));
    fields.check()?;
    let signing_in = accounts.sign_in(&policy, &req, &username, &password);
    let (user, issued) = signing_in.await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    let verdict = req.extensions().get::<Verdict>().copied();
    if verdict.is_some_and(|verdict| verdict.own_page) {
        for cookie in issued.cookies {
            answer.append_header((header::SET_COOKIE, cookie));
        }
    }
    Ok(answer.json(Token {
        access_token: issued.token,
        token_type: "bearer",
        user: UserItem::of(&user),
    }))
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct NewAccount {
    /// Unlike every other's, in upper or lower case.
    #[schema(schema_with = name_schema)]
    username: String,
    #[schema(schema_with = email_schema)]
    email: String,
    #[schema(min_length = 1, max_length = 1000, example = "correct horse")]
    password: String,
    /// Absent: a viewer.
    #[schema(required = false, nullable = false)]
    role: AccountRole,
}

/// No control characters.
const PLAIN: &str = r"[^\x00-\x1f\x7f-\x9f]";
/// The same, and no blank.
const INK: &str = r"[^\s\x00-\x1f\x7f-\x9f]";

fn name_schema() -> Schema {
    let pattern = format!("^{INK}({PLAIN}*{INK})?$");
    text_schema(&pattern, NAME_CHARS, "anna")
}

fn email_schema() -> Schema {
    text_schema(&format!("^{INK}+@{INK}+$"), EMAIL_CHARS, "anna@example.org")
}

fn text_schema(pattern: &str, most: usize, example: &str) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(most))
        .pattern(Some(pattern))
        .examples([json!(example)])
        .build()
        .into()
}

/// Makes an account.
#[utoipa::path(tag = "accounts", request_body = NewAccount, responses((status = 200, body = UserItem),
    (status = 409, description = "There are as many as there may be", body = ErrorBody), AdminErrors))]
#[post("/auth/register")]
async fn register(
    accounts: Data<Accounts>,
    policy: Data<Policy>,
    body: ShortBody,
    _admin: Admin,
) -> Result<Json<UserItem>> {
    let mut fields = body.fields()?;
    let username = fields.text("username");
    let email = fields.text("email");
    let password = fields.text("password");
    let role = fields.optional_choice("role", &ROLES);
    fields.check()?;
    let username = fields.parsed("username", Some(&username), UserName::parse);
    let email = fields.parsed("email", Some(&email), Email::parse);
    fields.parsed("password", Some(&password), check_password);
    fields.check()?;
    let (Some(username), Some(email)) = (username, email) else {
        return Err(Error::Invalid("name and email address are needed".into()));
    };
    let role = role.unwrap_or(AccountRole::Viewer);
    let password = password.into_owned();
    let made = accounts.add(&policy, username, email, role, password, false);
    let user = made.await?.map_err(|why| refused(why, "registered"))?;
    tracing::info!(account = user.id, "account {} was made", user.id);
    Ok(Json(UserItem::of(&user)))
}

/// The account that is signed in.
#[utoipa::path(tag = "accounts", responses((status = 200, body = UserItem), AccountErrors))]
#[get("/auth/me")]
async fn me(accounts: Data<Accounts>, signed_in: SignedIn) -> Result<Json<UserItem>> {
    let book = accounts.book().await?;
    // Should it have gone since it was looked at, its token counts no more.
    let gone = |_| Error::BadCredentials("Could not validate credentials");
    let user = book.get(signed_in.session.account).map_err(gone)?;
    Ok(Json(UserItem::of(user)))
}

/// What the admin's page has kept.
#[derive(Serialize, ToSchema)]
struct AdminState {
    #[schema(value_type = Option<Object>)]
    admin_state: Option<Box<RawValue>>,
}

/// What the page of the admin that is signed in has kept.
#[utoipa::path(tag = "accounts", responses((status = 200, body = AdminState), AccountErrors))]
#[get("/auth/me/admin-state")]
async fn read_admin_state(
    accounts: Data<Accounts>,
    signed_in: SignedIn,
) -> Result<Json<AdminState>> {
    let id = keeps_state(signed_in)?;
    let book = accounts.book().await?;
    let user = book.get(id).map_err(|why| refused(why, ""))?;
    Ok(Json(AdminState {
        admin_state: state_of(user),
    }))
}

/// Keeps something for the page of the admin that is signed in, in the place of what it has kept: at
/// most 64 KiB.
#[utoipa::path(tag = "accounts", request_body = Object, responses((status = 200, body = Message), AdminErrors))]
#[put("/auth/me/admin-state")]
async fn write_admin_state(
    accounts: Data<Accounts>,
    policy: Data<Policy>,
    signed_in: SignedIn,
    body: JsonBody,
) -> Result<Json<Message>> {
    let id = keeps_state(signed_in)?;
    body.fields()?;
    let state = body.json("dict_type", "Input should be a valid dictionary")?;
    debug_assert_eq!(state.root().kind(), NodeKind::Object);
    let state = state.as_str().to_owned();
    if state.len() > ADMIN_STATE_BYTES {
        return Err(Error::TooLarge {
            what: "the state",
            limit_bytes: ADMIN_STATE_BYTES as u64,
        });
    }
    let keep = move |book: &mut super::Book| book.keep_state(id, state.clone());
    let kept = accounts.change(&policy, keep).await?;
    kept.map_err(|why| refused(why, ""))?;
    Ok(Json(Message::new("Admin state updated successfully")))
}

/// The number of the account. Errors: 403 for viewers.
fn keeps_state(signed_in: SignedIn) -> Result<u64> {
    match signed_in.role {
        AccountRole::Admin => Ok(signed_in.session.account),
        AccountRole::Viewer => Err(Error::Forbidden(
            "Only admins can keep an admin state".into(),
        )),
    }
}

/// Lists the accounts, oldest first.
#[utoipa::path(tag = "accounts", responses((status = 200, body = [UserItem]), AccountErrors))]
#[get("/auth/users")]
async fn list(accounts: Data<Accounts>, _admin: Admin) -> Result<Json<Vec<UserItem>>> {
    let book = accounts.book().await?;
    Ok(Json(book.users().map(UserItem::of).collect()))
}

/// One account.
#[utoipa::path(tag = "accounts", params(("user_id" = u64, Path, description = "Number of the account", example = "1")),
    responses((status = 200, body = UserItem), (status = 404, body = ErrorBody), (status = 422, body = crate::error::ValidationBody), AccountErrors))]
#[get("/auth/users/{user_id}")]
async fn read(accounts: Data<Accounts>, id: Path<String>, _admin: Admin) -> Result<Json<UserItem>> {
    let id = number(&id)?;
    let book = accounts.book().await?;
    let user = book.get(id).map_err(|why| refused(why, ""))?;
    Ok(Json(UserItem::of(user)))
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct AccountChanges {
    /// Absent or `null`, here and below: stays.
    #[schema(schema_with = name_schema, required = false)]
    username: Option<String>,
    #[schema(schema_with = email_schema, required = false)]
    email: Option<String>,
    /// Empty: stays, too.
    #[schema(required = false, max_length = 1000, example = "battery staple")]
    password: Option<String>,
    #[schema(required = false)]
    role: Option<AccountRole>,
    #[schema(required = false, schema_with = docs::boolean_schema)]
    is_active: Option<bool>,
}

/// Changes an account. Another password or role, and being made inactive, end all its sign-ins: its
/// tokens count no more, its sockets are closed with 4401.
#[utoipa::path(tag = "accounts", params(("user_id" = u64, Path, description = "Number of the account", example = "1")), request_body = AccountChanges,
    responses((status = 200, body = UserItem), (status = 404, body = ErrorBody), AdminErrors))]
#[put("/auth/users/{user_id}")]
async fn change(
    accounts: Data<Accounts>,
    policy: Data<Policy>,
    id: Path<String>,
    body: ShortBody,
    _admin: Admin,
) -> Result<Json<UserItem>> {
    let id = number(&id)?;
    let mut fields = body.fields()?;
    let username = fields.nullable_text("username");
    let email = fields.nullable_text("email");
    let password = fields.nullable_text("password");
    let password = password.filter(|password| !password.is_empty());
    let role = fields.nullable_choice("role", &ROLES);
    let is_active = fields.nullable_flag("is_active");
    fields.check()?;
    let username = fields.parsed("username", username.as_deref(), UserName::parse);
    let email = fields.parsed("email", email.as_deref(), Email::parse);
    fields.parsed("password", password.as_deref(), check_password);
    fields.check()?;
    // Before anything is hashed, which costs something.
    let book = accounts.book().await?;
    book.get(id).map_err(|why| refused(why, ""))?;
    let changes = Changes {
        username,
        email,
        password: None,
        role,
        is_active,
    };
    let password = password.map(|password| password.into_owned());
    let changed = accounts.alter(&policy, id, changes, password).await?;
    let user = changed.map_err(|why| refused(why, "exists"))?;
    tracing::info!(account = id, "account {id} was changed");
    Ok(Json(UserItem::of(&user)))
}

/// Deletes an account: its tokens count no more, its sockets are closed with 4401.
#[utoipa::path(tag = "accounts", params(("user_id" = u64, Path, description = "Number of the account", example = "1")),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), (status = 422, body = crate::error::ValidationBody),
        (status = 507, body = ErrorBody), AccountErrors))]
#[delete("/auth/users/{user_id}")]
async fn remove(
    accounts: Data<Accounts>,
    policy: Data<Policy>,
    id: Path<String>,
    admin: Admin,
) -> Result<Json<Message>> {
    let (id, by) = (number(&id)?, admin.account());
    let remove = move |book: &mut super::Book| book.remove(id, Some(by));
    let removed = accounts.change(&policy, remove).await?;
    removed.map_err(|why| refused(why, ""))?;
    tracing::info!(account = id, "account {id} was deleted");
    Ok(Json(Message::new("User deleted successfully")))
}

/// The number of an account in an address. Errors: 422 as FastAPI has it.
fn number(text: &str) -> Result<u64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let loc = vec!["path".into(), "user_id".into()];
        let message = "Input should be a valid integer, unable to parse string as an integer";
        let shown: String = text.chars().take(100).collect();
        return Err(Problem::new("int_parsing", loc, message, Value::String(shown)).into());
    }
    // Whoever asks for a number that cannot be asks for nobody.
    let missing = |_| refused(Refused::Missing, "");
    text.parse().map_err(missing)
}

/// In SpellTable's words. `taken`: how it says that somebody else has a name.
fn refused(why: Refused, taken: &str) -> Error {
    match why {
        Refused::Missing => Error::NotFound("User not found".into()),
        Refused::NameTaken => Error::Invalid(format!("Username already {taken}")),
        Refused::EmailTaken => Error::Invalid(format!("Email already {taken}")),
        Refused::LastAdmin | Refused::Oneself => Error::Invalid(why.to_string()),
        Refused::Full(_) | Refused::NotTheFirst => Error::Conflict(why.to_string()),
    }
}
