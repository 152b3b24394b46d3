//! The agent's program: everything is in the library.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    std::process::exit(cfg::agent::main(&arguments));
}
