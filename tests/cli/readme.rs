//! Compares README and `docs/` with the program: the output of commands, the configuration reference, RPCs and exit codes,
//! and that every link to a file has a target.

use std::path::Path;

use crate::{commands::words, support::Gateway};

const README: &str = include_str!("../../README.md");
const CONFIGURATION: &str = include_str!("../../docs/configuration.md");
const ERRORS: &str = include_str!("../../docs/errors.md");
const PROTOS: [&str; 4] = [
    include_str!("../../proto/stockroom/v1/search_service.proto"),
    include_str!("../../proto/stockroom/v1/product_service.proto"),
    include_str!("../../proto/stockroom/v1/browse_service.proto"),
    include_str!("../../proto/stockroom/v1/admin_service.proto"),
];

/// Every `stockroom` command of a `console` block, in the README's order, against one gateway.
#[test]
fn the_commands_print_what_the_readme_shows() {
    let gateway = Gateway::start();
    let blocks: Vec<&str> =
        README.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for (command, shown) in
        blocks.iter().flat_map(|block| block.split("$ stockroom ").skip(1)).map(|c| c.split_once('\n').unwrap())
    {
        let arguments = words(command);
        let ended = gateway.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let printed = ended.stdout + &ended.stderr;
        assert_eq!(lasting(&printed), lasting(shown), "`stockroom {command}` prints now:\n\n{printed}");
    }
}

#[test]
fn the_configuration_reference_is_current() {
    let reference = stockroom::config::reference();
    assert!(CONFIGURATION == reference, "run `stockroom config --reference > docs/configuration.md`");
}

#[test]
fn every_rpc_and_every_exit_code_is_documented() {
    let gateway = Gateway::start();
    let help = gateway.run(&["--help"]).stdout;
    let codes = help.split("Exit codes:\n").nth(1).unwrap().lines().map(|line| line.trim().split_once("  ").unwrap());
    let codes: Vec<String> = codes.map(|(code, meaning)| format!("| {code} | {meaning} |")).collect();
    let rpcs: Vec<String> = PROTOS.iter().flat_map(|proto| rpcs(proto)).collect();
    assert!(codes.len() > 5 && rpcs.len() > 10);
    for row in &rpcs {
        assert!(README.contains(row), "README.md lacks {row}");
    }
    for row in &codes {
        assert!(ERRORS.contains(row), "docs/errors.md lacks {row}");
    }
}

/// Every relative link of the root's and of `docs/`' Markdown files names a file or folder of the repository.
#[test]
fn every_link_to_a_file_has_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for folder in [root.to_path_buf(), root.join("docs")] {
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
            let text = std::fs::read_to_string(&file).unwrap();
            for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
                if !target.is_empty() && !target.contains("://") {
                    assert!(folder.join(target).exists(), "{} links to {target}", file.display());
                    links += 1;
                }
            }
        }
    }
    assert!(links > 10, "only {links} links were found");
}

/// The RPCs of a proto file, as the README names them.
fn rpcs(proto: &str) -> Vec<String> {
    let service = proto.lines().find_map(|line| line.strip_prefix("service ")).unwrap().trim_end_matches(" {");
    let names = proto.lines().filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next());
    names.map(|name| format!("| `{service}.{name}` |")).collect()
}

/// What is the same every time: without how long ago something was, and without blank lines at the end.
fn lasting(text: &str) -> String {
    let line = |line: &str| line.split("fetched ").next().unwrap_or_default().trim_end().to_owned();
    text.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}
