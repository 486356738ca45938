//! Facts about AWS and its wire formats: what exists, how a request says what it means, how an error looks.
//!
//! Pure: no tokio, no I/O, no clock, no faults. [`request::decode`] turns a request head into an [`request::AwsRequest`];
//! [`protocol::synthesize`] turns an [`protocol::AwsError`] into the bytes AWS would have sent, and [`idiom::idiom`] knows which
//! error a service gives when it throttles or breaks. [`host::real`] tells where AWS itself would have been asked, and [`sign`] signs a
//! request anew whose host had to change. What exists comes from [`catalog`].

mod account;
pub mod batch;
pub mod catalog;
pub mod client;
mod coding;
pub mod consistency;
mod credential;
mod cut;
mod endpoint;
pub mod expiration;
pub mod extent;
mod field;
pub mod gateway;
pub mod host;
pub mod idiom;
pub mod likeness;
pub mod link_local;
pub mod made;
pub mod member;
pub mod page;
pub mod partition;
pub mod protocol;
mod quirk;
pub mod recorded;
pub mod request;
pub mod resource;
pub mod sign;
pub mod skew;
pub mod subject;
mod uri;
pub mod why;
