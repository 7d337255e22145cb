//! The events that CCM writes about Services, with the limits of client-go's recorder.

mod correlator;
mod recorder;

pub(crate) use recorder::Recorder;

/// CCM's name in its events.
pub const COMPONENT: &str = "service-controller";

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// For information.
    Normal,
    /// For a problem.
    Warning,
}

impl EventType {
    /// The value of the event's field `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// An event about a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    /// Normal or Warning.
    pub kind: EventType,
    /// The value of the field `reason`, such as `EnsuredLoadBalancer`.
    pub reason: &'static str,
    /// The value of the field `message`.
    pub message: String,
}

impl ServiceEvent {
    pub(crate) fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind: EventType::Normal, reason, message: message.into() }
    }

    pub(crate) fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind: EventType::Warning, reason, message: message.into() }
    }
}
