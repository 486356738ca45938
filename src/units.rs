//! Types that parse themselves from what people write, with errors for people.
