//! A clock of a process's own that can be stepped, by a small library in place of the system's.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The clock of one process.
pub(crate) struct SteppedClock {
    library: PathBuf,
    path: PathBuf,
    file: fs::File,
}

impl SteppedClock {
    /// A clock that is right, with its files in a folder. Needs a C compiler.
    pub(crate) fn new(folder: &Path) -> Self {
        let (library, path) = (folder.join("clock.so"), folder.join("clock"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/clock.c");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O2", source, "-o"]).arg(&library).status();
        assert!(compiled.unwrap().success(), "{source}");
        fs::write(&path, [0; 8]).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        Self { library, path, file }
    }

    /// Has a process that is started by a command go by the clock.
    pub(crate) fn rule(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("CLOCK_AHEAD", &self.path);
    }

    /// Sets it ahead of this machine's by so many microseconds.
    pub(crate) fn set_ahead(&self, micros: i64) {
        self.file.write_all_at(&micros.to_ne_bytes(), 0).unwrap();
    }
}
