//! `/signin` and `/signout`: the GM's password for a cookie, and the cookie for nothing.

use super::Tables;
use crate::access::{Attempt, Client, OwnPage, Policy, is_secure};
use crate::error::{Error, ErrorBody, Result};
use crate::http::{GuestErrors, PublicErrors, Registrar, ShortBody, blocking, to_the_end};
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use std::time::SystemTime;
use utoipa::ToSchema;

pub(super) fn routes(config: &mut impl Registrar) {
    config.service(sign_in).service(sign_out);
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct Password {
    /// What the server was started with (`--gm-password`), or showed at start.
    #[schema(example = "abcd-efgh-jkmn")]
    password: String,
}

/// Signs the GM in: a cookie carries the role for 12 hours, on the server's own pages.
///
/// Wrong passwords are slowed down per address. A browser that has signed in before is counted by itself.
#[utoipa::path(tag = "access", request_body = Password, responses((status = 204, description = "Signed in; the cookie is set"),
    (status = 401, description = "The password is wrong", body = ErrorBody), GuestErrors))]
#[post("/signin")]
async fn sign_in(
    tables: Data<Tables>,
    policy: Data<Policy>,
    body: ShortBody,
    req: HttpRequest,
    _page: OwnPage,
) -> Result<HttpResponse> {
    let mut fields = body.fields()?;
    let password = fields.text("password");
    fields.check()?;
    let passes = policy.passes();
    let device = passes.device(req.headers());
    let who = device.map_or_else(|| Client::of_request(&req), Client::Device);
    tables.attempts.take(Attempt::SignIn, who)?;
    let signed_in = passes.sign_in(&password, SystemTime::now(), is_secure(&req));
    let from = req.peer_addr().map(|addr| addr.ip());
    match &signed_in {
        Ok(_) => {
            tables.attempts.give_back(Attempt::SignIn, who);
            tracing::info!(?from, "the GM has signed in");
        }
        Err(Error::Unauthenticated(_)) => tracing::warn!(?from, "a sign-in with a wrong password"),
        Err(_) => {}
    }
    let mut answer = HttpResponse::NoContent();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    for cookie in signed_in? {
        answer.append_header((header::SET_COOKIE, cookie));
    }
    Ok(answer.finish())
}

/// Ends this browser's sign-in for good, whether with the password or with an account: a copy of its
/// cookie is worth nothing, either, and its sockets are closed with 4401.
#[utoipa::path(tag = "access", responses((status = 204, description = "Signed out, or never signed in"),
    (status = 403, description = "The page is not allowed", body = ErrorBody), (status = 507, body = ErrorBody), PublicErrors))]
#[post("/signout")]
async fn sign_out(policy: Data<Policy>, req: HttpRequest, _page: OwnPage) -> Result<HttpResponse> {
    let (headers, secure) = (req.headers().clone(), is_secure(&req));
    let cookies = to_the_end(async move {
        let signing = policy.clone();
        let cookies = blocking(move || signing.sign_out(&headers, secure)).await;
        policy.close_ended();
        cookies
    });
    let cookies = cookies.await?;
    let mut answer = HttpResponse::NoContent();
    for cookie in cookies {
        answer.append_header((header::SET_COOKIE, cookie));
    }
    Ok(answer.finish())
}
