//! What can be said of the machine from what the system tells everyone.

use serde::Serialize;

/// The machine that was measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The processor's name, where the system tells.
    pub processor: Option<String>,
    /// Its architecture.
    pub architecture: &'static str,
    /// The operating system.
    pub system: &'static str,
    /// Threads that run at once.
    pub threads: usize,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        Self {
            processor: processor(),
            architecture: std::env::consts::ARCH,
            system: std::env::consts::OS,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// In one line.
    pub fn sentence(&self) -> String {
        let Self { processor, architecture, system, threads } = self;
        let processor = processor.as_deref().unwrap_or("unknown processor");
        format!("{processor} ({architecture}, {system}), {threads} threads")
    }
}

/// Linux tells; elsewhere the name is unknown.
fn processor() -> Option<String> {
    let information = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = information.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}
