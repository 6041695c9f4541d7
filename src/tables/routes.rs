//! `/tables/*`: the tables themselves, joining them, pairing displays.

use super::pairing::{Answer, Ticket};
use super::{MAX_NAME_CHARS, Table, Tables};
use crate::access::{
    Attempt, Client, Gm, Grant, OwnPage, Policy, Role, Verdict, find_cookie, is_secure, set_cookie,
};
use crate::config::{Config, Players};
use crate::error::{Error, ErrorBody, Problem, Result};
use crate::http::{
    GmErrors, GuestErrors, Message, PublicErrors, Registrar, ShortBody, WriteErrors, blocking,
    to_the_end,
};
use crate::model::TableId;
use actix_web::http::header;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, delete, get, post, put};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use uuid::Uuid;

/// Holds a waiting display's ticket, as long as its number counts.
const TICKET_COOKIE: &str = "tablekeep-pairing";
const TICKET_AGE: Duration = Duration::from_secs(10 * 60);

pub(super) fn routes(config: &mut impl Registrar) {
    config
        .service(list)
        .service(create)
        .service(door)
        .service(join)
        .service(delete_table)
        .service(renew_code)
        .service(ask_to_pair)
        .service(list_waiting)
        .service(confirm_pair);
}

/// One table, as the GM sees it.
#[derive(Serialize, ToSchema)]
struct TableItem {
    #[schema(value_type = String, example = "main")]
    id: TableId,
    /// What lets people in: four characters without look-alikes.
    #[schema(example = "K7WP")]
    code: String,
    #[schema(example = "Main table")]
    name: String,
    /// How many are there now.
    members: usize,
    /// In whole seconds since 1970 (UTC).
    #[schema(example = 1_763_630_870)]
    created_at: u64,
}

