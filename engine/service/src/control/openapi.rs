//! The API as an OpenAPI 3.1 document, made of the routes themselves.
//!
//! What is said of a route stands at its handler, and a router takes both together ([`routes::described`]); the schemas
//! come of the types that are sent. What holds for every route is added here: who is asking, what is refused, and keys of
//! requests that may be sent again. The copy in docs/openapi.json is held to it by a test.

use std::sync::LazyLock;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Info, OpenApi, Ref, Required, ResponseBuilder, Server};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::routes;
use super::types::{Code, Problem};

/// The document, as it is served.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = document().to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    });
    &TEXT
}

fn document() -> OpenApi {
    let mut api = routes::described().into_openapi();
    api.info = Info::new("stanch", env!("CARGO_PKG_VERSION"));
    api.info.description = Some(
        "Everything that the command line does at a running engine. Times are milliseconds since 1970, lengths of time \
         milliseconds. Unknown fields of a request are refused; a client ignores unknown fields of an answer. The roles \
         of a route are the least that its caller must have."
            .to_owned(),
    );
    api.servers = Some(vec![Server::new("/api/v1")]);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A user's token, as `stanch user token` makes them."))
        .build();
    let components = api.components.get_or_insert_default();
    components
        .security_schemes
        .insert("token".to_owned(), SecurityScheme::Http(bearer).into());
    components
        .schemas
        .insert(Problem::name().into_owned(), Problem::schema());
    components
        .schemas
        .insert(Code::name().into_owned(), Code::schema());
    for item in api.paths.paths.values_mut() {
        for operation in [&mut item.get].into_iter().flatten() {
            refusable(operation);
        }
        for operation in [&mut item.post, &mut item.delete].into_iter().flatten() {
            refusable(operation);
            repeatable(operation);
        }
    }
    api
}

/// Any of them can be refused.
fn refusable(operation: &mut Operation) {
    let problem = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .build();
    let response = ResponseBuilder::new()
        .description("Why it was not done: RFC 9457 problem details with a stable `code`.")
        .content("application/problem+json", problem)
        .build();
    operation
        .responses
        .responses
        .insert("default".to_owned(), response.into());
}

/// What changes something can be sent again under its key.
fn repeatable(operation: &mut Operation) {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .build();
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Sent again with the same key, the same request is done once, and the first answer comes again with \
             `Idempotency-Replayed: true`.",
        ))
        .schema(Some(key))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(parameter.into());
}
