//! The certificate authority as verifiers see it: OpenSSL, Python and rustls believe it for AWS and this machine, and for nothing else.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use squall::net::authority::CertificateAuthority;
use squall::net::name::HostName;
use squall::net::tls;
use squall::settings;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::client;

const AWS: &str = "dynamodb.us-east-1.amazonaws.com";
const EVIL: &str = "evil.example.com";

/// Serves TLS handshakes with this configuration until the test ends.
async fn serve(config: rustls::ServerConfig) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                }
            });
        }
    });
    port
}

/// A leaf for any name at all, made by a thief of the key in `dir`.
fn stolen(dir: &Path, name: &str) -> rustls::ServerConfig {
    let intermediate = CertificateDer::from_pem_file(dir.join("intermediate.pem")).unwrap();
    let key = KeyPair::from_pem(&std::fs::read_to_string(dir.join("intermediate.key")).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_der(&intermediate, key).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2025, 1, 1), rcgen::date_time_ymd(2045, 1, 1));
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&leaf_key, &issuer).unwrap();
    let signing =
        tls::provider().key_provider.load_private_key(PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap());
    tls::server_config(CertifiedKey::new(vec![leaf.der().clone(), intermediate], signing.unwrap())).unwrap()
}

/// Asks a program outside; runs beside the server in this process.
async fn run(mut command: Command) -> (bool, String) {
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(variable);
    }
    let output =
        tokio::task::spawn_blocking(move || command.stdin(std::process::Stdio::null()).output().unwrap()).await;
    let output = output.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

async fn openssl(port: u16, name: &str, root: &Path) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-verify_return_error", "-CAfile"]).arg(root);
    match HostName::parse(name) {
        HostName::Ip(_) => command.args(["-noservername", "-verify_ip", name]),
        HostName::Dns(_) => command.args(["-servername", name, "-verify_hostname", name]),
    };
    run(command).await
}

async fn python(port: u16, name: &str, root: &Path) -> (bool, String) {
    // Python 3.13 turns the strict flag on by default.
    let script = "import socket, ssl, sys\n\
        context = ssl.create_default_context(cafile=sys.argv[3])\n\
        context.verify_flags |= ssl.VERIFY_X509_STRICT\n\
        context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname=sys.argv[2])\n";
    let mut command = Command::new("python3");
    command.args(["-c", script, &port.to_string(), name]).arg(root);
    run(command).await
}

async fn rustls_says(port: u16, name: &str, root: &Path) -> (bool, String) {
    let stream = client::connect(([127, 0, 0, 1], port).into()).await;
    let secured = client::secure(stream, name, &std::fs::read_to_string(root).unwrap()).await;
    (secured.is_ok(), secured.err().map_or_else(String::new, |e| e.to_string()))
}

#[tokio::test]
async fn openssl_python_and_rustls_accept_aws_names_and_loopback_and_refuse_all_else() {
    let dir = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::open(dir.path(), settings::permitted(&[])).unwrap();
    let root = dir.path().join("ca.pem");
    for name in
        [AWS, "bucket.with.dots.s3.eu-west-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn", "127.0.0.1", "localhost"]
    {
        let port = serve((*authority.server_config(&HostName::parse(name), false).unwrap()).clone()).await;
        for (verifier, (accepted, said)) in [
            ("openssl", openssl(port, name, &root).await),
            ("python", python(port, name, &root).await),
            ("rustls", rustls_says(port, name, &root).await),
        ] {
            assert!(accepted, "{verifier} refuses {name}: {said}");
        }
    }
    let port = serve(stolen(dir.path(), EVIL)).await;
    for (verifier, (accepted, said)) in [
        ("openssl", openssl(port, EVIL, &root).await),
        ("python", python(port, EVIL, &root).await),
        ("rustls", rustls_says(port, EVIL, &root).await),
    ] {
        assert!(!accepted, "{verifier} believes a stolen key for {EVIL}");
        let why = said.to_lowercase();
        assert!(why.contains("subtree") || why.contains("constraint"), "{verifier} refuses for another reason: {said}");
    }
    // The thief's certificate is otherwise in order: for a permitted name it is believed.
    let port = serve(stolen(dir.path(), AWS)).await;
    assert!(rustls_says(port, AWS, &root).await.0);
}
