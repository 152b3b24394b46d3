//! Secrets: ansible-vault text, and keeping secret values out of every output.
//!
//! Invariants: what came from a vault, a prompt, or a parameter marked secret is registered with the [`Redactor`] the
//! moment it is known; everything that is shown or recorded passes through it.

mod redact;
mod vault;

pub use redact::Redactor;
#[doc(hidden)]
pub use vault::fuzzing;
pub use vault::{DEFAULT_ID, Opened, Password, Vault, VaultError, encrypt, is_vault};
