use serde::{Deserialize, Deserializer};

use super::{nullable, shell};

/// What a container's preStop hook does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreStopHook {
    /// It waits that many seconds: a native `sleep`, or a command that does nothing but sleep.
    Sleep(u64),
    /// It waits at least that many seconds: a command that sleeps, and does something else.
    AtLeast(u64),
    /// It does something whose length cannot be read from it.
    Other,
}

impl PreStopHook {
    /// How many seconds it takes at the least; `None` where nothing tells.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Sleep(seconds) | Self::AtLeast(seconds) => Some(seconds),
            Self::Other => None,
        }
    }

    /// What a command does: a program and its arguments, which no shell has read.
    fn of_command(command: &[String]) -> Self {
        let time = shell::run_time(command);
        match time.at_least.map(|time| time.as_secs()) {
            Some(seconds) if time.is_exact => Self::Sleep(seconds),
            Some(seconds) => Self::AtLeast(seconds),
            None => Self::Other,
        }
    }
}

/// Reads a container's `lifecycle`.
pub(super) fn pre_stop<'de, D>(deserializer: D) -> Result<Option<PreStopHook>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Lifecycle {
        pre_stop: Option<Handler>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Handler {
        sleep: Option<Sleep>,
        exec: Option<Exec>,
    }
    #[derive(Deserialize)]
    struct Sleep {
        seconds: u64,
    }
    #[derive(Deserialize)]
    struct Exec {
        #[serde(default, deserialize_with = "nullable")]
        command: Vec<String>,
    }
    let lifecycle = Option::<Lifecycle>::deserialize(deserializer)?.unwrap_or_default();
    Ok(lifecycle.pre_stop.map(|handler| match handler {
        Handler { sleep: Some(sleep), .. } => PreStopHook::Sleep(sleep.seconds),
        Handler { exec: Some(exec), .. } => PreStopHook::of_command(&exec.command),
        Handler { .. } => PreStopHook::Other,
    }))
}
