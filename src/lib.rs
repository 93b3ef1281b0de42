#![doc = include_str!("ARCHITECTURE.md")]

// Floor 1: what the operator wrote.
pub mod config;
