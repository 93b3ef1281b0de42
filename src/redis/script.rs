//! Scripts that are sent by their name.

use redis::{Cmd, RedisResult, Value};

use super::target::Connection;

/// A script in Lua. Redis keeps it, so that it is sent whole only to a server that has never
/// seen it, or has forgotten it.
pub struct Script {
    code: &'static str,
    /// What Redis calls it: its SHA-1 in hexadecimal.
    hash: String,
}

impl Script {
    /// The script with this text.
    pub fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    /// Carries it out on one key.
    ///
    /// # Errors
    /// What Redis says, or the connection.
    pub async fn run(&self, connection: &Connection, key: &str, arguments: &[u64]) -> RedisResult<Value> {
        match connection.query(&command("EVALSHA", &self.hash, key, arguments)).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                connection.query(&command("EVAL", self.code, key, arguments)).await
            }
            answer => answer,
        }
    }
}

fn command(name: &str, script: &str, key: &str, arguments: &[u64]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(key).arg(arguments);
    command
}
