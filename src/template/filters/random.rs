//! Choices. With a seed they are those Python makes, so that a host keeps the minute its cron job had under Ansible.

use minijinja::{Environment, Error};
use sha2::Digest as _;

use super::call::{Args, Outcome, add, fail, items};
use crate::value::Value;

/// Registers them.
pub fn register(env: &mut Environment<'static>) {
    add(env, &["random"], random);
    add(env, &["shuffle"], shuffle);
}

fn random(value: &Value, args: &Args) -> Outcome {
    let mut twister = Twister::seeded(args.named().get("seed"));
    match value {
        Value::Int(end) => {
            let start = args.int(0, "start")?.unwrap_or(0);
            let step = args.int(1, "step")?.filter(|step| *step != 0).unwrap_or(1);
            let width = end.saturating_sub(start);
            let count = if step > 0 {
                width.saturating_add(step - 1) / step
            } else {
                width.saturating_add(step + 1).saturating_div(step)
            };
            let count = u64::try_from(count)
                .ok()
                .filter(|count| *count > 0)
                .ok_or_else(|| fail("`random` has nothing to choose from"))?;
            let chosen = i64::try_from(twister.below(count)).unwrap_or(0);
            Ok(Value::Int(start.saturating_add(step.saturating_mul(chosen))))
        }
        other => {
            let list = items(other)?;
            if list.is_empty() {
                return Err(fail("`random` has nothing to choose from"));
            }
            let at = usize::try_from(twister.below(list.len() as u64)).unwrap_or(0);
            Ok(list.get(at).cloned().unwrap_or_default())
        }
    }
}

fn shuffle(value: &Value, args: &Args) -> Result<Value, Error> {
    let mut list = items(value)?;
    mix(&mut list, args.get(0, "seed").filter(|seed| seed.is_true()));
    Ok(list.into())
}

fn mix<T>(list: &mut [T], seed: Option<&Value>) {
    let mut twister = Twister::seeded(seed);
    for at in (1..list.len()).rev() {
        let other = usize::try_from(twister.below(at as u64 + 1)).unwrap_or(0);
        list.swap(at, other);
    }
}

/// Puts things into any order.
#[cfg(feature = "controller")]
pub fn shuffled<T>(list: &mut [T]) {
    mix(list, None);
}

/// A number below `count`.
#[cfg(feature = "controller")]
pub fn random_below(count: usize) -> usize {
    if count == 0 {
        return 0;
    }
    usize::try_from(Twister::seeded(None).below(count as u64)).unwrap_or(0)
}

/// Text made of some letters; with a seed the text Python makes of it.
#[cfg(feature = "controller")]
pub fn random_text(length: usize, letters: &str, seed: Option<&Value>) -> String {
    let letters: Vec<char> = letters.chars().collect();
    let mut twister = Twister::seeded(seed);
    let mut one = || letters.get(usize::try_from(twister.below(letters.len() as u64)).unwrap_or(0)).copied();
    (0..length).filter_map(|_| one()).collect()
}

const WORDS: usize = 624;

/// Python's generator: the Mersenne Twister.
struct Twister {
    state: Vec<u32>,
    at: usize,
}

impl Twister {
    fn seeded(seed: Option<&Value>) -> Self {
        let key = match seed {
            None => {
                let mut bytes = [0; 16];
                let filled =
                    std::fs::File::open("/dev/urandom").and_then(|mut f| std::io::Read::read_exact(&mut f, &mut bytes));
                if filled.is_err() {
                    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                    bytes = now.as_nanos().to_le_bytes();
                }
                bytes.to_vec()
            }
            Some(Value::Int(n)) => n.unsigned_abs().to_be_bytes().to_vec(),
            Some(other) => {
                let text = other.to_string();
                let digest = sha2::Sha512::digest(text.as_bytes());
                [text.as_bytes(), digest.as_slice()].concat()
            }
        };
        Self::from_key(&words(&key))
    }

    fn from_key(key: &[u32]) -> Self {
        let mut state: Vec<u32> = Vec::with_capacity(WORDS);
        let mut last = 19_650_218u32;
        state.push(last);
        for n in 1..WORDS as u32 {
            last = 1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(n);
            state.push(last);
        }
        let mut twister = Self { state, at: WORDS };
        let (mut i, mut j) = (1, 0);
        for _ in 0..WORDS.max(key.len()) {
            let mixed = twister.mix(i, 1_664_525).wrapping_add(key.get(j).copied().unwrap_or(0)).wrapping_add(j as u32);
            twister.set(i, mixed);
            i = twister.next(i);
            j = (j + 1) % key.len().max(1);
        }
        for _ in 0..WORDS - 1 {
            let mixed = twister.mix(i, 1_566_083_941).wrapping_sub(i as u32);
            twister.set(i, mixed);
            i = twister.next(i);
        }
        twister.set(0, 0x8000_0000);
        twister
    }

    fn word(&self, at: usize) -> u32 {
        self.state.get(at % WORDS).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, word: u32) {
        if let Some(slot) = self.state.get_mut(at) {
            *slot = word;
        }
    }

    fn mix(&self, at: usize, factor: u32) -> u32 {
        let before = self.word(at + WORDS - 1);
        self.word(at) ^ (before ^ (before >> 30)).wrapping_mul(factor)
    }

    /// The place after `at`; at the end the last word becomes the first.
    fn next(&mut self, at: usize) -> usize {
        if at + 1 < WORDS {
            return at + 1;
        }
        let last = self.word(WORDS - 1);
        self.set(0, last);
        1
    }

    fn draw(&mut self) -> u32 {
        if self.at >= WORDS {
            for n in 0..WORDS {
                let bits = (self.word(n) & 0x8000_0000) | (self.word(n + 1) & 0x7fff_ffff);
                let twisted = if bits & 1 == 1 { 0x9908_b0df } else { 0 };
                let word = self.word(n + 397) ^ (bits >> 1) ^ twisted;
                self.set(n, word);
            }
            self.at = 0;
        }
        let mut word = self.word(self.at);
        self.at += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// A number below `n`, drawn as Python draws it.
    fn below(&mut self, n: u64) -> u64 {
        let bits = 64 - n.leading_zeros();
        loop {
            let drawn = if bits <= 32 {
                u64::from(self.draw() >> (32 - bits.max(1)))
            } else {
                u64::from(self.draw()) | (u64::from(self.draw() >> (64 - bits)) << 32)
            };
            if drawn < n {
                return drawn;
            }
        }
    }
}

/// A big-endian number as words, the lowest first.
fn words(bytes: &[u8]) -> Vec<u32> {
    let word = |chunk: &[u8]| chunk.iter().fold(0u32, |n, byte| (n << 8) | u32::from(*byte));
    let mut words: Vec<u32> = bytes.rchunks(4).map(word).collect();
    while words.len() > 1 && words.last() == Some(&0) {
        words.pop();
    }
    words
}
