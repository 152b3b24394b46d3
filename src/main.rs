//! The `cfg` program: everything is in the library.

fn main() -> std::process::ExitCode {
    cfg::cli::main()
}
