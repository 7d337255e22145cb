//! JSON as Kubernetes and the CLB API write it, object by object.

mod ccm;
mod error;
mod event;
mod gzip;
mod json;
mod kind;
mod line_numbers;
mod object;
mod scan;
mod text;

pub(crate) use self::{
    error::{LoadError, message_of},
    event::{Event, RawObject},
    gzip::decompressed,
    json::JsonReader,
    kind::Kind,
    line_numbers::fields,
    object::{ObjectParser, describe, typed},
    scan::{FirstValue, end_of_value},
    text::TextReader,
};
