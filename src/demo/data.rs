//! The records of a small fictional clinic, made from a seed.

use serde::{Deserialize, Serialize};

use super::{dice::Dice, store::Id};

/// How many patients the clinic starts with.
pub const PATIENTS: u32 = 50;

/// A person in the clinic's care. How it looks outside depends on the API version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Where to write.
    pub email: Option<String>,
    /// Where to call.
    pub phone: Option<String>,
}

/// What became of an appointment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AppointmentStatus {
    /// Asked for.
    Scheduled,
    /// Agreed by the clinic.
    Confirmed,
    /// It took place.
    Completed,
    /// It will not take place.
    Cancelled,
}

/// A visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Appointment {
    /// Whose visit.
    pub patient_id: Id,
    /// The day, as `YYYY-MM-DD`.
    pub date: String,
    /// The time of day, as `HH:MM`.
    pub time: String,
    /// What became of it.
    pub status: AppointmentStatus,
    /// Why it was made.
    pub reason: String,
}

/// A prescription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Medication {
    /// Who takes it.
    pub patient_id: Id,
    /// The substance.
    pub name: &'static str,
    /// How much each time.
    pub dose: &'static str,
    /// How often.
    pub frequency: &'static str,
    /// The first day, as `YYYY-MM-DD`.
    pub started_on: String,
    /// Whether it is still taken.
    pub active: bool,
}

/// How far a lab order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LabOrderStatus {
    /// Asked for.
    Ordered,
    /// The sample is taken.
    Collected,
    /// The result is there.
    Completed,
}

/// A laboratory test that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LabOrder {
    /// Whose sample.
    pub patient_id: Id,
    /// What is measured.
    pub test: &'static str,
    /// How far it is.
    pub status: LabOrderStatus,
    /// The day it was asked for, as `YYYY-MM-DD`.
    pub ordered_on: String,
    /// The result, once there is one.
    pub result: Option<&'static str>,
}

/// Everything the clinic starts with. Numbers of patients count from 1 in order.
#[derive(Debug)]
pub struct Clinic {
    /// The patients.
    pub patients: Vec<Patient>,
    /// Three to five for each patient.
    pub appointments: Vec<Appointment>,
    /// Three to five for each patient.
    pub medications: Vec<Medication>,
    /// Three to five for each patient.
    pub lab_orders: Vec<LabOrder>,
}

impl Clinic {
    /// The same clinic for the same seed.
    pub fn generate(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut clinic =
            Self { patients: vec![], appointments: vec![], medications: vec![], lab_orders: vec![] };
        for number in 1..=PATIENTS {
            let id = Id(number);
            clinic.patients.push(patient(&mut dice, number));
            for _ in 0..dice.between(3, 5) {
                clinic.appointments.push(appointment(&mut dice, id));
            }
            for _ in 0..dice.between(3, 5) {
                clinic.medications.push(medication(&mut dice, id));
            }
            for _ in 0..dice.between(3, 5) {
                clinic.lab_orders.push(lab_order(&mut dice, id));
            }
        }
        clinic
    }
}

fn patient(dice: &mut Dice, number: u32) -> Patient {
    let (first, last) = (*dice.pick(FIRST_NAMES), *dice.pick(LAST_NAMES));
    Patient {
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        // example.org can never belong to anyone (RFC 2606), nor can 555-01xx numbers.
        email: Some(format!(
            "{}.{}.{number}@example.org",
            first.to_ascii_lowercase(),
            last.to_ascii_lowercase()
        )),
        phone: dice.chance(90).then(|| format!("+1-202-555-01{:02}", dice.between(0, 99))),
    }
}

fn appointment(dice: &mut Dice, patient_id: Id) -> Appointment {
    use AppointmentStatus::{Cancelled, Completed, Confirmed, Scheduled};
    let past = dice.chance(50);
    let status = match (past, dice.chance(20)) {
        (_, true) => Cancelled,
        (true, false) => Completed,
        (false, false) => *dice.pick(&[Scheduled, Confirmed]),
    };
    Appointment {
        patient_id,
        date: day(dice, if past { 2025 } else { 2027 }),
        time: format!("{:02}:{:02}", dice.between(8, 16), dice.pick(&[0, 20, 40])),
        status,
        reason: (*dice.pick(REASONS)).to_owned(),
    }
}

