//! Telling it: the ledger's figures as text and as JSON.
