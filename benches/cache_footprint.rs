//! Memory that 100,000 objects of 1 KB really take, as resident memory over the bytes of
//! their keys, fields, bodies and names; and what is resident after churn, over the capacity.
//! Fails when the tier needs more than the goal. Each subject has a process of its own.
//!
//! Fields take 200 to 299 bytes, as those of real answers differ; beside that 250 each time,
//! where every entry is of the same size.
#![allow(clippy::print_stdout, reason = "a bench reports to the terminal")]

use std::{env, fs, process::Command, sync::Arc};

use cache::{Engine, OTHERS, Random, STRATEGIES, entry, key, tier};
use nilegate::cache::{entry::StoredEntry, key::EntryKey, memory::MemoryTier};
use parking_lot::Mutex;

mod cache;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OBJECTS: u64 = 100_000;
const GOAL: f64 = 1.35;
const CHURN_CAPACITY: u64 = 64 << 20;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [measure, subject, ..] = &arguments[..] {
        return println!("{}", measured(measure, subject));
    }
    println!("| engine | resident / bytes of the objects | all of one size | churn: resident / capacity |");
    println!("|---|---|---|---|");
    let mut is_good = true;
    for (name, _) in STRATEGIES {
        let [filled, even, churned] = ["fill", "even", "churn"].map(|measure| in_own_process(measure, name));
        println!("| {name} | {filled:.3} | {even:.3} | {churned:.3} |");
        is_good &= filled <= GOAL && even <= GOAL;
    }
    for name in OTHERS.map(|(name, _)| name).into_iter().chain(["*the entries alone*"]) {
        let [filled, even] = ["fill", "even"].map(|measure| in_own_process(measure, name));
        println!("| {name} | {filled:.3} | {even:.3} | |");
    }
    assert!(is_good, "the goal is {GOAL}");
}

fn in_own_process(measure: &str, subject: &str) -> f64 {
    let this = env::current_exe().expect("the path of this bench");
    let output = Command::new(this).args([measure, subject]).output().expect("this bench starts");
    assert!(output.status.success(), "{subject}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a figure")
}

fn measured(measure: &str, subject: &str) -> f64 {
    let ours = STRATEGIES.iter().find(|(name, _)| *name == subject).map(|(_, eviction)| *eviction);
    let other = OTHERS.iter().find(|(name, _)| *name == subject).map(|(_, engine)| engine);
    let spread = if measure == "fill" { 100 } else { 1 };
    match (measure, ours, other) {
        ("churn", Some(eviction), _) => churn(&tier(eviction, CHURN_CAPACITY)),
        (_, Some(eviction), _) => fill(spread, &|| Box::new(tier(eviction, 256 << 20))),
        (_, None, Some(engine)) => fill(spread, &|| engine(2 * OBJECTS as usize)),
        (_, None, None) => fill(spread, &|| Box::new(Shelf::default())),
    }
}

/// Keeps entries in a list, to see what they take by themselves.
#[derive(Default)]
struct Shelf(Mutex<Vec<Arc<StoredEntry>>>);

impl Engine for Shelf {
    fn get(&self, _: &EntryKey) -> Option<Arc<StoredEntry>> {
        self.0.lock().first().cloned()
    }

    fn put(&self, _: EntryKey, entry: Arc<StoredEntry>) {
        self.0.lock().push(entry);
    }
}

fn fill(spread: u64, engine: &dyn Fn() -> Box<dyn Engine>) -> f64 {
    let before = resident();
    let engine = engine();
    let (mut bytes, mut random) = (0, Random(1));
    for number in 0..OBJECTS {
        let head = 250 - spread / 2 + random.below(spread);
        let entry = entry(head as usize, 1024, &format!("api.example.org/patients/{number}"), number);
        bytes += size_of::<EntryKey>() + entry.fields().len() + entry.body_len() + entry.target().len();
        engine.put(key(number), entry);
    }
    engine.settle();
    let found = (0..OBJECTS).filter(|number| engine.get(&key(*number)).is_some()).count();
    assert!(found as u64 == OBJECTS, "only {found} are there");
    (resident() - before) as f64 / bytes as f64
}

/// A million stores of all sizes into a tier that holds some thousands of them.
fn churn(tier: &MemoryTier) -> f64 {
    let before = resident();
    let mut random = Random(1);
    for _ in 0..1_000_000 {
        let least = 100 << random.below(8);
        let body = (least + random.below(least)) as usize;
        tier.put(key(random.below(1_000_000)), entry(250, body, "api.example.org/patients/1", 1));
    }
    assert!(tier.stats().bytes <= CHURN_CAPACITY as usize);
    (resident() - before) as f64 / CHURN_CAPACITY as f64
}

/// Bytes of resident memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024
}
