//! The injected preStop hook: who gets it, what it looks like, and that applying again changes nothing.
mod apply;
mod fixture;
mod hooks;
mod properties;
mod removal;
mod scope;
