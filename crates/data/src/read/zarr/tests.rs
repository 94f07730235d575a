//! What stores hold that Python writes is in `tests/reference/formats`; here is what it never writes.
