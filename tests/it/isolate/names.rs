//! Names as the program resolves them.

use super::for_each_user;

#[test]
fn names_of_aws_resolve_to_addresses_that_stay_and_tell_their_name() {
    for_each_user(|user| {
        let ran = user.python(&[], NAMES, &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let lines: Vec<_> = ran.out.lines().collect();
        assert_eq!(
            lines,
            ["198.18.1.0 198.18.1.0", "198.18.1.1", "s3.us-east-1.amazonaws.com", "127.0.0.1", "gaierror -2"],
            "{ran:?}"
        );
    });
}

const NAMES: &str = r#"
import socket
def address(name):
    return sorted({found[4][0] for found in socket.getaddrinfo(name, 443, socket.AF_INET)})[0]
print(address("s3.us-east-1.amazonaws.com"), address("S3.us-east-1.amazonaws.com"))
print(address("sqs.us-east-1.amazonaws.com"))
print(socket.gethostbyaddr("198.18.1.0")[0])
print(address("localhost"))
try:
    print(socket.getaddrinfo("192.0.2.300.", 443))
except socket.gaierror as error:
    print("gaierror", error.errno)
"#;

#[test]
fn a_name_server_answers_at_every_address_over_udp_and_tcp() {
    for_each_user(|user| {
        let ran = user.python(&[], RAW, &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let lines: Vec<_> = ran.out.lines().collect();
        let wanted = [
            "udp 8.8.8.8 198.18.1.0",
            "udp 127.0.0.53 198.18.1.0",
            "tcp 8.8.8.8 198.18.1.0",
            "AAAA 0 answers, code 0",
            "HTTPS 0 answers, code 0",
        ];
        assert_eq!(lines, wanted, "{ran:?}");
    });
}

const RAW: &str = r#"
import socket, struct
def question(kind):
    labels = b"".join(bytes([len(label)]) + label for label in (b"dynamodb", b"us-east-1", b"amazonaws", b"com"))
    return struct.pack(">HHHHHH", 4711, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
def udp(server, kind=1):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((server, 53))
    s.send(question(kind))
    return s.recv(512)
def tcp(server):
    s = socket.create_connection((server, 53), 5)
    s.sendall(struct.pack(">H", len(question(1))) + question(1))
    reader = s.makefile("rb")
    return reader.read(struct.unpack(">H", reader.read(2))[0])
def last(answer):
    return ".".join(map(str, answer[-4:]))
print("udp 8.8.8.8", last(udp("8.8.8.8")))
print("udp 127.0.0.53", last(udp("127.0.0.53")))
print("tcp 8.8.8.8", last(tcp("8.8.8.8")))
for name, kind in (("AAAA", 28), ("HTTPS", 65)):
    answer = udp("198.18.0.1", kind)
    print(name, struct.unpack(">H", answer[6:8])[0], "answers, code", answer[3] & 15)
"#;

#[test]
fn a_name_that_the_machine_does_not_know_does_not_exist_or_cannot_be_asked() {
    for_each_user(|user| {
        let look_up = "import socket, sys\ntry: print(socket.getaddrinfo('no-such-host.invalid', 1)[0][4][0])\nexcept socket.gaierror as e: print(e.errno)";
        let outside = user.command(super::PYTHON).args(["-c", look_up]).output().unwrap();
        let inside = user.python(&[], look_up, &[]);
        assert_eq!(inside.out, String::from_utf8_lossy(&outside.stdout), "{inside:?}");
    });
}
