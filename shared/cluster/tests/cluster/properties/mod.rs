//! Files of random content. `PROPTEST_CASES` sets the number of cases.

mod any_bytes;
mod examples;
