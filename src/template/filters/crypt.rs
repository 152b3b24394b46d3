//! Password hashes of the crypt family: SHA-256 and SHA-512, by Drepper's specification.

use minijinja::{Environment, Error};
use sha2::{Digest, Sha256, Sha512};

use super::call::{Args, Outcome, add, fail};
use crate::value::Value;

const ALPHABET: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The rounds where none are asked for; they are then not written into the hash.
const ROUNDS: u32 = 5000;
/// How long a password may be, as in Python's passlib.
const LONGEST: usize = 4096;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["password_hash"], password_hash);
}

fn password_hash(value: &Value, args: &Args) -> Outcome {
    let kind = args.text(0, "hashtype").unwrap_or_else(|| "sha512".into());
    let salt = match args.text(1, "salt") {
        Some(salt) => salt,
        None => random_salt()?,
    };
    let rounds = args.int(3, "rounds")?;
    // A round is about as much as eight steps of a template.
    args.spend(8 * rounds.map_or(ROUNDS.into(), |n| u64::try_from(n).unwrap_or(0).max(1000)))?;
    crypt(&value.to_string(), &kind, &salt, rounds).map(Value::from)
}

/// The hash of a password, with a salt that is given.
///
/// # Errors
/// Where there is no such hash or the salt does not fit.
#[cfg(feature = "controller")]
pub fn password_hash_of(password: &str, kind: &str, salt: &str) -> Result<String, String> {
    crypt(password, kind, salt, None).map_err(|error| error.detail().unwrap_or_default().to_owned())
}

fn crypt(password: &str, kind: &str, salt: &str, rounds: Option<i64>) -> Result<String, Error> {
    if salt.bytes().any(|byte| !ALPHABET.contains(&byte)) {
        return Err(fail("a salt is made of letters, digits, `.` and `/`"));
    }
    // The scheme repeats a password as often as it has characters.
    if password.len() > LONGEST {
        return Err(fail(format!("a password has at most {LONGEST} bytes")));
    }
    let salt = salt.get(..salt.len().min(16)).unwrap_or_default();
    let rounds = rounds.map(|n| u32::try_from(n.clamp(1000, 999_999_999)).unwrap_or(ROUNDS));
    let (prefix, hash) = match kind {
        "sha512" | "sha512_crypt" => ("$6$", hash::<Sha512>(password, salt, rounds.unwrap_or(ROUNDS), &ORDER_512)),
        "sha256" | "sha256_crypt" => ("$5$", hash::<Sha256>(password, salt, rounds.unwrap_or(ROUNDS), &ORDER_256)),
        other => return Err(fail(format!("`password_hash` makes sha512 and sha256, not `{other}`"))),
    };
    let rounds = rounds.filter(|n| *n != ROUNDS).map(|n| format!("rounds={n}$")).unwrap_or_default();
    Ok(format!("{prefix}{rounds}{salt}${hash}"))
}

fn random_salt() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let read =
        std::fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    read.map_err(|e| fail(format!("cannot make a salt: {e}")))?;
    Ok(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63))).map(|c| char::from(*c)).collect())
}

/// Repeats a digest to a length.
fn stretch(digest: &[u8], length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

fn hash<D: Digest>(password: &str, salt: &str, rounds: u32, order: &[[usize; 3]]) -> String {
    let (key, salt) = (password.as_bytes(), salt.as_bytes());
    let of = |parts: &[&[u8]]| -> Vec<u8> {
        let mut digest = D::new();
        parts.iter().for_each(|part| digest.update(part));
        digest.finalize().to_vec()
    };
    let b = of(&[key, salt, key]);
    let mut start = [key, salt, &stretch(&b, key.len())].concat();
    let mut bits = key.len();
    while bits > 0 {
        start.extend_from_slice(if bits & 1 == 1 { &b } else { key });
        bits >>= 1;
    }
    let mut a = of(&[&start]);
    let p = stretch(&of(&[&key.repeat(key.len())]), key.len());
    let times = 16 + usize::from(a.first().copied().unwrap_or(0));
    let s = stretch(&of(&[&salt.repeat(times)]), salt.len());
    for round in 0..rounds {
        let first: &[u8] = if round & 1 == 1 { &p } else { &a };
        let last: &[u8] = if round & 1 == 1 { &a } else { &p };
        let by_three: &[u8] = if round % 3 != 0 { &s } else { &[] };
        let by_seven: &[u8] = if round % 7 != 0 { &p } else { &[] };
        a = of(&[first, by_three, by_seven, last]);
    }
    encode(&a, order)
}

/// The order of bytes in the hash; 255 stands for none.
const NONE: usize = 255;

const ORDER_512: [[usize; 3]; 22] = [
    [0, 21, 42],
    [22, 43, 1],
    [44, 2, 23],
    [3, 24, 45],
    [25, 46, 4],
    [47, 5, 26],
    [6, 27, 48],
    [28, 49, 7],
    [50, 8, 29],
    [9, 30, 51],
    [31, 52, 10],
    [53, 11, 32],
    [12, 33, 54],
    [34, 55, 13],
    [56, 14, 35],
    [15, 36, 57],
    [37, 58, 16],
    [59, 17, 38],
    [18, 39, 60],
    [40, 61, 19],
    [62, 20, 41],
    [NONE, NONE, 63],
];

const ORDER_256: [[usize; 3]; 11] = [
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
    [NONE, 31, 30],
];

fn encode(digest: &[u8], order: &[[usize; 3]]) -> String {
    let mut out = String::new();
    for group in order {
        let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or(0));
        let [a, b, c] = *group;
        let mut bits = (byte(a) << 16) | (byte(b) << 8) | byte(c);
        let letters = 4 - group.iter().filter(|at| **at == NONE).count();
        for _ in 0..letters {
            out.extend(ALPHABET.get((bits & 63) as usize).map(|c| char::from(*c)));
            bits >>= 6;
        }
    }
    out
}