impl TableItem {
    async fn of(tables: &Tables, table: Table) -> Self {
        Self {
            id: table.id,
            code: table.code.to_string(),
            name: table.name,
            members: tables.member_count(table.id).await,
            created_at: table.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct TableList {
    tables: Vec<TableItem>,
}

/// Lists the tables, oldest first.
#[utoipa::path(tag = "tables", responses((status = 200, body = TableList), GmErrors))]
#[get("/tables")]
async fn list(tables: Data<Tables>, _gm: Gm) -> Json<TableList> {
    let mut items = Vec::new();
    for table in tables.directory.list() {
        items.push(TableItem::of(&tables, table).await);
    }
    Json(TableList { tables: items })
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct NewTable {
    /// For people; several tables may have the same.
    #[schema(schema_with = name_schema)]
    name: String,
}

fn name_schema() -> Schema {
    const PLAIN: &str = r"[^\x00-\x1f\x7f-\x9f]";
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(MAX_NAME_CHARS))
        .pattern(Some(format!(r"^{PLAIN}*[^\s\x00-\x1f\x7f-\x9f]{PLAIN}*$")))
        .examples([json!("Tuesday's group")])
        .build()
        .into()
}

/// Makes a table.
#[utoipa::path(tag = "tables", request_body = NewTable, responses((status = 200, body = TableItem), WriteErrors))]
#[post("/tables")]
async fn create(tables: Data<Tables>, body: ShortBody, _gm: Gm) -> Result<Json<TableItem>> {
    let mut fields = body.fields()?;
    let name = fields.text("name").into_owned();
    fields.check()?;
    let directory = tables.directory.clone();
    let table = blocking(move || directory.create(&name)).await?;
    tracing::info!(table = %table.id, "table {} made", table.id);
    Ok(Json(TableItem::of(&tables, table).await))
}

/// Deletes a table and what was on it; its members are sent away with 4404, and whoever has joined
/// it belongs nowhere from now on. `main` stays.
#[utoipa::path(tag = "tables", params(("id" = String, Path, description = "Id of the table", example = "k3v9x2qa")),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), (status = 409, description = "`main` stays", body = ErrorBody), (status = 507, body = ErrorBody), GmErrors))]
#[delete("/tables/{id}")]
async fn delete_table(
    tables: Data<Tables>,
    policy: Data<Policy>,
    id: Path<String>,
    _gm: Gm,
) -> Result<Json<Message>> {
    let id = TableId::parse(&id)?;
    // Not half of it, when whoever asked has hung up.
    let deleted = to_the_end(async move {
        let directory = tables.directory.clone();
        let table = blocking(move || directory.delete(id)).await?;
        tables.open.remove(id).await?;
        policy.close_ended();
        Ok(table)
    });
    let table = deleted.await?;
    tracing::info!(table = %id, "table {id} deleted");
    Ok(Json(Message::new(format!(
        "Table '{}' deleted",
        table.name
    ))))
}

/// Gives a table another code. Everybody who joined with the old one, displays too, has to join again;
/// their sockets are closed with 4401.
#[utoipa::path(tag = "tables", params(("id" = String, Path, description = "Id of the table", example = "main")),
    responses((status = 200, body = TableItem), (status = 404, body = ErrorBody), (status = 507, body = ErrorBody), GmErrors))]
#[post("/tables/{id}/code")]
async fn renew_code(
    tables: Data<Tables>,
    policy: Data<Policy>,
    id: Path<String>,
    _gm: Gm,
) -> Result<Json<TableItem>> {
    let id = TableId::parse(&id)?;
    let directory = tables.directory.clone();
    let table = to_the_end(async move {
        let renewed = blocking(move || directory.renew_code(id)).await;
        policy.close_ended();
        renewed
    });
    let table = table.await?;
    tracing::info!(table = %id, "table {id} has another code");
    Ok(Json(TableItem::of(&tables, table).await))
}

/// As what somebody joins.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a field that is read as text")]
enum JoinAs {
    Player,
    Display,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct Join {
    /// The table's code, in either case; blanks and hyphens do not count. With `--players open` it
    /// may be absent or `null`: the table `main`.
    #[schema(required = false, example = "K7WP")]
    code: Option<String>,
    /// Absent: a player.
    #[schema(required = false, nullable = false)]
    role: JoinAs,
}

/// The table that somebody has come to.
#[derive(Serialize, ToSchema)]
struct Joined {
    #[schema(value_type = String, example = "main")]
    id: TableId,
    #[schema(example = "Main table")]
    name: String,
}

/// A seat that a browser has taken.
#[derive(Serialize, ToSchema)]
struct TakenSeat {
    #[schema(value_type = String, example = "main")]
    id: TableId,
    #[schema(example = "Main table")]
    name: String,
    /// `player` or `display`.
    #[schema(example = "player")]
    role: &'static str,
}

/// What somebody who stands at the door needs to know.
#[derive(Serialize, ToSchema)]
struct Door {
    /// Whether the table `main` can be joined without its code.
    open: bool,
    /// Where this browser sits already, as its cookie proves.
    seat: Option<TakenSeat>,
}

/// Says whether a code is needed, and whether this browser has joined a table already. Takes no seat and
/// changes none.
#[utoipa::path(tag = "tables", responses((status = 200, body = Door), PublicErrors))]
#[get("/tables/join")]
async fn door(tables: Data<Tables>, config: Data<Config>, req: HttpRequest) -> HttpResponse {
    let grant = grant_of(&req);
    let seat = grant.and_then(|grant| {
        let table = tables.directory.get(grant.table).ok()?;
        Some(TakenSeat {
            id: table.id,
            name: table.name,
            role: match grant.role {
                Role::Display => "display",
                Role::Player | Role::Gm => "player",
            },
        })
    });
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Door {
            open: config.players == Players::Open,
            seat,
        })
}

/// The joining that the request's cookie proves.
fn grant_of(req: &HttpRequest) -> Option<Grant> {
    let verdict = req.extensions().get::<Verdict>().copied();
    verdict.and_then(|verdict| verdict.grant)
}

/// Joins the table with this code: a cookie remembers it for 90 days, or until the code is renewed.
///
/// Wrong codes are slowed down per address.
#[utoipa::path(tag = "tables", request_body = Join, responses((status = 200, body = Joined), (status = 404, description = "No table has this code", body = ErrorBody), GuestErrors))]
#[post("/tables/join")]
async fn join(
    tables: Data<Tables>,
    policy: Data<Policy>,
    config: Data<Config>,
    body: ShortBody,
    req: HttpRequest,
    _page: OwnPage,
) -> Result<HttpResponse> {
    let mut fields = body.fields()?;
    let code = fields.nullable_text("code");
    let role = fields.optional_text("role");
    fields.check()?;
    let role = match role.as_deref() {
        None | Some("player") => Role::Player,
        Some("display") => Role::Display,
        Some(other) => return Err(unknown_role(other)),
    };
    let invited = code.is_some();
    let table = match (code, config.players) {
        (Some(code), _) => {
            let client = Client::of_request(&req);
            tables.attempts.take(Attempt::Join, client)?;
            let found = tables.directory.by_code(&code);
            let found = found.ok_or_else(|| Error::NotFound("no table has this code".into()))?;
            tables.attempts.give_back(Attempt::Join, client);
            found
        }
        (None, Players::Open) => tables.directory.get(TableId::MAIN)?,
        (None, Players::Code) => {
            let loc = vec!["body".into(), "code".into()];
            return Err(Problem::missing(loc, json!({})).into());
        }
    };
    admit(&policy, &req, &table, role, invited)
}

fn unknown_role(given: &str) -> Error {
    let loc = vec!["body".into(), "role".into()];
    let given: String = given.chars().take(100).collect();
    let problem = Problem::new(
        "enum",
        loc,
        "Input should be 'player' or 'display'",
        Value::String(given),
    );
    problem.into()
}

/// The answer to whoever now belongs to `table`.
fn admit(
    policy: &Policy,
    req: &HttpRequest,
    table: &Table,
    role: Role,
    invited: bool,
) -> Result<HttpResponse> {
    let (now, secure) = (SystemTime::now(), is_secure(req));
    let cookie = policy
        .passes()
        .admit(table.id, role, invited, now, secure)?;
    Ok(HttpResponse::Ok()
        .append_header((header::SET_COOKIE, cookie))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Joined {
            id: table.id,
            name: table.name.clone(),
        }))
}

