//! Verifies DPoP proofs with dpop-verifier: one JSON object per line in, one out.
use async_trait::async_trait;
use dpop_verifier::{DpopError, DpopVerifier, NonceMode, ReplayContext, ReplayStore};
use serde_json::{json, Value};
use std::collections::HashSet;
use std::io::stdin;

struct Used(HashSet<[u8; 32]>);

#[async_trait]
impl ReplayStore for Used {
    async fn insert_once(&mut self, jti: [u8; 32], _: ReplayContext<'_>) -> Result<bool, DpopError> {
        Ok(self.0.insert(jti))
    }
}

fn verify(question: &Value, used: &mut Used) -> Result<(), DpopError> {
    let text = |name: &str| question[name].as_str();
    let nonce_mode = match text("nonce") {
        Some(nonce) => NonceMode::RequireEqual { expected_nonce: nonce.into() },
        None => NonceMode::Disabled,
    };
    let verifier = DpopVerifier::new().with_nonce_mode(nonce_mode);
    let [proof, url, method] = ["proof", "url", "method"].map(|name| text(name).unwrap_or_default());
    pollster::block_on(verifier.verify(used, proof, url, method, text("accessToken")))?;
    Ok(())
}

fn main() {
    let mut used = Used(HashSet::new());
    for line in stdin().lines() {
        let question = serde_json::from_str(&line.expect("a line of UTF-8")).expect("a JSON object");
        let verdict = match verify(&question, &mut used) {
            Ok(()) => json!({}),
            Err(error) => json!({ "error": error.to_string() }),
        };
        println!("{verdict}");
    }
}
