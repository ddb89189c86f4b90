use std::process::ExitCode;

use tagboat::action::Environment;

fn main() -> anyhow::Result<ExitCode> {
    use anyhow::Context as _;
    let environment = Environment::of_process().context("couldn't read the current directory")?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    Ok(ExitCode::from(tagboat::run(&environment, &arguments).code()))
}
