//! Traces on their way from a request to the one that is made for it in the background.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::RequestTrace;

/// Most traces kept: those whose requests never come must not add up.
const MAX: usize = 1024;

/// Traces by the slot that is being renewed. Pingora hands nothing over itself.
#[derive(Debug, Default)]
pub struct Handover(Mutex<HashMap<[u8; 16], RequestTrace>>);

impl Handover {
    /// Leaves the trace of a request that has a response renewed.
    pub fn leave(&self, slot: [u8; 16], trace: &RequestTrace) {
        let mut waiting = self.0.lock();
        if waiting.len() < MAX || waiting.contains_key(&slot) {
            waiting.insert(slot, trace.clone());
        }
    }

    /// The trace of the request that renews it: below the one that was left.
    pub fn take(&self, slot: [u8; 16]) -> Option<RequestTrace> {
        self.0.lock().remove(&slot).map(|trace| trace.child())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_trace_is_taken_once_and_there_is_a_limit() {
        let trace = RequestTrace::begin(&[], &HeaderMap::new(), false);
        let handover = Handover::default();
        for n in 0..=MAX {
            handover.leave((n as u128).to_be_bytes(), &trace);
        }
        assert_eq!(handover.take([0; 16]).unwrap().parent, Some(trace.span));
        assert!(handover.take([0; 16]).is_none());
        assert!(handover.take((MAX as u128).to_be_bytes()).is_none());
    }
}
