//! Lays out the catalog as the binary holds it: what all requests need as text, and the contents of each service deflated by themselves.
//!
//! Of `NAME.txt` (its grammar: `src/aws/catalog.py`) it writes `NAME.head`, all lines but those that belong to a service. There a service's
//! field `deflated=` tells how many bytes of `NAME.contents` are its own; they follow in the order of the services.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;

fn main() -> io::Result<()> {
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    for name in ["catalog", "supplement"] {
        let file = format!("src/aws/{name}.txt");
        println!("cargo::rerun-if-changed={file}");
        let (head, contents) = lay_out(&fs::read_to_string(&file)?)?;
        fs::write(Path::new(&out).join(format!("{name}.head")), head)?;
        fs::write(Path::new(&out).join(format!("{name}.contents")), contents)?;
    }
    Ok(())
}

fn lay_out(text: &str) -> io::Result<(String, Vec<u8>)> {
    let (mut head, mut contents) = (String::new(), Vec::new());
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with("service\t") {
            head += line;
            continue;
        }
        let mut own = DeflateEncoder::new(Vec::new(), Compression::best());
        while let Some(line) = lines.next_if(|line| !line.starts_with("service\t")) {
            own.write_all(line.as_bytes())?;
        }
        let own = own.finish()?;
        head += &format!("{}\tdeflated={}\n", line.trim_end(), own.len());
        contents.extend(own);
    }
    Ok((head, contents))
}
