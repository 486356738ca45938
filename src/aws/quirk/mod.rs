//! Where one service departs from its protocol. One file a service; decoding and synthesis ask here by service.

pub(super) mod cloudsearchdomain;
pub(super) mod s3;
