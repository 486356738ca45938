//! What happened: every exchange, in bounded memory, and on disk where asked.
