//! JSON as Kubernetes and the CLB API write it, object by object.

mod fault;
mod json;
mod kind;
mod layout;
mod object;
mod piece;
mod plain;
mod scan;
mod text;

pub(crate) use self::{
    fault::Fault,
    json::Reader,
    kind::Kind,
    layout::fields,
    object::{ObjectReader, describe, typed},
    piece::{Event, Piece},
    plain::plain,
    text::Text,
};
