//! `stanch user`.

use serde_json::json;
use stanch_contract::Digest;

use crate::args::User;
use crate::console::Console;
use crate::error::{CliError, Exit};

pub fn run(command: &User, console: &Console) -> Result<Exit, CliError> {
    let User::Token { name } = command;
    let token = token()?;
    let digest = Digest::of(token.as_bytes());
    if console.is_json() {
        console.json(&json!({ "name": name, "token": token, "token_sha256": digest }))?;
        return Ok(Exit::Done);
    }
    let name = toml_string(name);
    console.say(&format!(
        "The token, shown this once; whoever has it in STANCH_TOKEN is this user:\n\n  {token}\n\n\
         Its entry in stanch.toml:\n\n  [[users]]\n  name = {name}\n  token_sha256 = \"{digest}\"\n  \
         role = \"approver\"                         # viewer, approver, operator, admin"
    ))?;
    Ok(Exit::Done)
}

/// 256 random bits, as hex digits.
pub fn token() -> Result<String, CliError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| CliError::Output(std::io::Error::other(error)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A TOML basic string; its escapes are those of JSON.
fn toml_string(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_256_bits_and_is_another_each_time() {
        let (a, b) = (token().unwrap(), token().unwrap());
        assert_eq!(a.len(), 64);
        assert!(a.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(a, b);
    }
}