/// What a display shows until the GM has confirmed it.
#[derive(Serialize, ToSchema)]
struct Waiting {
    /// Six digits; they count for ten minutes.
    #[schema(example = "042137")]
    number: String,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes two answers")]
enum Paired {
    Waiting(Waiting),
    Joined(Joined),
}

/// A display asks to be paired, and asks again every few seconds.
///
/// It is told a number to show, and gets a cookie that says that the number is its own. Once the GM
/// has confirmed the number, the answer is the table, with the cookie of one who has joined; whoever
/// has that and asks again gets another number. Which
/// table that is the GM says: a display that knows none asks at `main`.
#[utoipa::path(tag = "tables", params(("id" = String, Path, description = "Id of the table", example = "main")),
    responses((status = 200, body = Paired, description = "The number to show, or the table that it belongs to now"), (status = 404, body = ErrorBody), GuestErrors))]
#[post("/tables/{id}/pair")]
async fn ask_to_pair(
    tables: Data<Tables>,
    policy: Data<Policy>,
    id: Path<String>,
    req: HttpRequest,
    _page: OwnPage,
) -> Result<HttpResponse> {
    tables.directory.get(TableId::parse(&id)?)?;
    let ticket = find_cookie(req.headers(), TICKET_COOKIE).and_then(parse_ticket);
    let secure = is_secure(&req);
    let belongs = grant_of(&req).filter(|grant| grant.role == Role::Display);
    let belongs = belongs.map(|grant| grant.table);
    let asked = tables
        .pairing
        .ask(ticket, belongs, Client::of_request(&req), Instant::now());
    match asked? {
        Answer::Waiting(number, ticket) => {
            let ticket = Uuid::from_bytes(ticket).simple().to_string();
            let cookie = set_cookie(TICKET_COOKIE, &ticket, TICKET_AGE, secure);
            Ok(HttpResponse::Ok()
                .append_header((header::SET_COOKIE, cookie))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .json(Waiting {
                    number: number.to_string(),
                }))
        }
        Answer::Confirmed(table) => {
            let table = tables.directory.get(table)?;
            admit(&policy, &req, &table, Role::Display, true)
        }
    }
}

fn parse_ticket(text: &str) -> Option<Ticket> {
    Uuid::try_parse(text).ok().map(Uuid::into_bytes)
}

/// A display that waits to be confirmed.
#[derive(Serialize, ToSchema)]
struct WaitingDisplay {
    /// What it shows.
    #[schema(example = "042137")]
    number: String,
    /// For how long, in seconds.
    seconds: u64,
}

#[derive(Serialize, ToSchema)]
struct WaitingList {
    waiting: Vec<WaitingDisplay>,
}

/// Lists the displays that wait, the newest first, so that the GM need not type a number: whichever
/// is the same on the screen in the room is the one to confirm.
#[utoipa::path(tag = "tables", params(("id" = String, Path, description = "Id of the table", example = "main")),
    responses((status = 200, body = WaitingList), (status = 404, body = ErrorBody), GmErrors))]
#[get("/tables/{id}/pair")]
async fn list_waiting(
    tables: Data<Tables>,
    id: Path<String>,
    _gm: Gm,
) -> Result<Json<WaitingList>> {
    tables.directory.get(TableId::parse(&id)?)?;
    let waiting = tables.pairing.list(Instant::now()).into_iter();
    let waiting = waiting.map(|(number, age)| WaitingDisplay {
        number: number.to_string(),
        seconds: age.as_secs(),
    });
    Ok(Json(WaitingList {
        waiting: waiting.collect(),
    }))
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct Confirm {
    /// The six digits that the display shows; blanks do not count.
    #[schema(example = "042137")]
    number: String,
}

/// Confirms the display that shows this number: it belongs to this table from now on.
///
/// Wrong numbers are slowed down per address.
#[utoipa::path(tag = "tables", request_body = Confirm, params(("id" = String, Path, description = "Id of the table", example = "main")),
    responses((status = 200, body = Message), (status = 404, description = "No such table, or no display shows this number", body = ErrorBody), GuestErrors))]
#[put("/tables/{id}/pair")]
async fn confirm_pair(
    tables: Data<Tables>,
    id: Path<String>,
    body: ShortBody,
    req: HttpRequest,
    _gm: Gm,
) -> Result<Json<Message>> {
    let table = tables.directory.get(TableId::parse(&id)?)?;
    let mut fields = body.fields()?;
    let number = fields.text("number");
    fields.check()?;
    let client = Client::of_request(&req);
    tables.attempts.take(Attempt::Pair, client)?;
    tables.pairing.confirm(&number, table.id, Instant::now())?;
    tables.attempts.give_back(Attempt::Pair, client);
    tracing::info!(table = %table.id, "a display was paired with table {}", table.id);
    let message = format!("The display belongs to '{}' now", table.name);
    Ok(Json(Message::new(message)))
}
