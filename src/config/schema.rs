//! temp
pub fn print(c: &super::Config) -> String {
    serde_json::to_string_pretty(c).unwrap_or_default()
}
pub fn json_schema() -> serde_json::Value {
    serde_json::to_value(schemars::schema_for!(super::Config)).unwrap_or_default()
}
