//! What the services know: four collections in memory, filled from a seed.
//!
//! A clinic's services would each own their data; here they share one store so
//! that an appointment can be refused for a patient who does not exist.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::data::{self, Appointment, LabOrder, Medication, Patient};

/// When the seeded records were last changed: 2026-01-05 08:00:00 UTC.
pub fn seeded_at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_600_000)
}

/// Most records a collection holds, so that a load run cannot fill the memory.
pub const MAX_RECORDS: usize = 10_000;

/// The number of a record. In JSON it is text, because nobody calculates with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u32);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        is_canonical
            .then(|| text.parse().ok())
            .flatten()
            .map(Self)
            .ok_or("an id is a whole number such as \"42\"")
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A value with its number and the time of its last change.
#[derive(Clone, Debug)]
pub struct Record<T> {
    /// Its number.
    pub id: Id,
    /// When it was last changed.
    pub changed: SystemTime,
    /// What is known.
    pub value: T,
}

/// The collection is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Records of one kind in the order of their numbers.
#[derive(Debug)]
pub struct Collection<T> {
    records: BTreeMap<Id, Record<T>>,
    next: u32,
    changed: SystemTime,
}

impl<T: Clone> Collection<T> {
    fn seeded(values: Vec<T>) -> Self {
        let mut records = BTreeMap::new();
        let mut next = 1;
        for value in values {
            records.insert(Id(next), Record { id: Id(next), changed: seeded_at(), value });
            next += 1;
        }
        Self { records, next, changed: seeded_at() }
    }

    /// The record of a number.
    pub fn get(&self, id: Id) -> Option<&Record<T>> {
        self.records.get(&id)
    }

    /// A page of the records that pass, and how many pass in all.
    pub fn page(&self, page: Page, keep: impl Fn(&T) -> bool) -> (Vec<Record<T>>, usize) {
        let mut total = 0;
        let mut records = Vec::new();
        for record in self.records.values().filter(|record| keep(&record.value)) {
            if total >= page.offset && records.len() < page.limit {
                records.push(record.clone());
            }
            total += 1;
        }
        (records, total)
    }

    /// When any record was last added, changed or removed.
    pub fn changed(&self) -> SystemTime {
        self.changed
    }

    /// Adds a record under the next number.
    pub fn add(&mut self, value: T) -> Result<Record<T>, Full> {
        if self.records.len() >= MAX_RECORDS {
            return Err(Full);
        }
        let id = Id(self.next);
        self.next += 1;
        Ok(self.put(id, value))
    }

    /// Replaces the value of a number.
    pub fn put(&mut self, id: Id, value: T) -> Record<T> {
        self.changed = SystemTime::now();
        let record = Record { id, changed: self.changed, value };
        self.records.insert(id, record.clone());
        record
    }

    /// Removes a record; whether there was one.
    pub fn remove(&mut self, id: Id) -> bool {
        let removed = self.records.remove(&id).is_some();
        if removed {
            self.changed = SystemTime::now();
        }
        removed
    }

    /// Removes all records that pass.
    fn remove_where(&mut self, drop: impl Fn(&T) -> bool) {
        let before = self.records.len();
        self.records.retain(|_, record| !drop(&record.value));
        if self.records.len() != before {
            self.changed = SystemTime::now();
        }
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Most records in the answer.
    pub limit: usize,
    /// Records left out before the first.
    pub offset: usize,
}

/// All collections.
#[derive(Debug)]
pub struct Store {
    patients: RwLock<Collection<Patient>>,
    appointments: RwLock<Collection<Appointment>>,
    medications: RwLock<Collection<Medication>>,
    lab_orders: RwLock<Collection<LabOrder>>,
}

/// A collection for reading.
pub type Read<'a, T> = RwLockReadGuard<'a, Collection<T>>;
/// A collection for changing.
pub type Write<'a, T> = RwLockWriteGuard<'a, Collection<T>>;

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// The same records for the same seed, on every machine.
    pub fn new(seed: u64) -> Self {
        let clinic = data::Clinic::generate(seed);
        Self {
            patients: RwLock::new(Collection::seeded(clinic.patients)),
            appointments: RwLock::new(Collection::seeded(clinic.appointments)),
            medications: RwLock::new(Collection::seeded(clinic.medications)),
            lab_orders: RwLock::new(Collection::seeded(clinic.lab_orders)),
        }
    }

    /// The patients, for reading.
    pub fn patients(&self) -> Read<'_, Patient> {
        read(&self.patients)
    }

    /// The patients, for changing.
    pub fn patients_mut(&self) -> Write<'_, Patient> {
        write(&self.patients)
    }

    /// The appointments, for reading.
    pub fn appointments(&self) -> Read<'_, Appointment> {
        read(&self.appointments)
    }

    /// The appointments, for changing.
    pub fn appointments_mut(&self) -> Write<'_, Appointment> {
        write(&self.appointments)
    }

    /// The medications.
    pub fn medications(&self) -> Read<'_, Medication> {
        read(&self.medications)
    }

    /// The lab orders.
    pub fn lab_orders(&self) -> Read<'_, LabOrder> {
        read(&self.lab_orders)
    }

    /// Removes a patient and all that belongs to them; whether there was one.
    pub fn remove_patient(&self, id: Id) -> bool {
        let removed = self.patients_mut().remove(id);
        if removed {
            self.appointments_mut().remove_where(|appointment| appointment.patient_id == id);
            write(&self.medications).remove_where(|medication| medication.patient_id == id);
            write(&self.lab_orders).remove_where(|order| order.patient_id == id);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        assert_eq!("42".parse(), Ok(Id(42)));
        for bad in ["", "0", "042", "+42", "-1", "4 2", "x", "99999999999"] {
            assert!(bad.parse::<Id>().is_err(), "{bad:?}");
        }
        assert_eq!(serde_json::to_string(&Id(7)).unwrap(), "\"7\"");
        assert!(serde_json::from_str::<Id>("7").is_err());
    }

    #[test]
    fn the_same_seed_gives_the_same_records() {
        let names = |store: &Store| -> Vec<String> {
            let (records, _) = store.patients().page(Page { limit: 100, offset: 0 }, |_| true);
            records.into_iter().map(|record| record.value.last_name).collect()
        };
        assert_eq!(names(&Store::new(1)), names(&Store::new(1)));
        assert_ne!(names(&Store::new(1)), names(&Store::new(2)));
    }

    #[test]
    fn a_page_counts_what_it_leaves_out() {
        let store = Store::new(1);
        let (records, total) = store.patients().page(Page { limit: 10, offset: 45 }, |_| true);
        assert_eq!((records.len(), total), (5, 50));
        assert_eq!(records[0].id, Id(46));
        let (records, total) = store.patients().page(Page { limit: 10, offset: 1000 }, |_| true);
        assert_eq!((records.len(), total), (0, 50));
    }

    #[test]
    fn removing_a_patient_removes_what_is_theirs() {
        let store = Store::new(1);
        let all = Page { limit: 1000, offset: 0 };
        let theirs = |store: &Store| store.appointments().page(all, |a| a.patient_id == Id(3)).1;
        assert!(theirs(&store) >= 3);
        assert!(store.remove_patient(Id(3)));
        assert!(!store.remove_patient(Id(3)));
        assert_eq!(theirs(&store), 0);
        assert!(store.appointments().changed() > seeded_at());
    }

    #[test]
    fn a_collection_has_a_limit() {
        let mut collection = Collection::seeded(vec![0_u8; MAX_RECORDS - 1]);
        assert!(collection.add(1).is_ok());
        assert_eq!(collection.add(1).unwrap_err(), Full);
    }
}
