//! Protocols that are broken, each in one place.

/// What a broken protocol does in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// The review of a change or a deletion removes the claims that the Service gives up.
    LeaveRemoves,
    /// Claims are written over whatever the Lease holds by then.
    WriteWithoutVersion,
    /// Services in the way are read before the Lease is.
    EarlyRead,
    /// Past uids are looked up after the Service was read.
    UidsAfterRead,
    /// Reviews of the second Service are judged by a clock that is an hour fast.
    OwnClock,
    /// A new Lease is filled from a cache that is still empty.
    FillFromCache,
    /// A sweep deletes the Lease whatever its version is by then.
    SweepWithoutVersion,
    /// A change that keeps the annotations claims nothing: it changes the type or the class alone.
    AnnotationsAlone,
    /// Writes are given up for lost while API servers may still carry them out.
    ImpatientClock,
}
