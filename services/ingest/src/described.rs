//! The addresses of HTTP that the doors serve, in OpenAPI. What they do stands in [`crate::influx`], [`crate::senml`] and
//! [`crate::hj212`].
#![expect(dead_code, reason = "described, never called")]

use utoipa::{OpenApi, ToSchema};

/// The description of [`crate::Ingest::router`] and [`crate::Ingest::commands`].
#[must_use]
pub fn described() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(write, write_v2, senml, command), components(schemas(City, Precision, PrecisionV2)))]
struct Description;

/// Points in InfluxDB's line protocol, as agents of InfluxDB 1.x send them. 204: every point is durable.
#[utoipa::path(post, path = "/write", tag = "doors",
    params(
        ("db" = City, Query, description = "city"),
        ("precision" = Option<Precision>, Query, description = "The unit of times; ns when not said"),
        ("Content-Encoding" = Option<String>, Header, description = "gzip or identity"),
    ),
    request_body(content = Option<String>, content_type = "text/plain",
        description = "Lines; at most 25,000,000 bytes. None is nothing against it"),
    responses(
        (status = 204, description = "Every point is durable"),
        (status = 400, body = Told, description = "What was not taken is named; all other points are durable"),
        (status = 401, body = Told), (status = 403, body = Told),
        (status = 404, body = Told, description = "Another database"),
        (status = 408, body = Told), (status = 413, body = Told), (status = 415, body = Told),
        (status = 421, body = Told),
        (status = 503, body = Told, description = "Send the whole body again"),
    ))]
fn write() {}

/// Points in InfluxDB's line protocol, as agents of InfluxDB 2.x send them. 204: every point is durable.
#[utoipa::path(post, path = "/api/v2/write", tag = "doors",
    params(
        ("bucket" = City, Query, description = "city"),
        ("org" = Option<String>, Query, description = "Means nothing here"),
        ("precision" = Option<PrecisionV2>, Query, description = "The unit of times; ns when not said"),
        ("Content-Encoding" = Option<String>, Header, description = "gzip or identity"),
    ),
    request_body(content = String, content_type = "text/plain", description = "Lines; at most 25,000,000 bytes"),
    responses(
        (status = 204, description = "Every point is durable"),
        (status = 400, body = Coded, description = "Lines that cannot be read are named; all other points are durable"),
        (status = 401, body = Told), (status = 403, body = Told),
        (status = 404, body = Coded, description = "Another bucket"),
        (status = 408, body = Coded), (status = 413, body = Coded), (status = 415, body = Coded),
        (status = 421, body = Told),
        (status = 422, body = Coded, description = "Points that were refused are named; all others are durable"),
        (status = 503, body = Coded, description = "Send the whole body again"),
    ))]
fn write_v2() {}

/// A pack of SenML (RFC 8428). 204: every record is durable.
#[utoipa::path(post, path = "/api/v1/senml", tag = "doors",
    request_body(content = Vec<Object>, content_type = "application/senml+json",
        description = "At most 10,000 records in 1 MiB"),
    responses(
        (status = 204, description = "Every record is durable"),
        (status = 400, body = Taken, description = "What was not taken is named; all other records are durable"),
        (status = 401, body = Told), (status = 403, body = Told),
        (status = 408, body = Taken), (status = 413, body = Taken), (status = 421, body = Told),
        (status = 503, body = Taken, description = "Send the whole pack again"),
    ))]
fn senml() {}

/// The name of the database, or bucket, that is the city.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum City {
    City,
}

/// A unit of time, as InfluxDB 1.x names them.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Precision {
    N,
    Ns,
    U,
    Us,
    Ms,
    S,
    M,
    H,
}

/// A unit of time, as InfluxDB 2.x names them.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum PrecisionV2 {
    Ns,
    Us,
    Ms,
    S,
}

/// What is wrong.
#[derive(ToSchema)]
struct Told {
    error: String,
}

/// What is wrong, as InfluxDB 2.x says it.
#[derive(ToSchema)]
struct Coded {
    code: String,
    message: String,
}

/// How much of a pack was taken.
#[derive(ToSchema)]
struct Taken {
    error: String,
    /// Records that are durable.
    taken: u64,
    /// Records that were refused.
    refused: u64,
    /// The first of them.
    refusals: Vec<RefusedRecord>,
}

/// A record that was refused.
#[derive(ToSchema)]
struct RefusedRecord {
    /// Its place in the pack, from 0.
    record: u64,
    /// As in the enumeration `Reason` of gRPC.
    reason: String,
    message: String,
}

/// Tells a logger of HJ 212 what to do, and waits for what it says to that.
#[utoipa::path(post, path = "/api/v1/hj212/{mn}/commands", operation_id = "command_logger", tag = "doors",
    params(("mn" = String, Path, description = "MN of a logger")),
    request_body = Command,
    responses(
        (status = 200, body = Object, description = "Done; what the logger said"),
        (status = 400, body = Object, description = "No command that can be sent"),
        (status = 401, body = Told), (status = 403, body = Told),
        (status = 404, body = Object, description = "No logger of this MN"),
        (status = 409, body = Object, description = "It is not connected, or left before it answered"),
        (status = 413, body = Object), (status = 415, body = Object), (status = 421, body = Told),
        (status = 422, body = Object, description = "The body has other fields"),
        (status = 502, body = Object, description = "It refused, or could not do it"),
        (status = 503, body = Object, description = "Too many requests are open"),
        (status = 504, body = Object, description = "It did not answer, or did not say how it ended"),
    ))]
fn command() {}

/// A command of HJ 212.
#[derive(ToSchema)]
struct Command {
    /// 1011, 1012, 1061, 1062, 2011 or 2012.
    cn: u16,
    /// What it needs, as RtdInterval.
    values: Option<std::collections::BTreeMap<String, String>>,
    /// Seconds to wait for the first answer, 1 to 60.
    over_time: Option<u64>,
    /// How often to send it again, 0 to 10.
    re_count: Option<u32>,
    /// Seconds to wait for the result, 1 to 300.
    run_time: Option<u64>,
}
