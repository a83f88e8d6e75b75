//! Processes on chosen cores, what they use, and what they write. All are killed when dropped.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Ticks a second in `/proc/PID/stat`: `USER_HZ`, which is 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running process.
pub struct Process {
    child: Child,
    log_lines: Arc<AtomicU64>,
}

/// A server and where it listens.
pub struct Server {
    pub process: Process,
    pub address: String,
}

/// A program on some cores.
pub fn pinned(cores: &str, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores, program]).stdin(Stdio::null());
    command
}

/// The gateway, built beside this program.
pub fn gateway_program() -> String {
    let program = std::env::current_exe().unwrap().with_file_name("stockroom");
    assert!(program.exists(), "{} is missing: build it with the same profile", program.display());
    program.display().to_string()
}

/// The gateway on some cores.
pub fn gateway(cores: &str) -> Command {
    let mut command = pinned(cores, &gateway_program());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command
}

/// This program in another role, on some cores.
pub fn this_program(cores: &str) -> Command {
    pinned(cores, std::env::current_exe().unwrap().to_str().unwrap())
}

/// Moves this process, and all threads and processes that it starts, to some cores.
pub fn pin_this_process(cores: &str) {
    let pid = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-c", "-p", cores, &pid]).stdout(Stdio::null()).status();
    assert!(pinned.is_ok_and(|status| status.success()), "taskset is needed, and two cores");
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Process {
    /// Starts a process whose log goes through a pipe that is read as fast as it comes.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log_lines = Arc::new(AtomicU64::new(0));
        let (mut log, counter) = (child.stderr.take().unwrap(), Arc::clone(&log_lines));
        thread::spawn(move || {
            let mut chunk = vec![0; 1 << 16];
            while let Ok(length @ 1..) = log.read(&mut chunk) {
                let lines = chunk[..length].iter().filter(|byte| **byte == b'\n').count();
                counter.fetch_add(lines as u64, Ordering::Relaxed);
            }
        });
        Self { child, log_lines }
    }

    pub fn log_lines(&self) -> u64 {
        self.log_lines.load(Ordering::Relaxed)
    }

    /// The processor seconds that it has used, its threads and the kernel's work for it included.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        // After the name come the state and ten other fields, then utime and stime.
        let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap());
        ticks.sum::<f64>() / TICKS_PER_SECOND
    }

    /// The memory that it has resident.
    pub fn resident_bytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }
}

impl Server {
    /// Starts a server that prints `listening on ADDRESS` once it can be called.
    pub fn start(command: &mut Command) -> Self {
        let mut process = Process::start(command.stdout(Stdio::piped()));
        let mut output = BufReader::new(process.child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "{command:?} ended before it listened");
            if let Some((_, port)) = line.rsplit_once("listening on 127.0.0.1:") {
                let port = port.split(|letter: char| !letter.is_ascii_digit()).next().unwrap();
                break format!("127.0.0.1:{port}");
            }
        };
        // What else it prints is read to its end, or it would stand still.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { process, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
