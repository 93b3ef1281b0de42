//! temp
use super::{Config, finding::*};
use std::path::{Path, PathBuf};
pub struct Loaded {
    pub config: Config,
    pub source: Source,
    pub files: Vec<PathBuf>,
    pub fingerprint: u64,
    pub warnings: Vec<Finding>,
}
pub struct Source;
impl Source {
    pub fn report(&self, p: Vec<Problem>) -> ConfigError {
        ConfigError {
            findings: p
                .into_iter()
                .map(|p| Finding { message: format!("{}: {} {:?}", p.path, p.message, p.hint) })
                .collect(),
        }
    }
}
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigError { findings: vec![Finding { message: e.to_string() }] })?;
    let config: Config = serde_yaml::from_str(&text)
        .map_err(|e| ConfigError { findings: vec![Finding { message: e.to_string() }] })?;
    Ok(Loaded {
        config,
        source: Source,
        files: vec![path.into()],
        fingerprint: fingerprint(path).unwrap_or(0),
        warnings: vec![],
    })
}
pub fn fingerprint(path: &Path) -> Option<u64> {
    use std::hash::{Hash, Hasher};
    let mut h = std::hash::DefaultHasher::new();
    std::fs::read(path).ok()?.hash(&mut h);
    Some(h.finish())
}
