//! `squall ca`: the certificate authority shown, and exported in the forms that trust stores take.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{keystore, told};
use crate::cli::{AuthorityArgs, CaArgs, CaCommand, ExportArgs, Format, Output, ShowArgs};
use crate::net::authority::{CertificateAuthority, TRUST_ANCHOR};
use crate::net::tls;
use crate::settings;

/// What clients must trust, and where it is.
pub struct Anchor {
    /// The file that holds it.
    pub file: PathBuf,
    /// It, in PEM.
    pub pem: String,
    /// The names it may sign for, one a line; `None`: that is the user's affair.
    pub names: Option<Vec<String>>,
}

impl Anchor {
    /// Finds it. Where no authority is kept yet, one is made, for `squall serve` to use.
    pub fn open(args: &AuthorityArgs) -> Result<Self> {
        if let Some(file) = &args.ca_cert {
            let pem = std::fs::read_to_string(file).with_context(|| format!("--ca-cert {}", file.display()))?;
            return Ok(Self { file: file.clone(), pem, names: None });
        }
        let dir = match &args.ca_dir {
            Some(dir) => dir.clone(),
            None => settings::data_dir()?.join("ca"),
        };
        let authority = CertificateAuthority::open(&dir, settings::permitted(&args.intercept))?;
        let names = authority.names();
        Ok(Self { file: dir.join(TRUST_ANCHOR), pem: authority.trust_anchor().to_owned(), names })
    }

    fn certificate(&self) -> Result<CertificateDer<'static>> {
        CertificateDer::from_pem_slice(self.pem.as_bytes())
            .with_context(|| format!("{} holds no certificate in PEM", self.file.display()))
    }
}

/// Does what was asked.
pub fn main(args: &CaArgs) -> ExitCode {
    let done = match &args.command {
        CaCommand::Export(args) => export(args),
        CaCommand::Show(args) => show(args),
    };
    told::end(done.map(|()| ExitCode::SUCCESS), ExitCode::FAILURE)
}

fn export(args: &ExportArgs) -> Result<()> {
    let certificate = Anchor::open(&args.authority)?.certificate()?;
    let system = if args.system || args.format == Format::Bundle { tls::system_roots() } else { Vec::new() };
    let all: Vec<_> = std::iter::once(certificate).chain(system).collect();
    let bytes = match args.format {
        Format::Bundle | Format::Pem => keystore::pem(&all).into_bytes(),
        Format::Der | Format::Trust if args.system => bail!("this form holds one certificate; leave out --system"),
        Format::Der => all[0].to_vec(),
        Format::Jks => keystore::jks(&all, &args.password),
        Format::P12 => keystore::pkcs12(&all, &args.password)?,
        Format::Trust => keystore::trusted(&all[0]).into_bytes(),
    };
    let Some(file) = &args.out else {
        let is_binary = matches!(args.format, Format::Der | Format::Jks | Format::P12);
        if is_binary && std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            bail!("this form is not for terminals; say where it goes with --out FILE");
        }
        return std::io::stdout().lock().write_all(&bytes).context("cannot write to stdout");
    };
    std::fs::write(file, bytes).with_context(|| format!("--out {}", file.display()))
}

fn show(args: &ShowArgs) -> Result<()> {
    let anchor = Anchor::open(&args.authority)?;
    let der = anchor.certificate()?;
    let (_, certificate) = X509Certificate::from_der(&der).context("the certificate cannot be read")?;
    let digest: Vec<_> = Sha256::digest(&der).iter().map(|byte| format!("{byte:02X}")).collect();
    let (digest, subject, validity) = (digest.join(":"), certificate.subject().to_string(), certificate.validity());
    let day = |time: x509_parser::time::ASN1Time| {
        jiff::Timestamp::from_second(time.timestamp()).map(|time| time.to_string().chars().take(10).collect::<String>())
    };
    let (from, until) = (day(validity.not_before)?, day(validity.not_after)?);
    let text = match args.output {
        Output::Json => {
            let (file, names) = (&anchor.file, &anchor.names);
            json!({"file": file, "subject": subject, "sha256": digest, "from": from, "until": until, "names": names})
                .to_string()
        }
        Output::Text => format!(
            "trust     {}\nsubject   {subject}\nsha-256   {digest}\nvalid     {from} to {until}\nsigns for {}",
            anchor.file.display(),
            anchor.names.as_ref().map_or_else(|| "what its own constraints allow".to_owned(), |names| names.join(" "))
        ),
    };
    writeln!(std::io::stdout().lock(), "{text}").context("cannot write to stdout")
}
