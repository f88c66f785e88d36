//! What can break in the city.

use crate::shell::TaskError;

/// Something that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// A worker of the EU region hangs, and its users wait.
    Latency,
    /// The provider of a model takes no requests.
    Provider,
    /// A prompt gets past the filters, and somebody repeats it.
    Toxic,
    /// A worker in a pod takes requests and answers none.
    Pod,
    /// Scratch files fill a folder.
    DiskFull,
}

impl Scenario {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Latency,
        Self::Provider,
        Self::Toxic,
        Self::Pod,
        Self::DiskFull,
    ];

    /// Those that a word means; none where there is no such.
    pub(crate) fn named(word: &str) -> Result<Vec<Self>, TaskError> {
        let found: Vec<Self> = Self::ALL
            .into_iter()
            .filter(|scenario| word == "all" || word == scenario.name())
            .collect();
        if found.is_empty() {
            let names: Vec<&str> = Self::ALL.iter().map(|scenario| scenario.name()).collect();
            let message = format!("no scenario `{word}`: `all`, `{}`", names.join("`, `"));
            return Err(TaskError::Other(message));
        }
        Ok(found)
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Provider => "provider",
            Self::Toxic => "toxic",
            Self::Pod => "pod",
            Self::DiskFull => "disk-full",
        }
    }

    /// The runbook that is for it.
    pub(super) fn runbook(self) -> &'static str {
        match self {
            Self::Latency => "high-latency",
            Self::Provider => "provider-outage",
            Self::Toxic => "toxic-loop",
            Self::Pod => "hanged-gpu",
            Self::DiskFull => "disk-full",
        }
    }

    /// The city's buttons for it; the first breaks it.
    pub(super) fn buttons(self) -> &'static [&'static str] {
        match self {
            Self::Latency => &["break/latency", "mend/latency"],
            Self::Provider => &["break/provider", "mend/provider"],
            Self::Toxic => &["break/toxic"],
            Self::Pod => &["break/pod"],
            Self::DiskFull => &["break/disk-full"],
        }
    }

    /// What a person does in the city to do a step by hand.
    pub(super) fn by_hand(self, step: &str) -> Option<&'static str> {
        (self == Self::Latency && step == "restart_worker").then_some("mend/latency")
    }

    /// What comes to be well by itself, once the run waits for that.
    pub(super) fn comes_back(self) -> Option<&'static str> {
        (self == Self::Provider).then_some("mend/provider")
    }

    /// What happens, in a sentence.
    pub(super) fn story(self) -> &'static str {
        match self {
            Self::Latency => {
                "A worker of the EU region hangs. Its users wait, and the city says HighLatency_Cluster_B."
            }
            Self::Provider => {
                "The provider answers 503. What users ask fails, and the city says ProviderOutage."
            }
            Self::Toxic => {
                "Mallory repeats a prompt that gets past the filters. Mira, of Trust & Safety, reports it; only she is shown it."
            }
            Self::Pod => {
                "A worker in a pod takes requests and answers none. Its users wait, and the city says GPUWorkerHangs."
            }
            Self::DiskFull => "Scratch files fill a folder, and the city says DiskFull.",
        }
    }
}
