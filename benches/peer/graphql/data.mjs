// The same hundred patients for all: in the servers' own memory, and as answers of a service.
export const patients = Array.from({ length: 100 }, (_, i) => ({
  id: String(i + 1),
  firstName: `First${i + 1}`,
  lastName: `Last${i + 1}`,
  email: `patient${i + 1}@clinic.test`,
  phone: `+20 2 5550 ${String(i + 1).padStart(4, "0")}`,
}));

export const appointments = patients.flatMap(({ id }) =>
  Array.from({ length: 5 }, (_, i) => ({
    id: `${id}-${i + 1}`,
    patientId: id,
    date: `2027-0${i + 1}-15`,
    time: "10:30",
    reason: "check-up",
  })),
);

export const schema = `
  type Query { patients(limit: Int = 20): [Patient!]! }
  type Patient {
    id: ID!
    firstName: String!
    lastName: String!
    email: String
    phone: String
    appointments: [Appointment!]!
  }
  type Appointment { id: ID! patientId: ID! date: String! time: String! reason: String }
`;

export const queries = {
  "20 patients x 5 appointments":
    "{ patients(limit: 20) { id firstName appointments { id date time reason } } }",
  "100 patients x 5 fields": "{ patients(limit: 100) { id firstName lastName email phone } }",
};
