//! What a program says to whoever started it.

use std::{
    fmt::Display,
    io::{self, Write},
};

use crate::files::Error;

/// Writes a line, or several, to standard output. A reader that has gone has seen enough, which is no error.
///
/// # Errors
/// [`Error::Io`] for anything else, a full disk for instance.
pub fn print(text: impl Display) -> Result<(), Error> {
    print_to(&mut io::stdout().lock(), text)
}

/// Writes a line to standard error; what cannot be shown must not stop what it is about.
pub fn warn(text: impl Display) {
    drop(print_to(&mut io::stderr().lock(), text));
}

fn print_to(out: &mut dyn Write, text: impl Display) -> Result<(), Error> {
    // Whole, so that lines of others do not come between.
    let text = format!("{text}\n");
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|cause| Error::Io { path: "standard output".into(), cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that refuses everything, for this reason.
    struct Refusing(io::ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is() {
        print_to(&mut Refusing(io::ErrorKind::BrokenPipe), "x").unwrap();
        let full = print_to(&mut Refusing(io::ErrorKind::StorageFull), "x").unwrap_err();
        assert!(full.to_string().starts_with("standard output: "), "{full}");
        let mut out = Vec::new();
        print_to(&mut out, "a\nb").unwrap();
        assert_eq!(out, b"a\nb\n");
    }
}
