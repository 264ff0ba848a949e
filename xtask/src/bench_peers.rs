//! countersign beside other authenticators: runs the package `benches/peers/` and writes down what it measured.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use x509_cert::der::DateTime;

use crate::{
    plot,
    results::{Absent, Measured, Results},
    run as command,
};

/// Where the results are kept, from the repository's root.
const RESULTS: &str = "benches/peers/results.json";
const PAPER: &str = "benches/RESULTS.md";
const PLOT: &str = "docs/speed.svg";

/// The candidate whose dependencies need more than a Rust toolchain and a C compiler.
const FIDO_AUTHENTICATOR: &str = "fido-authenticator 0.4.0-rc.4";
/// What generates the bindings of that dependency.
const LIBCLANG: &str = "libclang==18.1.1";

/// Measures, prints the tables, keeps the results, and writes them into the papers.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let (program, absent) = build(root)?;
    let output =
        Command::new(&program).output().map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("the bench failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let measured: Measured = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let results = Results {
        date: date()?,
        cpu: cpu(),
        rustc: first_line(Command::new("rustc").arg("--version"))?,
        profile: "release, lto = \"thin\"".to_owned(),
        measured,
        absent,
    };
    print!("{}", results.markdown());
    let json = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?;
    write(&root.join(RESULTS), &(json + "\n"))?;
    papers(root, &results)
}

/// Writes the results that are kept into the papers once more.
pub(crate) fn plot(root: &Path) -> Result<(), String> {
    papers(root, &kept(root)?)
}

/// The plot, and the section of the paper on costs.
fn papers(root: &Path, results: &Results) -> Result<(), String> {
    write(&root.join(PLOT), &plot::svg(results))?;
    let paper = root.join(PAPER);
    write(&paper, &results.within(&read(&paper)?)?)
}

fn kept(root: &Path) -> Result<Results, String> {
    serde_json::from_str(&read(&root.join(RESULTS))?).map_err(|error| format!("{RESULTS}: {error}"))
}

/// The program, with every candidate that can be built, and why the others cannot.
fn build(root: &Path) -> Result<(PathBuf, Vec<Absent>), String> {
    let target = root.join("target/peers");
    let program = target.join("release/countersign-bench-peers");
    let all = ["--features", "fido-authenticator"];
    let failed = match cargo(root, &target, &all, &[])? {
        None => return Ok((program, Vec::new())),
        Some(why) if why.contains("libclang") => match libclang(root) {
            Ok(variables) => cargo(root, &target, &all, &variables)?,
            Err(error) => Some(format!("{why}; getting it: {error}")),
        },
        why => why,
    };
    let Some(reason) = failed else { return Ok((program, Vec::new())) };
    match cargo(root, &target, &[], &[])? {
        None => Ok((program, vec![Absent { candidate: FIDO_AUTHENTICATOR.to_owned(), reason }])),
        Some(why) => Err(why),
    }
}

/// Builds, and says why if it failed.
fn cargo(
    root: &Path,
    target: &Path,
    features: &[&str],
    variables: &[(&str, String)],
) -> Result<Option<String>, String> {
    let output = Command::new("cargo")
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(target)
        .args(features)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        // The package's own folder: what applies to the workspace stays there.
        .current_dir(root.join("benches/peers"))
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    Ok((!output.status.success()).then(|| reason(&String::from_utf8_lossy(&output.stderr))))
}

/// Of a failed build's output, the lines that say why, without paths of this machine.
fn reason(output: &str) -> String {
    let tells = |line: &&str| {
        line.starts_with("error") || line.contains("Unable to find libclang") || line.contains("fatal error:")
    };
    let lines: Vec<&str> = output.lines().map(str::trim).filter(tells).collect();
    let words = lines.join("; ");
    words.split_whitespace().filter(|word| !word.contains('/')).collect::<Vec<_>>().join(" ")
}

/// libclang out of the Python package index, and the compiler's own headers, which that has not: as variables for bindgen.
fn libclang(root: &Path) -> Result<Vec<(&'static str, String)>, String> {
    let venv = root.join("target/peers-venv");
    let python = venv.join("bin/python");
    if !python.exists() {
        command(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", LIBCLANG];
    command(Command::new(&python).args(install))?;
    let folder = "import clang, pathlib; print(pathlib.Path(clang.__path__[0]) / 'native')";
    let library = first_line(Command::new(&python).args(["-c", folder]))?;
    let headers = first_line(Command::new("cc").arg("-print-file-name=include"))?;
    Ok(vec![("LIBCLANG_PATH", library), ("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{headers}"))])
}

fn first_line(program: &mut Command) -> Result<String, String> {
    let output = program.output().map_err(|error| format!("{program:?} cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned).ok_or_else(|| format!("{program:?} says nothing"))
}

/// Today, in UTC.
fn date() -> Result<String, String> {
    let today = DateTime::from_system_time(SystemTime::now()).map_err(|error| error.to_string())?;
    Ok(format!("{:04}-{:02}-{:02}", today.year(), today.month(), today.day()))
}

/// The processor as Linux calls it, and how many of it there are.
fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or("unknown processor", |(_, name)| name.trim());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name} ({}), {threads} cores", std::env::consts::ARCH)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_failed_build_names_what_is_missing_and_no_path() {
        let output = "   Compiling littlefs2-sys v0.4.0\n\
                      error: failed to run custom build command for `littlefs2-sys v0.4.0`\n\n  \
                      thread 'main' panicked at /home/somebody/lib.rs:622:27:\n  \
                      Unable to find libclang: \"couldn't find any\"\n";
        let expected = "error: failed to run custom build command for `littlefs2-sys v0.4.0`; \
                        Unable to find libclang: \"couldn't find any\"";
        assert_eq!(reason(output), expected);
    }

    #[test]
    fn the_paper_and_the_plot_are_those_of_the_results() {
        let root = crate::root();
        let results = kept(&root).expect("the committed results can be read");
        let paper = read(&root.join(PAPER)).expect("the paper is there");
        assert_eq!(results.within(&paper).as_deref(), Ok(paper.as_str()), "run `cargo xtask plot`");
        let drawn = read(&root.join(PLOT)).expect("the plot is there");
        assert!(plot::svg(&results) == drawn, "run `cargo xtask plot`");
    }
}