fn medication(dice: &mut Dice, patient_id: Id) -> Medication {
    let (name, dose) = *dice.pick(SUBSTANCES);
    let frequency = *dice.pick(&["once a day", "twice a day", "three times a day", "when needed"]);
    Medication { patient_id, name, dose, frequency, started_on: day(dice, 2025), active: dice.chance(70) }
}

fn lab_order(dice: &mut Dice, patient_id: Id) -> LabOrder {
    use LabOrderStatus::{Collected, Completed, Ordered};
    let (test, result) = *dice.pick(TESTS);
    let status = *dice.pick(&[Ordered, Collected, Completed, Completed]);
    let result = (status == Completed).then_some(result);
    LabOrder { patient_id, test, status, ordered_on: day(dice, 2025), result }
}

/// A day that every month has.
fn day(dice: &mut Dice, year: u32) -> String {
    format!("{year}-{:02}-{:02}", dice.between(1, 12), dice.between(1, 28))
}

const FIRST_NAMES: &[&str] = &[
    "Amina", "Bashir", "Chidi", "Dalia", "Elias", "Farah", "Gamal", "Hana", "Idris", "Jamila", "Karim",
    "Layla", "Musa", "Nadia", "Omar", "Rania", "Salma", "Tariq", "Yusuf", "Zainab",
];

const LAST_NAMES: &[&str] = &[
    "Abdi", "Bekele", "Desta", "Elsayed", "Fahmy", "Garang", "Haddad", "Ibrahim", "Juma", "Kamau", "Lado",
    "Mansour", "Nasser", "Okoro", "Osman", "Rashid", "Said", "Tesfaye", "Wani", "Zaki",
];

const REASONS: &[&str] = &[
    "yearly check-up",
    "blood pressure",
    "vaccination",
    "follow-up",
    "test results",
    "headache",
    "back pain",
    "diabetes care",
];

const SUBSTANCES: &[(&str, &str)] = &[
    ("Amlodipine", "5 mg"),
    ("Amoxicillin", "500 mg"),
    ("Atorvastatin", "20 mg"),
    ("Ibuprofen", "400 mg"),
    ("Levothyroxine", "50 µg"),
    ("Lisinopril", "10 mg"),
    ("Metformin", "850 mg"),
    ("Omeprazole", "20 mg"),
    ("Paracetamol", "500 mg"),
    ("Salbutamol", "100 µg"),
];

const TESTS: &[(&str, &str)] = &[
    ("Complete blood count", "within range"),
    ("Creatinine", "0.9 mg/dl"),
    ("Fasting glucose", "96 mg/dl"),
    ("HbA1c", "6.1 %"),
    ("Iron", "88 µg/dl"),
    ("LDL cholesterol", "118 mg/dl"),
    ("TSH", "2.1 mU/l"),
    ("Vitamin D", "31 ng/ml"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_three_to_five_of_everything() {
        let clinic = Clinic::generate(7);
        assert_eq!(clinic.patients.len(), PATIENTS as usize);
        for number in 1..=PATIENTS {
            let id = Id(number);
            let counts = [
                clinic.appointments.iter().filter(|a| a.patient_id == id).count(),
                clinic.medications.iter().filter(|m| m.patient_id == id).count(),
                clinic.lab_orders.iter().filter(|o| o.patient_id == id).count(),
            ];
            assert!(counts.iter().all(|count| (3..=5).contains(count)), "{id}: {counts:?}");
        }
    }

    #[test]
    fn nobody_real_can_be_reached() {
        for patient in Clinic::generate(7).patients {
            assert!(patient.email.is_some_and(|email| email.ends_with("@example.org")));
            assert!(patient.phone.is_none_or(|phone| phone.starts_with("+1-202-555-01")));
        }
    }

    #[test]
    fn only_completed_orders_have_a_result() {
        for order in Clinic::generate(7).lab_orders {
            assert_eq!(order.result.is_some(), order.status == LabOrderStatus::Completed);
        }
    }
}
